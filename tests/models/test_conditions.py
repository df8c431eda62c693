"""What can be asked of conditions, and what makes no sense together."""

import pytest

from counterspin.errors import UsageError
from counterspin.mitigation.zne import ZNE
from counterspin.models.conditions import Conditions
from counterspin.noise import NoiseModel


def test_objects_are_recorded_in_words():
    asked = Conditions(noise=NoiseModel(global_depolarizing=0.1), mitigation=ZNE(), shots=8)
    assert asked.to_json() == {
        "device": None, "noise": "a noise model of one's own", "shots": 8, "mitigation": ZNE().name,
    }  # fmt: skip
    assert Conditions.asked(device="ibm:manila", mitigation="zne") == Conditions(device="ibm:manila", mitigation="zne")


def test_nothing_asked_is_no_condition():
    assert Conditions.asked() is None
    assert Conditions.asked(shots=5) == Conditions(shots=5)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, "conditions are empty"),
        ({"device": "ibm:manila", "noise": "depolarizing:0.1"}, "give one of them"),
        ({"mitigation": "zne", "shots": 10}, "nothing to mitigate"),
        ({"shots": 0}, "shots is 0"),
        ({"shots": 2.5}, r"shots is 2\.5"),
    ],
)
def test_conditions_that_make_no_sense(fields, sentence):
    with pytest.raises(UsageError, match=sentence):
        Conditions(**fields)
