from dataclasses import replace

import pytest
import torch

from counterspin.datasets import FeatureConstraints, ScaledPCA, phishing
from counterspin.errors import InputError

LEVELS = FeatureConstraints(
    controlled=(True, False), values=((0.0, 0.5, 1.0), None), reasons=("The sender sets it.", "It is measured.")
)


def test_listed_values_are_admitted_and_continuous_ones_are_free():
    x = torch.tensor([[0.5, 0.123], [0.4, 0.123], [1.0, -7.0]], dtype=torch.float64)
    assert LEVELS.admits(x).tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"controlled": (True,)}, r"describe 1 \(controlled\), 2 \(values\) and 2 \(reasons\)"),
        ({"values": ((1.0, 0.0), None)}, "ascending order"),
        ({"values": ((0.0, 0.0), None)}, "each once"),
        ({"values": ((), None)}, "ascending order"),
    ],
)
def test_lists_that_describe_nothing_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        replace(LEVELS, **changes)


def test_a_data_set_must_keep_to_its_constraints():
    data = phishing()
    constraints = data.constraints
    assert constraints is not None
    with pytest.raises(InputError, match="describe 2 of 9 features"):
        replace(data, constraints=LEVELS)
    narrow = replace(constraints, values=((0.0, 1.0), *constraints.values[1:]))
    with pytest.raises(InputError, match=r"phishing: train\.x holds values its constraints do not list in \d+ samples"):
        replace(data, constraints=narrow)


def test_principal_components_have_no_constraints():
    assert ScaledPCA.apply(phishing(), 3).constraints is None


def test_constraints_do_not_change_what_the_data_are():
    data = phishing()
    assert replace(data, constraints=None).sha256 == data.sha256
