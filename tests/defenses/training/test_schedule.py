"""Schedules by hand, and budgets beyond the box."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from counterspin.defenses.training.schedule import EpsilonSchedule, middle
from counterspin.errors import UsageError
from counterspin.threats import L0, L1, L2, Linf
from counterspin.types import Box

UNIT = Box.uniform(0.0, 1.0, features=4)


def test_line_then_constant() -> None:
    schedule = EpsilonSchedule(final=0.3, warmup=0.5, start=0.1)
    values = [schedule(progress) for progress in (0.0, 0.25, 0.5, 0.75, 0.999)]
    assert values == pytest.approx([0.1, 0.2, 0.3, 0.3, 0.3], abs=1e-15)
    assert EpsilonSchedule(final=0.3, warmup=0.0)(0.0) == 0.3


@given(final=st.floats(0.01, 10), warmup=st.floats(0, 1), share=st.floats(0, 1))
def test_grows_and_never_exceeds(final: float, warmup: float, share: float) -> None:
    schedule = EpsilonSchedule(final=final, warmup=warmup, start=share * final)
    values = [schedule(step / 20) for step in range(21)]
    assert all(a <= b + 1e-12 for a, b in itertools.pairwise(values))
    assert share * final - 1e-12 <= values[0]
    assert values[-1] == final


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"final": 0.0}, "eps is 0.0"),
        ({"final": float("nan")}, "eps is nan"),
        ({"start": 0.2}, "start is 0.2"),
        ({"start": -0.1}, "start is -0.1"),
        ({"warmup": 1.5}, "warmup is 1.5"),
    ],
)
def test_refusals(change: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        EpsilonSchedule(**{"final": 0.1, **change})


@pytest.mark.parametrize(
    ("threat", "limit"),
    [
        (Linf(0.1), 0.5),
        (L2(0.1), 1.0),
        (L1(0.1), 2.0),
        (L2(0.1, mask=(True, False, False, False)), 0.5),
        (L2(0.1, units="relative"), 1.0),
        (L0(1), 4.0),
    ],
)
def test_beyond_the_box(threat, limit: float) -> None:
    EpsilonSchedule(final=limit).check(threat, UNIT)
    with pytest.raises(UsageError, match="beyond the box, whose half diameter is"):
        EpsilonSchedule(final=limit * 1.01).check(threat, UNIT)


def test_without_a_box_nothing_is_beyond() -> None:
    EpsilonSchedule(final=100.0).check(Linf(0.1, box="none"), UNIT)
    EpsilonSchedule(final=100.0).check(Linf(0.1), Box.unbounded(4))
    wide = Box(torch.tensor([0.0, -4.0]), torch.tensor([1.0, 4.0]), torch.zeros(2, dtype=torch.bool))
    EpsilonSchedule(final=4.0).check(Linf(0.1), wide)


def test_middle() -> None:
    assert [middle(Linf(*eps)) for eps in ((0.1,), (0.1, 0.2), (0.1, 0.2, 0.3))] == [0.1, 0.1, 0.2]
