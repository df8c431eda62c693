import inspect
import json
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from counterspin.errors import UsageError
from counterspin.threats import L0, L1, L2, Constraints, Group, Linf, QueryBudget, ThreatModel
from counterspin.types import Box

BITS = tuple(Group(features=(i,), values=((0.0,), (1.0,))) for i in range(2))


def test_the_short_forms_are_the_long_one():
    assert Linf(0.1, 0.2) == ThreatModel(norm="linf", eps=(0.1, 0.2))
    assert L2(1, units="relative", box="none", target=3) == ThreatModel(
        norm="l2", eps=(1.0,), units="relative", box="none", target=3
    )


def test_it_is_a_hashable_value():
    assert len({Linf(0.1), Linf(0.1), L2(0.1)}) == 2
    assert len({Linf(0.1, groups=BITS), Linf(0.1, groups=BITS), Linf(0.1, mask=(True, False)), Linf(0.1)}) == 3


@pytest.mark.parametrize(
    ("eps", "message"),
    [
        ((), "eps is empty"),
        ((0.0,), "above 0"),
        ((-0.1, 0.2), "above 0"),
        ((math.inf,), "finite"),
        ((math.nan,), "finite"),
        ((0.1, 1e20), "at most 1e"),
        ((0.2, 0.1), "ascending"),
        ((0.1, 0.1), "each once"),
    ],
)
def test_budgets_that_make_no_grid_are_refused(eps, message):
    with pytest.raises(UsageError, match=message):
        Linf(*eps)


@pytest.mark.parametrize(("name", "value"), [("norm", "l3"), ("units", "percent"), ("box", "unit")])
def test_unknown_names_are_refused(name, value):
    with pytest.raises(UsageError, match=f"{name} is {value!r}; allowed: "):
        ThreatModel(**{"norm": "linf", "eps": (0.1,), name: value})


@pytest.mark.parametrize("target", [-1, (0, -2)])
def test_a_negative_target_is_refused(target):
    with pytest.raises(UsageError, match="classes count from 0"):
        Linf(0.1, target=target)


def test_sizes_are_norms():
    delta = torch.tensor([[3.0, -4.0], [0.0, 0.0]])
    assert Linf(1).size(delta).tolist() == [4.0, 0.0]
    assert L2(1).size(delta).tolist() == [5.0, 0.0]
    assert L1(1).size(delta).tolist() == [7.0, 0.0]
    assert L0(1).size(delta).tolist() == [2.0, 0.0]
    assert L0(1, tied=((0, 1),)).size(delta).tolist() == [1.0, 0.0]
    assert L0(1, groups=(Group(features=(0, 1), values=((0, 0), (1, 1))),)).size(delta).tolist() == [1.0, 0.0]
    assert [threat(1).order for threat in (Linf, L2, L1, L0)] == [math.inf, 2.0, 1.0, 0.0]


def test_radii_in_feature_units_are_the_budgets():
    x = torch.rand(3, 2, dtype=torch.float64)
    assert Linf(0.1, 0.2).radii(x).tolist() == [[0.1] * 3, [0.2] * 3]


def test_relative_radii_follow_the_norm_of_the_input():
    x = torch.tensor([[3.0, -4.0], [0.0, 1.0]], dtype=torch.float64)
    assert L2(0.1, 0.2, units="relative").radii(x).tolist() == pytest.approx(
        torch.tensor([[0.5, 0.1], [1.0, 0.2]]).double()
    )
    assert Linf(0.5, units="relative").radii(x).tolist() == [[2.0, 0.5]]


@given(st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=5, unique=True), st.sampled_from(["feature", "relative"]))
def test_radii_ascend_with_the_budget(eps, units):
    x = torch.tensor([[1.0, -2.0], [0.5, 0.5]], dtype=torch.float64)
    radii = L2(*sorted(eps), units=units).radii(x)
    assert radii.shape == (len(eps), 2)
    assert (radii.diff(dim=0) > 0).all()


def test_targets_per_sample():
    y = torch.tensor([0, 1, 2])
    assert Linf(0.1).targets(y) is None
    assert Linf(0.1, target=4).targets(y).tolist() == [4, 4, 4]
    assert Linf(0.1, target=(1, 2, 0)).targets(y).tolist() == [1, 2, 0]
    with pytest.raises(UsageError, match="2 classes for 3 samples"):
        Linf(0.1, target=(1, 2)).targets(y)


def test_json_round_trip():
    threat = L2(0.1, 0.2, units="relative", box="none", target=(1, 0))
    stored = json.loads(json.dumps(threat.to_json()))
    unset = {"mask": None, "groups": [], "tied": [], "budget": None}
    expected = {"norm": "l2", "eps": [0.1, 0.2], "units": "relative", "box": "none", "target": [1, 0]}
    assert stored == {**expected, **unset}
    stored["eps"], stored["target"] = tuple(stored["eps"]), tuple(stored["target"])
    stored["groups"] = stored["tied"] = ()
    assert ThreatModel(**stored) == threat


def test_json_of_constraints():
    threat = L0(
        1,
        mask=(True, True, False, True, True),
        groups=(Group(features=(0, 1), values=((1, 0), (0, 1))),),
        tied=((3, 4),),
        budget=QueryBudget(queries=7),
    )
    stored = json.loads(json.dumps(threat.to_json()))
    assert stored["mask"] == [True, True, False, True, True]
    assert stored["groups"] == [{"features": [0, 1], "values": [[1.0, 0.0], [0.0, 1.0]]}]
    assert stored["tied"] == [[3, 4]]
    assert stored["budget"] == {"queries": 7, "circuits": None, "shots": None}


def test_constraints_are_those_of_the_fields():
    threat = L1(0.1, mask=(True, True), groups=BITS)
    assert threat.constraints == Constraints(mask=(True, True), groups=BITS)
    assert threat.constraints is threat.constraints
    with pytest.raises(UsageError, match="forbids every feature"):
        L1(0.1, mask=(False,))


@pytest.mark.parametrize(
    ("eps", "options", "message"),
    [
        ((1.5,), {}, "count changed features, give whole numbers from 1"),
        ((0.5,), {}, "give whole numbers from 1"),
        ((1.0,), {"units": "relative"}, "use units='feature'"),
        ((1.0,), {"box": "none"}, "so one change could do anything"),
    ],
)
def test_l0_threats_that_mean_nothing_are_refused(eps, options, message):
    with pytest.raises(UsageError, match=message):
        L0(*eps, **options)


def test_l0_without_bounds_is_for_discrete_features():
    L0(1, box="none", groups=BITS).check(Box.unbounded(2))
    L0(1, box="none", groups=BITS, mask=(True, True, False)).check(Box.uniform(0.0, 1.0, 3))
    with pytest.raises(UsageError, match="so one change could do anything"):
        L0(1, box="none", groups=BITS).check(Box.uniform(0.0, 1.0, 3))
    with pytest.raises(UsageError, match="so one change could do anything"):
        L0(1).check(Box.unbounded(3))
    L0(1).check(Box.uniform(0.0, 1.0, 3))


def test_a_threat_must_fit_the_model():
    with pytest.raises(UsageError, match="mask has 1 entries"):
        Linf(0.1, mask=(True,)).check(Box.uniform(0.0, 1.0, 2))
    wide = (Group(features=(0,), values=((0.0,), (2.0,))),)
    with pytest.raises(UsageError, match="outside the model's box"):
        Linf(0.1, groups=wide).check(Box.uniform(0.0, 1.0, 2))
    Linf(0.1, groups=wide, box="none").check(Box.uniform(0.0, 1.0, 2))


@pytest.mark.parametrize("make", [Linf, L2, L1, L0])
@pytest.mark.parametrize("eps", [([0.1, 0.2],), ("a",), (None,)])
def test_budgets_that_are_no_numbers_are_refused(make, eps):
    # Past the run-time type checks of the tests, as a user without them would come.
    with pytest.raises(UsageError, match="give the budgets as numbers"):
        inspect.unwrap(make)(*eps)
