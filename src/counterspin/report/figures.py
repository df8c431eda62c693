"""The figures of a report: each chart with its title, what to read from it, and its numbers as a table."""

from dataclasses import dataclass

from counterspin.evaluation.records import AuditRecord, NoiseCurve
from counterspin.report import charts, tables, theme
from counterspin.report.bundle import static_svg

__all__ = ["Figure", "report_figures"]

# Width of the drawings made ahead of time, in pixels: what fits a printed page next to its axis.
STATIC_WIDTH = 620


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A chart in the page: drawn ahead of time, and to be drawn anew by the reader's browser."""

    key: str
    title: str
    note: str
    chart: charts.Chart
    table: tables.Table | None
    table_label: str = "Numbers of this figure as a table"

    @property
    def svg(self) -> str:
        """The drawing; its colours are the page's CSS variables, so that it follows the theme."""
        config = theme.vega_config(theme.css_palette())
        return static_svg(self.chart.spec, config=config, width=STATIC_WIDTH)


def report_figures(record: AuditRecord) -> dict[str, list[Figure]]:
    """The figures by section."""
    security = Figure(
        key="security",
        title="Security curve",
        note=(
            "Shaded: 95 % intervals of the worst case and of the proved share. The truth lies between these two curves."
            if any(budget.certified is not None for budget in record.budgets)
            else "Shaded: 95 % interval of the worst case. The truth lies on it or below."
        ),
        chart=charts.security_curve(record),
        table=tables.attacks_table(record),
    )
    found: dict[str, list[Figure]] = {"security": [security], "calibration": [], "noise": []}
    if record.calibration is not None:
        found["calibration"] = [
            Figure(
                key="reliability",
                title="Reliability diagram",
                note="Below the dashed diagonal the model is too sure of itself. Vertical bars: 95 % intervals.",
                chart=charts.reliability_diagram(record.calibration),
                table=None,
            ),
            Figure(
                key="bins",
                title="Samples per bin",
                note="Few samples make a bin uncertain.",
                chart=charts.bin_counts(record.calibration),
                table=tables.calibration_table(record.calibration),
                table_label="Numbers of these two figures as a table",
            ),
        ]
    curves = record.noise_resilience.curves
    found["noise"] = [
        Figure(
            key=f"noise-{i}",
            title=curve.label,
            note=_noise_note(curve),
            chart=charts.noise_curve(curve),
            table=tables.noise_table(curve),
        )
        for i, curve in enumerate(curves)
    ]
    shots = charts.shot_curve(curves)
    if shots is not None:
        note = "How many measurements per sample the model needs to reach its accuracy without sampling error."
        found["noise"].append(
            Figure(
                key="shots", title="Shots without added noise", note=note, chart=shots, table=tables.shots_table(curves)
            )
        )
    return found


def _noise_note(curve: NoiseCurve) -> str:
    parts = [f"Theorem: {curve.theorem.rstrip('.')}."] if curve.theorem else []
    samples = f"{max(point.accuracy.n for point in curve.points)} samples"
    runs = "" if curve.trajectories is None else f", {curve.trajectories} noise trajectories each"
    return " ".join([*parts, f"{samples}{runs}."])
