"""Rows from verdicts: who counts as unbroken and as proved, by scope; and contradictions."""

import pytest
import torch
from part_attacks import shifted_qubit

from counterspin.evaluation.parts.found import Found, FoundAt
from counterspin.evaluation.parts.matched import Certified
from counterspin.evaluation.parts.summary import attack_record
from counterspin.evaluation.run_store import RunStore
from counterspin.evaluation.statistics import clopper_pearson
from counterspin.evaluation.subject import Subject
from counterspin.types import Cost

CORRECT = torch.tensor([True, True, True, True, False])


def mask(text: str) -> torch.Tensor:
    return torch.tensor([mark == "x" for mark in text])


def found(name, broken, scope="sample", holds=None, unit="radians (linf)", attacked=CORRECT, budgets=(0.1, 0.2)):
    """An attack from strings: `x` where a sample is broken."""
    at = tuple(
        FoundAt(
            budget=budget,
            success=mask(text),
            spent=torch.where(mask(text), budget / 2, torch.inf),
            cost=Cost(forwards=5, circuits=7),
            seconds=1.0,
            evidence={},
        )
        for budget, text in zip(budgets, broken, strict=True)
    )
    proof = None
    if holds is not None:
        proof = Certified(holds=torch.stack([mask(text) for text in holds]), method="toy", exact=False)
    return Found(
        attack=name, unit=unit, scope=scope, goal="g", capability="c", knowledge="white", defense="d", config={},
        correct=CORRECT, attacked=attacked, budgets=at, certified=proof,
    )  # fmt: skip


@pytest.fixture
def record(tmp_path):
    """A function that makes the record of attacks."""
    model = shifted_qubit()
    subject = Subject(model=model, x=torch.zeros(5, 1).double(), y=torch.zeros(5).long(), model_card={"name": "toy"})

    def make(*attacks, target=None):
        with RunStore(tmp_path / "run", {"model": "m", "data": "d"}) as store:
            return attack_record(
                attacks, subject=subject, where="parameters", target=target, seed=0, left_out={}, store=store
            )

    return make


def hits(share) -> int:
    assert (share.low, share.high) == pytest.approx(clopper_pearson(round(share.value * share.n), share.n))
    return round(share.value * share.n)


def test_a_sample_stands_that_no_attack_breaks(record) -> None:
    rows = record(found("a", ["x----", "xx---"]), found("b", ["-----", "--x--"])).budgets
    assert [hits(row.accuracy) for row in rows] == [3, 1]
    assert [[hits(one.accuracy) for one in row.attacks] for row in rows] == [[3, 4], [2, 3]]
    assert hits(rows[1].attacks[0].success) == 2
    assert rows[1].attacks[0].success.n == 4
    assert rows[1].attacks[0].spent == pytest.approx(0.1)
    assert rows[0].attacks[1].spent is None
    assert (rows[1].cost.forwards, rows[1].cost.circuits, rows[1].cost.seconds) == (10, 14, 2.0)


def test_one_manipulation_for_all_never_adds_up(record) -> None:
    rows = record(found("a", ["xx---", "x----"], "shared"), found("b", ["--x--", "--xx-"], "shared")).budgets
    # At the larger budget the worse of `a` is the one of the smaller budget, which is still allowed.
    assert [hits(row.accuracy) for row in rows] == [2, 2]
    assert [hits(one.accuracy) for one in rows[1].attacks] == [2, 2]


def test_units_and_scopes_have_rows_of_their_own(record) -> None:
    rows = record(
        found("a", ["x----", "x----"]),
        found("b", ["-x---", "-x---"], "shared"),
        found("c", ["--x--", "--xx-"], unit="gates", budgets=(1.0, 2.0)),
    ).budgets
    places = [(row.unit, row.scope, row.budget) for row in rows]
    assert places == [
        ("radians (linf)", "sample", 0.1),
        ("radians (linf)", "sample", 0.2),
        ("radians (linf)", "shared", 0.1),
        ("radians (linf)", "shared", 0.2),
        ("gates", "sample", 1.0),
        ("gates", "sample", 2.0),
    ]
    assert [hits(row.accuracy) for row in rows] == [3, 3, 3, 3, 3, 2]


def test_a_row_is_proved_only_against_all_its_attacks(record) -> None:
    strong, weak = ["-xxxx", "--xx-"], ["xxxxx", "xxxxx"]
    rows = record(found("a", ["x----", "xx---"], holds=strong), found("b", ["-----"] * 2, holds=weak)).budgets
    assert [hits(row.certified) for row in rows] == [3, 2]
    assert [hits(one.certified) for one in rows[0].attacks] == [3, 4]  # the misclassified sample never counts
    assert rows[0].attacks[0].method == "toy"
    rows = record(found("a", ["x----", "xx---"], holds=strong), found("b", ["-----"] * 2)).budgets
    assert rows[0].certified is None
    assert rows[0].attacks[1].certified is None
    assert rows[0].attacks[1].method is None


def test_a_proved_sample_that_is_broken_is_a_contradiction(record) -> None:
    whole = record(found("a", ["x----", "xxx--"], holds=["-xxxx", "--x--"]))
    assert [(line.attack, line.sample, line.budget) for line in whole.contradictions] == [("a", 2, 0.2)]
    assert not whole.reliable
    assert record(found("a", ["x----", "xx---"], holds=["-xxxx", "--x--"])).reliable


def test_with_a_target_only_the_others_are_attacked(record) -> None:
    attacked = mask("x-x--")
    whole = record(found("a", ["x----", "x----"], attacked=attacked), target=1)
    assert whole.budgets[0].attacks[0].success.n == 2
    assert hits(whole.budgets[0].accuracy) == 3
    assert whole.taxonomy.goal == "g, towards class 1"
    assert whole.threat["target"] == 1
    nobody = record(found("a", ["-----", "-----"], attacked=mask("-----")), target=1)
    assert nobody.budgets[0].attacks[0].success is None
