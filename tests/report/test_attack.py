"""The page of attacks on one part: the headline, a figure for each unit and scope, evidence, and what is unreliable."""

import re

import pytest

from counterspin.evaluation.measured import CostRecord
from counterspin.evaluation.parts.record import AttackRunRecord, Contradiction, Finding, PartBudget
from counterspin.evaluation.parts.taxonomy import taxonomy
from counterspin.evaluation.statistics import measured_share
from counterspin.report.attack import attack_headline, attack_mark, render_attack
from counterspin.report.charts.attack import part_curves
from counterspin.report.tables import attack as tables

COST = CostRecord(forwards=1200, backwards=300, circuits=1200, shots=0, seconds=1.5)


def plain(text: str) -> str:
    return text.replace("\u00a0", " ").replace("\u202f", " ")


def finding(name: str, scope: str, left: int, proved: int | None, evidence=None) -> Finding:
    return Finding(
        attack=name,
        scope=scope,  # pyright: ignore[reportArgumentType]
        accuracy=measured_share(left, 40),
        success=measured_share(38 - left, 38),
        spent=0.05,
        certified=None if proved is None else measured_share(proved, 40),
        method=None if proved is None else "drift of the margin (bound)",
        exact=None if proved is None else False,
        cost=COST,
        evidence={} if evidence is None else evidence,
        defense="known-answer circuits",
        taxonomy=taxonomy("gates", name, goal="a wrong class", capability="inserts gates", knowledge="white"),
        config={"name": name},
    )


def row(budget: float, unit: str, scope: str, *findings: Finding, certified: int | None = None) -> PartBudget:
    return PartBudget(
        budget=budget,
        unit=unit,
        scope=scope,  # pyright: ignore[reportArgumentType]
        accuracy=min((found.accuracy for found in findings), key=lambda share: share.value),
        certified=None if certified is None else measured_share(certified, 40),
        cost=COST,
        attacks=list(findings),
    )


@pytest.fixture
def record():
    """A function that makes a record, changed where asked."""
    ids = taxonomy("gates", "trojan", goal="a wrong class", capability="inserts <gates>", knowledge="white")
    evidence = {"sites": list(range(20)), "signature": {"depth": 3, "found_by": "known answers"}}

    def make(**changes) -> AttackRunRecord:
        values = {
            "schema": 1,
            "model": {"name": "digits <1>", "sha256": "m"},
            "dataset": {"name": "digits", "samples": 40},
            "where": "gates",
            "threat": {"where": "gates", "target": None},
            "clean_accuracy": measured_share(38, 40),
            "budgets": [
                row(0.01, "radians (linf)", "sample", finding("drift", "sample", 37, 35), certified=35),
                row(0.2, "radians (linf)", "sample", finding("drift", "sample", 30, 10), certified=10),
                *(
                    row(
                        float(k),
                        "gates",
                        "shared",
                        finding("fault", "shared", 20 - 5 * k, None),
                        finding("trojan", "shared", 30 - 5 * k, 5, evidence),
                    )
                    for k in (1, 2)
                ),
            ],
            "contradictions": [],
            "taxonomy": ids,
            "left_out": {"swap": "It needs two qubits."},
            "versions": {"counterspin": "0.1.0"},
            "seed": 0,
            "run": "runs/x",
        }
        return AttackRunRecord.model_validate(values | changes)

    return make


def test_headline_is_the_row_that_breaks_most(record) -> None:
    assert plain(attack_headline(record())) == (
        "Attacks on the gates, within 2 gates: 25.0 % of 40 samples stay correct, 95.0 % without an attack."
    )
    one = record(budgets=record().budgets[:2])
    said = "75.0 % of 40 samples stay correct, 95.0 % without an attack; 25.0 % are proved to stay."
    assert plain(attack_headline(one)).endswith(said)


def test_page(record) -> None:
    page = plain(render_attack(record()))
    assert page.count("<figure ") == 2
    assert "Radians (linf), for each sample" in page
    assert "Gates, for all samples at once" in page
    assert "UNRELIABLE</strong>" not in page
    assert "AML.T0043.004" in page
    assert "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 8 more" in page
    assert "signature.found by" in page
    assert "It needs two qubits." in page
    assert "digits &lt;1&gt;" in page
    assert "<gates>" not in page
    assert not re.search(r"(src|href)=\"https?:", page)


def test_a_contradiction_is_what_the_page_begins_with(record) -> None:
    lines = [
        Contradiction(attack="drift", method="drift of the margin (bound)", sample=k, budget=0.2, unit="radians (linf)")
        for k in range(12)
    ]
    found = record(contradictions=lines)
    assert attack_mark(found).text == "UNRELIABLE: 12 broken proofs"
    assert attack_mark(record()).text == "no proof was broken"
    bare = [row(1.0, "gates", "sample", finding("fault", "sample", 20, None))]
    assert attack_mark(record(budgets=bare)).text == "attacks only"
    page = plain(render_attack(found))
    assert "drift at 0.2 radians (linf), sample 9, proved by: drift of the margin (bound)." in page
    assert "sample 10" not in page
    assert "And 2 more." in page
    assert page.count("UNRELIABLE: 12 broken proofs") > 3


def test_curves_have_the_proof_below_and_a_wide_axis(record) -> None:
    budgets = record().budgets
    chart = part_curves(record(), budgets[:2])
    lines = chart.spec["layer"][1]
    assert lines["encoding"]["color"]["scale"]["domain"] == ["worst case", "proved"]
    assert lines["encoding"]["x"]["scale"]["type"] == "symlog"
    values = [row for name, row in _rows(chart.spec) if name == "proved"]
    assert [(row["budget"], row["value"]) for row in values] == [(0.0, 0.95), (0.01, 0.875), (0.2, 0.25)]
    chart = part_curves(record(), budgets[2:])
    assert chart.spec["layer"][1]["encoding"]["color"]["scale"]["domain"] == ["worst case", "fault", "trojan"]
    assert "type" not in chart.spec["layer"][1]["encoding"]["x"]["scale"]
    assert chart.summary.startswith("Accuracy falls from")


def _rows(spec):
    data = spec.get("data") or spec["layer"][0]["data"]
    return [(row["series"], row) for row in data["values"]]


def test_tables(record) -> None:
    findings = tables.findings_table(record().budgets[2:])
    assert [line[0] for line in findings.rows] == ["fault", "trojan", "fault", "trojan"]
    assert [line[-1] for line in findings.rows[:2]] == ["no certificate", "drift of the margin (bound)"]
    assert plain(findings.rows[0][2]) == "37.5 % (22.7–54.2)"
    assert [line[0] for line in tables.taxonomy_table(record()).rows] == ["drift", "fault", "trojan"]
    costs = tables.part_costs_table(record())
    assert plain(costs.rows[2][1]) == "1 gates"
    assert plain(costs.rows[2][2]) == "1 200"
