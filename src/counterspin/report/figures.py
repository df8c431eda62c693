"""The figures of a report: each chart with its title, what to read from it, and its numbers as a table."""

from dataclasses import dataclass, replace

import torch

from counterspin.evaluation.records import AuditRecord, NoiseCurve
from counterspin.report import charts, tables, theme
from counterspin.report.attacker import budget_words
from counterspin.report.bundle import static_svg
from counterspin.report.details import RunDetails
from counterspin.report.distances import Distances
from counterspin.report.formats import count, number
from counterspin.report.proofs import Proofs

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
    choice: bool = False

    def stamped(self, stamp: str | None) -> "Figure":
        """The figure with `stamp` as the title of its chart; itself for None."""
        if stamp is None:
            return self
        title = {"text": stamp, "anchor": "start", "style": "stamp"}
        return replace(self, chart=replace(self.chart, spec=self.chart.spec | {"title": title}))

    @property
    def svg(self) -> str:
        """The drawing; its colours are the page's CSS variables, so that it follows the theme."""
        config = theme.vega_config(theme.css_palette())
        return static_svg(self.chart.spec, config=config, width=STATIC_WIDTH)


def report_figures(record: AuditRecord, details: RunDetails | None = None) -> dict[str, list[Figure]]:
    """The figures by section.

    Args:
        record: the audit.
        details: what its run directory holds besides; None: the record alone is shown.
    """
    details = details or RunDetails()
    return {
        "security": [_security(record)],
        "distances": [] if details.distances is None else [_distances(record, details.distances)],
        "proofs": [] if details.proofs is None else [_proofs(record, details.proofs)],
        "traces": _traces(record, details),
        "calibration": _calibration(record),
        "noise": _noise(record),
    }


def _security(record: AuditRecord) -> Figure:
    if any(budget.certified is not None for budget in record.budgets):
        bands, truth = "95 % intervals of the worst case and of the proved share", "The truth lies between these two."
    else:
        bands, truth = "95 % interval of the worst case", "The truth lies on the worst case or below."
    several = len(record.budgets) > 1
    if not several:
        bands = "95 % intervals"
    return Figure(
        key="security",
        title="Security curve"
        if several
        else f"Robust accuracy {_small(budget_words(record.threat, record.budgets[0].eps))}",
        note=f"{'Shaded' if several else 'Lines'}: {bands}. {truth}",
        chart=charts.security_curve(record),
        table=tables.attacks_table(record),
        choice=several,
    )


def _small(words: str) -> str:
    return words[0].lower() + words[1:]


def _distances(record: AuditRecord, distances: Distances) -> Figure:
    correct = int(distances.correct.sum())
    within = distances.union[distances.correct] <= distances.largest * (1 + 1e-6)
    unbroken = correct - int(within.sum())
    note = (
        "How many samples are broken within each distance. Misclassified samples stand at distance 0. Nothing was "
        f"looked for beyond the largest ε, {number(distances.largest)}, where the curves are cut off: "
        f"{count(unbroken)} of {count(correct)} correctly classified samples were broken by no attack and have no "
        "distance here."
    )
    if distances.exact:
        note += " The exact curve is the truth: an attack that finds every nearest point lies on it, others below."
    elif distances.proved is not None:
        note += " No attack can be above the certified bound."
    return Figure(
        key="distances",
        title="Distances found by the minimum-norm attacks",
        note=note,
        chart=charts.distance_curves(distances, record.threat),
        table=tables.distances_table(distances),
        choice=True,
    )


def _proofs(record: AuditRecord, proofs: Proofs) -> Figure:
    unknown = int((proofs.correct & ~torch.isfinite(proofs.nearest)).sum())
    open_ = f" Hollow points at the right edge: {count(unknown)} samples without a known flip." if unknown else ""
    return Figure(
        key="proofs",
        title="Certified radius against nearest adversarial input",
        note="One point per correctly classified sample, in the colour of the certificate that proves most. On the "
        f"dashed diagonal proof and attack meet and the radius is exact; no point may lie above it.{open_}",
        chart=charts.proof_chart(proofs, record.threat),
        table=tables.proofs_table(record, proofs),
        table_label="Every certificate with its shares, tightness and time",
        choice=len(proofs.methods) > 1,
    )


def _traces(record: AuditRecord, details: RunDetails) -> list[Figure]:
    found = {
        "broken": (
            "Samples broken, query by query",
            "Share of the correctly classified samples broken after so many queries of each start (logarithmic). "
            "Samples broken at a smaller ε count from the beginning. A curve still rising at its end asks for more.",
            charts.broken_traces(details.traces, record.threat),
        ),
        "margin": (
            "Margin, query by query",
            "Mean over the correctly classified samples of the smallest margin so far, 0 where broken. It should be "
            "flat in the end.",
            charts.margin_traces(details.traces, record.threat),
        ),
        "distance": (
            "Distance, query by query",
            "Minimum-norm attacks search once for all ε: mean over the correctly classified samples of the smallest "
            "distance so far in feature units, the largest ε where unbroken.",
            charts.distance_traces(details.traces, record.threat),
        ),
    }
    drawn = [(key, title, note, chart) for key, (title, note, chart) in found.items() if chart is not None]
    return [
        Figure(
            key=f"trace-{key}",
            title=title,
            note=note,
            chart=chart,
            table=tables.traces_table(details.traces) if key == "broken" else None,
            choice=True,
        )
        for key, title, note, chart in drawn
    ]


def _calibration(record: AuditRecord) -> list[Figure]:
    if record.calibration is None:
        return []
    return [
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


def _noise(record: AuditRecord) -> list[Figure]:
    curves = record.noise_resilience.curves
    found = [
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
        table = tables.shots_table(curves)
        found.append(Figure(key="shots", title="Shots without added noise", note=note, chart=shots, table=table))
    return found


def _noise_note(curve: NoiseCurve) -> str:
    parts = [f"Theorem: {curve.theorem.rstrip('.')}."] if curve.theorem else []
    samples = f"{max(point.accuracy.n for point in curve.points)} samples"
    runs = "" if curve.trajectories is None else f", {curve.trajectories} noise trajectories each"
    return " ".join([*parts, f"{samples}{runs}."])
