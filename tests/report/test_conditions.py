"""The section about noise: sentences from paired tests, tables with every number, a chart per attack mode."""

import torch

from counterspin.evaluation.compare import paired_record
from counterspin.evaluation.measured import CostRecord
from counterspin.evaluation.noise_records import (
    ConditionBudget,
    ConditionComparison,
    ConditionRecord,
    ModeRecord,
    NoiseConditionsRecord,
)
from counterspin.evaluation.statistics import measured_share
from counterspin.report.charts.conditions import condition_curves
from counterspin.report.conditions import condition_facts, condition_findings
from counterspin.report.tables import comparisons_table, conditions_table, modes_table

N = 20


def mode(name: str, hits: int) -> ModeRecord:
    share = measured_share(hits, N)
    cost = CostRecord(forwards=1, backwards=0, circuits=7, shots=0, seconds=0.5)
    budget = ConditionBudget(eps=0.1, robust_accuracy=share, attack_success_rate=None)
    return ModeRecord(mode=name, attack="apgd-margin", gradient="exact", samples=N, budgets=[budget], cost=cost)


def condition(name: str, clean: int, robust: int) -> ConditionRecord:
    return ConditionRecord(
        name=name,
        label=f"label of {name}",
        clean_accuracy=measured_share(clean, N),
        ece=None,
        certified=[measured_share(robust - 1, N)],
        certificates={},
        attacks=[mode("fixed", robust), mode("re-optimised", robust)],
    )


def compared(first: int, second: int, what: str, eps: float | None) -> ConditionComparison:
    one, two = (torch.arange(N) < hits for hits in (first, second))
    return ConditionComparison(first="ideal", second="noisy", what=what, eps=eps, paired=paired_record(one, two))


def record(robust: int) -> NoiseConditionsRecord:
    return NoiseConditionsRecord(
        asked={"device": "ibm:manila", "noise": None, "shots": 4096},
        samples=N,
        conditions=[condition("ideal", 20, 18), condition("noisy", 19, robust)],
        comparisons=[compared(20, 19, "clean accuracy", None), compared(18, robust, "re-optimised", 0.1)],
        notes=[],
    )


def test_a_difference_is_said_with_its_size_and_direction():
    (finding,) = condition_findings(record(robust=5))
    # 13 samples of 20 fall with noise only: 65 points.
    assert "1 of 2 paired tests show a difference" in finding
    assert "65.0" in finding
    assert "lower for noise" in finding


def test_a_null_result_is_a_finding():
    (finding,) = condition_findings(record(robust=17))
    assert finding.endswith("no difference is shown in 2 paired tests.")


def test_tables_hold_every_number():
    found = record(robust=5)
    rows = conditions_table(found).rows
    assert [row[0] for row in rows] == ["label of ideal", "", "label of noisy", ""]
    assert rows[3][2].startswith("25.0")
    assert rows[3][4].startswith("20.0")
    assert len(modes_table(found).rows) == 4
    assert [row[4] for row in comparisons_table(found).rows] == ["1", "13"]


def test_the_chart_starts_at_the_clean_accuracy_and_stresses_the_model_as_it_is_run():
    chart = condition_curves(record(robust=5), "fixed", "ε")
    rows = chart.spec["layer"][0].get("data", chart.spec.get("data"))["values"]
    bold = [row for row in rows if row["series"] == "noise"]
    assert [(row["eps"], row["value"], row["band"]) for row in bold] == [(0.0, 0.95, True), (0.1, 0.25, True)]
    assert not any(row["band"] for row in rows if row["series"] == "no noise")


def test_facts_leave_out_what_nobody_asked():
    assert condition_facts(record(robust=5)) == {"device": "ibm:manila", "shots": 4096}
