"""With and without noise, in numbers."""

from counterspin.evaluation.noise_records import ConditionComparison, ConditionRecord, ModeRecord, NoiseConditionsRecord
from counterspin.report.charts.conditions import CONDITIONS
from counterspin.report.formats import NBSP, count, number, p_value, percent, seconds
from counterspin.report.tables.base import Table
from counterspin.report.wording import share

__all__ = ["comparisons_table", "conditions_table", "modes_table"]

_MODES = {
    "fixed": "replayed",
    "re-optimised": "re-optimised",
    "hardware-valid": "hardware-valid",
}


def conditions_table(record: NoiseConditionsRecord) -> Table:
    """Clean accuracy and calibration of every condition, then at every ε replayed, re-optimised and proved."""
    proved = any(condition.certified is not None for condition in record.conditions)
    return Table(
        caption="Share correct and unbroken under each condition, on the same samples, with 95 % intervals. ε = 0: "
        "clean accuracy. ECE: calibration error of the clean predictions.",
        columns=("Condition", "ε", "Replayed", "Re-optimised", *["Proved"] * proved, "ECE"),
        rows=tuple(row for condition in record.conditions for row in _rows(condition, proved)),
    )


def _rows(condition: ConditionRecord, proved: bool) -> list[tuple[str, ...]]:
    modes = {mode.mode: mode for mode in condition.attacks}
    clean = share(condition.clean_accuracy)
    ece = "–" if condition.ece is None else number(condition.ece.value)
    rows: list[tuple[str, ...]] = [(condition.label, "0", clean, clean, *["–"] * proved, ece)]
    for place, budget in enumerate(modes["fixed"].budgets):
        found = [share(modes[name].budgets[place].robust_accuracy) for name in ("fixed", "re-optimised")]
        found += [share(None if condition.certified is None else condition.certified[place])] * proved
        rows.append(("", number(budget.eps), *found, ""))
    return rows


def modes_table(record: NoiseConditionsRecord) -> Table:
    """Every attack under every condition: gradient, samples, robust accuracy and cost."""
    rows = [
        (
            CONDITIONS[condition.name],
            _MODES[mode.mode],
            mode.skipped or f"{mode.attack}: {mode.gradient}",
            str(mode.samples),
            _robust(mode),
            count(mode.cost.circuits),
            count(mode.cost.shots),
            seconds(mode.cost.seconds),
        )
        for condition in record.conditions
        for mode in condition.attacks
    ]
    return Table(
        caption="How each attack got its gradient, and what it cost with the tests behind its verdicts. The "
        "hardware-valid attack asks for nothing that a device could not measure, on few samples.",
        columns=("Condition", "Attack", "Gradient", "Samples", "Robust accuracy", "Circuits", "Shots", "Time"),
        rows=tuple(rows),
    )


def _robust(mode: ModeRecord) -> str:
    return "; ".join(f"ε = {number(b.eps)}: {percent(b.robust_accuracy.value)}" for b in mode.budgets) or "–"


def comparisons_table(record: NoiseConditionsRecord) -> Table:
    """Every paired test."""
    rows = [
        (
            f"{_called(test.first)} against {_called(test.second)}",
            _what(test),
            f"{percent(test.paired.first.value)} / {percent(test.paired.second.value)}",
            f"{100 * test.paired.difference:+.1f}{NBSP}({100 * test.paired.low:+.1f} to {100 * test.paired.high:+.1f})",
            str(test.paired.only_first),
            str(test.paired.only_second),
            p_value(test.paired.p_value),
            p_value(test.paired.p_holm),
        )
        for test in record.comparisons
    ]
    return Table(
        caption="Paired on the same samples: exact McNemar, adjusted over each pair (Holm). A difference is one where "
        "the adjusted p is below 0.05.",
        columns=(
            "Compared",
            "Share",
            "First / second",
            "Difference, points",
            "Only first",
            "Only second",
            "p",
            "p (Holm)",
        ),
        rows=tuple(rows),
    )


def _called(name: str) -> str:
    return CONDITIONS.get(name, _MODES.get(name, name))


def _what(test: ConditionComparison) -> str:
    where = _called(test.what)
    return where if test.eps is None else f"{where}, ε = {number(test.eps)}"
