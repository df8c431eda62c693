import math

import pytest
import torch

from counterspin.errors import UsageError
from counterspin.threats import Constraints, Group
from counterspin.types import Box

BIT = Group(features=(0,), values=((0.0,), (1.0,)))
ONE_HOT = Group(features=(1, 2), values=((1.0, 0.0), (0.0, 1.0)))


@pytest.mark.parametrize(
    ("features", "values", "message"),
    [
        ((), ((),), "at least 1 different indices"),
        ((0, 0), ((0.0, 1.0),), "different indices"),
        ((-1,), ((0.0,),), "counted from 0"),
        ((0,), (), "lists no values"),
        ((0, 1), ((0.0, 1.0), (1.0,)), r"the value \(1.0,\) with 1 entries; each value needs one entry per feature, 2"),
        ((0,), ((0.0,), (math.nan,)), "must be finite"),
        ((0,), ((math.inf,),), "must be finite"),
        ((0,), ((0.0,), (1.0,), (0.0,)), "lists a value twice"),
        ((0,), ((0.0,), (-0.0,)), "lists a value twice"),
    ],
)
def test_groups_that_make_no_list_of_values_are_refused(features, values, message):
    with pytest.raises(UsageError, match=message):
        Group(features=features, values=values)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"mask": (False, False)}, "mask forbids every feature"),
        ({"groups": (BIT, BIT)}, r"feature 0 belongs to group \(0,\) and to group \(0,\)"),
        ({"groups": (BIT,), "tied": ((0, 3),)}, r"feature 0 belongs to group \(0,\) and to tied set \(0, 3\)"),
        ({"tied": ((0, 3), (3, 4))}, "feature 3 belongs to tied set"),
        ({"tied": ((3,),)}, "at least 2 different indices"),
        ({"tied": ((3, 3),)}, "at least 2 different indices"),
        ({"mask": (True, True, False), "groups": (ONE_HOT,)}, r"mask forbids a part of group \(1, 2\)"),
        ({"mask": (True, False), "tied": ((0, 1),)}, r"mask forbids a part of tied set \(0, 1\)"),
    ],
)
def test_constraints_that_contradict_themselves_are_refused(fields, message):
    with pytest.raises(UsageError, match=message):
        Constraints(**fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"mask": (True, False)}, "mask has 2 entries; the model takes 4 features"),
        (
            {"groups": (Group(features=(4,), values=((0.0,),)),)},
            r"group \(4,\) names feature 4; the model's are 0 to 3",
        ),
        ({"tied": ((0, 9),)}, "names feature 9"),
        ({"groups": (Group(features=(0,), values=((0.0,), (1.5,))),)}, r"value \(1.5,\), which lies outside"),
        ({"tied": ((0, 3),)}, "unequal periods"),
    ],
)
def test_constraints_that_do_not_fit_a_model_are_refused(fields, message):
    box = Box(torch.zeros(4), torch.ones(4), torch.tensor([False, False, False, True]))
    with pytest.raises(UsageError, match=message):
        Constraints(**fields).check(box)


def test_values_outside_the_box_are_fine_without_a_box():
    Constraints(groups=(Group(features=(0,), values=((0.0,), (1.5,))),)).check(Box.uniform(0, 1, 1), inside=False)


def test_units_count_groups_and_tied_sets_once():
    constraints = Constraints(groups=(ONE_HOT,), tied=((0, 4),))
    assert constraints.units(6).tolist() == [0, 1, 1, 2, 0, 3]
    delta = torch.tensor([[0.1, 1, -1, 0, 0.1, 0], [0, 0, 0, 2, 0, 1e-30], [0, 0, 0, 0, 0, 0]])
    assert constraints.count(delta).tolist() == [2, 2, 0]
    assert constraints.count(delta[None]).tolist() == [[2, 2, 0]]
    assert Constraints().count(delta).tolist() == [4, 2, 0]


def test_they_are_true_when_they_constrain():
    assert not Constraints()
    assert Constraints(mask=(True,))
    assert Constraints(groups=(BIT,))
    assert Constraints(tied=((0, 1),))


def test_features_that_move_and_are_discrete():
    constraints = Constraints(mask=(True, False, False), groups=(ONE_HOT,))
    assert constraints.movable(3).tolist() == [True, False, False]
    assert constraints.discrete(4).tolist() == [False, True, True, False]
    assert Constraints().movable(2).tolist() == [True, True]
    assert Constraints().discrete(2).tolist() == [False, False]
