"""The section "Under noise": figures, and what they show in a sentence."""

from counterspin.evaluation.noise_records import ConditionComparison, NoiseConditionsRecord
from counterspin.evaluation.records import AuditRecord
from counterspin.report import charts, tables
from counterspin.report.attacker import eps_axis
from counterspin.report.charts.conditions import CONDITIONS
from counterspin.report.figures import Figure
from counterspin.report.formats import NBSP, number, p_value

__all__ = ["condition_facts", "condition_figures", "condition_findings"]

_CLEAR = 0.05

_NOTES = {
    "fixed": (
        "Adversarial inputs made without noise, replayed",
        "Inputs made once on the noiseless model and shown to the model under each condition. An attacker who does not "
        "know the noise can do this much.",
    ),
    "re-optimised": (
        "Attacks made through the noise",
        "The same attack, run anew on each condition along its own exact gradient. Where it breaks fewer samples than "
        "the replay, noise hides the gradient and not the weakness.",
    ),
}


def condition_figures(record: AuditRecord) -> list[Figure]:
    """A figure per attack mode; none where nobody asked about conditions."""
    found = record.noise_conditions
    if found is None or found.skipped:
        return []
    return [
        Figure(
            key=f"conditions-{mode}",
            title=title,
            note=f"{note} Shaded: 95 % interval of the model as it would be run.",
            chart=charts.condition_curves(found, mode, eps_axis(record.threat)),
            table=tables.comparisons_table(found) if mode == "re-optimised" else None,
            table_label="Every paired test between conditions and attacks",
            choice=True,
        )
        for mode, (title, note) in _NOTES.items()
    ]


def condition_findings(record: NoiseConditionsRecord) -> list[str]:
    """What the paired tests found, a sentence each; null results are findings."""
    pairs = dict.fromkeys((test.first, test.second) for test in record.comparisons)
    found = []
    for first, second in pairs:
        tests = [test for test in record.comparisons if (test.first, test.second) == (first, second)]
        clear = [test for test in tests if _p(test) < _CLEAR]
        names = _called(first), _called(second)
        if not clear:
            found.append(f"{names[0]} against {names[1]}: no difference is shown in {len(tests)} paired tests.")
            continue
        most = min(clear, key=_p)
        points = f"{abs(100 * most.paired.difference):.1f}{NBSP}points"
        way = "lower" if most.paired.difference > 0 else "higher"
        where = _called(most.what) + ("" if most.eps is None else f" at ε = {number(most.eps)}")
        found.append(
            f"{names[0]} against {names[1]}: {len(clear)} of {len(tests)} paired tests show a difference; the clearest "
            f"is {where}, {points} {way} for {names[1]} (p{NBSP}{_said(_p(most))})."
        )
    return found


def condition_facts(record: NoiseConditionsRecord) -> dict[str, object]:
    """What was asked, without what nobody asked about."""
    return {name.replace("_", " "): value for name, value in record.asked.items() if value is not None}


def _p(test: ConditionComparison) -> float:
    return test.paired.p_value if test.paired.p_holm is None else test.paired.p_holm


def _said(p: float) -> str:
    text = p_value(p)
    return text if text.startswith("<") else f"={NBSP}{text}"


def _called(name: str) -> str:
    words = {"fixed": "replayed attacks", "re-optimised": "re-optimised attacks"}
    return CONDITIONS.get(name, words.get(name, name))
