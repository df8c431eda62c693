"""A noise study in numbers."""

from counterspin.evaluation.analysis.records import DriftCell, LadderPoint, MapCell, MitigationRow
from counterspin.evaluation.measured import Measured, PairedRecord
from counterspin.report.formats import NBSP, number, p_value, percent
from counterspin.report.tables.base import Table
from counterspin.report.wording import share

__all__ = ["drift_table", "ladder_table", "map_table", "mitigation_table"]


def ladder_table(points: list[LadderPoint]) -> Table:
    """Every strength of one channel, both readouts."""
    rows = [
        (
            number(point.strength),
            {"own": "own", "counterpart": "counterpart"}[point.readout] + _balance(point),
            share(point.clean_accuracy),
            share(point.shot_accuracy),
            share(point.attacked_accuracy),
            "–" if point.radius is None else number(point.radius.value),
            number(point.c1),
            number(point.c3),
        )
        for point in points
    ]
    return Table(
        caption="Accuracies with 95 % intervals; median radius in feature units; C1 and C3 as trace distances.",
        columns=("Strength", "Readout", "Clean", "Finite shots", "Attacked", "Radius", "C1", "C3"),
        rows=tuple(rows),
    )


def _balance(point: LadderPoint) -> str:
    return "" if point.balanced is None else ", balanced" if point.balanced else ", unbalanced"


def map_table(cells: list[MapCell]) -> Table:
    """Every cell of the masking map."""
    rows = [
        (
            cell.channel,
            number(cell.strength),
            number(cell.eps),
            str(cell.samples),
            _short(cell.ideal),
            _short(cell.re_optimised),
            _short(cell.fixed),
            _p(cell.noise_effect),
            _p(cell.masking),
            cell.verdict,
        )
        for cell in cells
    ]
    return Table(
        caption="Attack success on samples that are correct with and without noise; p adjusted over all cells (Holm).",
        columns=(
            "Channel",
            "Strength",
            "ε",
            "Samples",
            "Without noise",
            "Re-optimised",
            "Replayed",
            "p (noise)",
            "p (masking)",
            "Verdict",
        ),
        rows=tuple(rows),
    )


def drift_table(cells: list[DriftCell]) -> Table:
    """Every transfer at every ε."""
    rows = [
        (cell.source, cell.target, number(cell.eps), str(cell.samples), share(cell.success), _p(cell.own))
        for cell in cells
    ]
    return Table(
        caption="Success of inputs made under one noise and shown under another; p against the target's own attack.",
        columns=("Made under", "Shown under", "ε", "Samples", "Success", "p (Holm)"),
        rows=tuple(rows),
    )


def mitigation_table(rows: list[MitigationRow]) -> Table:
    """Every technique against none."""
    cells = [
        (
            row.mitigation,
            "linear" if row.linear else "not linear",
            str(row.circuits),
            "–" if row.shot_overhead is None else f"{number(row.shot_overhead)}×",
            number(row.score_error),
            share(row.clean.first),
            share(row.attacked.first),
            _points(row.attacked),
            _p(row.attacked),
        )
        for row in rows
    ]
    return Table(
        caption="Shots: times as many for the standard error of an unmitigated value. Margin error: mean distance of "
        "the margins from the noiseless model's. Robust accuracy against the attack through noise and mitigation.",
        columns=(
            "Mitigation",
            "Kind",
            "Circuits",
            "Shots",
            "Margin error",
            "Clean",
            "Robust",
            "Change, points",
            "p (Holm)",
        ),
        rows=tuple(cells),
    )


def _short(measured: Measured | None) -> str:
    return "–" if measured is None else percent(measured.value)


def _points(pair: PairedRecord) -> str:
    return f"{100 * pair.difference:+.1f}{NBSP}({100 * pair.low:+.1f} to {100 * pair.high:+.1f})"


def _p(pair: PairedRecord | None) -> str:
    return "–" if pair is None else p_value(pair.p_value if pair.p_holm is None else pair.p_holm)
