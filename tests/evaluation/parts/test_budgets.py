"""Budgets with units: which attack takes which, and one sentence for every mistake."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
from part_attacks import CountedWeights, OneShift, Shift

from counterspin.attacks.quantum import QuantumAttack
from counterspin.errors import UsageError
from counterspin.evaluation.parts.budgets import Amount, assigned, in_unit, read_amounts


def attack_of(unit_: str, name_: str = "toy", budgets=(0.1,), ceiling_=float("inf"), scope_="sample") -> QuantumAttack:
    @dataclass(frozen=True, kw_only=True)
    class Toy(Shift):
        name: ClassVar[str] = name_
        scope = scope_
        default_budgets: ClassVar[tuple[float, ...]] = budgets
        ceiling: ClassVar[float] = ceiling_

        @property
        def unit(self) -> str:
            return unit_

    return Toy()


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("0.1", Amount(value=0.1)),
        (".5rad", Amount(value=0.5, unit="rad")),
        ("1e-3 infidelity", Amount(value=1e-3, unit="infidelity")),
        ("3 Gates", Amount(value=3.0, unit="gates")),
        ("-2", Amount(value=-2.0)),
        (4, Amount(value=4.0)),
        ("0.1total variation", Amount(value=0.1, unit="total variation")),
    ],
)
def test_read(text, amount) -> None:
    assert read_amounts([text]) == (amount,)


@pytest.mark.parametrize("text", ["", "rad", "nan", "inf", "--1"])
def test_what_is_no_number(text) -> None:
    with pytest.raises(UsageError, match=f"budget {text!r} is no number"):
        read_amounts([text])


def test_half_a_number_is_a_unit_of_nobody() -> None:
    with pytest.raises(UsageError, match=r"budget 1.2.3 is in no unit of the attacks here"):
        assigned([Shift()], read_amounts(["1.2.3"]))


@pytest.mark.parametrize(
    ("unit", "text"),
    [
        ("radians (linf)", "0.1rad"),
        ("radians (linf)", "0.1radian"),
        ("radians (linf)", "0.1 radians"),
        ("radians (linf)", "0.1radians(linf)"),
        ("infidelity", "0.1infid"),
        ("total variation", "0.1tv"),
        ("total variation", "0.1totalvariation"),
        ("trace distance", "0.1trace"),
    ],
)
def test_ways_to_write_a_unit(unit, text) -> None:
    assert assigned([attack_of(unit)], read_amounts([text])) == ({"toy": (0.1,)}, {})


@pytest.mark.parametrize("text", ["0.1r", "0.1deg", "0.1radl2", "0.1radians(l2)", "0.1gates", "0.1s"])
def test_units_of_others(text) -> None:
    listed = r"\(radians \(linf\): toy\)"
    with pytest.raises(UsageError, match=rf"budget 0.1\S+ is in no unit of the attacks here {listed}"):
        assigned([attack_of("radians (linf)")], read_amounts([text]))


def test_a_unit_in_full_is_no_prefix_of_a_longer_one() -> None:
    attacks = [attack_of("total variation", "whole"), attack_of("total variation of each column", "each")]
    assert assigned(attacks, read_amounts(["0.1 total variation"]))[0] == {"whole": (0.1,)}
    assert assigned(attacks, read_amounts(["0.1tv"]))[0] == {"whole": (0.1,)}
    assert assigned(attacks, read_amounts(["0.1total variation of"]))[0] == {"each": (0.1,)}
    assert assigned(attacks, read_amounts(["0.1total"]))[0] == {"whole": (0.1,), "each": (0.1,)}


def test_each_attack_gets_what_is_in_its_unit() -> None:
    attacks = [Shift(), OneShift(), CountedWeights()]
    levels, left_out = assigned(attacks, read_amounts(["0.5rad", "0.1rad", "2weights"]))
    assert levels == {"shift": (0.1, 0.5), "one-shift": (0.1, 0.5), "counted": (2.0,)}
    assert left_out == {}
    levels, left_out = assigned(attacks, read_amounts(["2weights"]))
    assert levels == {"counted": (2.0,)}
    assert left_out["shift"] == "Its budgets are in radians (linf), and none was given in that unit."


def test_a_number_alone_needs_one_unit() -> None:
    both = [attack_of("radians (linf)", "a"), attack_of("radians (l2)", "b")]
    assert assigned(both, read_amounts([0.1]))[0] == {"a": (0.1,), "b": (0.1,)}
    with pytest.raises(UsageError, match=r"have several \(radians \(linf\): shift; weights: counted\)"):
        assigned([Shift(), CountedWeights()], read_amounts([0.1]))


def test_defaults_are_those_of_the_row_up_to_the_ceiling() -> None:
    attacks = [
        attack_of("infidelity", "a", (0.1, 0.3)),
        attack_of("infidelity", "b", (0.2,), ceiling_=0.25),
        attack_of("infidelity", "c", (0.7,), scope_="shared"),
    ]
    assert assigned(attacks, None) == ({"a": (0.1, 0.2, 0.3), "b": (0.1, 0.2), "c": (0.7,)}, {})


def test_one_unit() -> None:
    assert in_unit(read_amounts([0.3, "0.1feature"]), "feature units (l2)") == (0.1, 0.3)
    with pytest.raises(UsageError, match=r"budget 0.1rad is in another unit; budgets here are in feature units \(l2\)"):
        in_unit(read_amounts(["0.1rad"]), "feature units (l2)")
    with pytest.raises(UsageError, match="budgets is empty"):
        read_amounts([])
