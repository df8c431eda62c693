"""Quantum data take threats to states and no others."""

import pytest

from counterspin import recipes
from counterspin.errors import UsageError
from counterspin.threats import L1, L2, Linf
from counterspin.threats.states import check_threat_to_states


@pytest.mark.parametrize(
    ("threat", "named"),
    [
        (Linf(0.1), "norm is 'linf' and box is 'data'"),
        (L1(0.1, box="none"), "norm is 'l1'"),
        (L2(0.1), "box is 'data'"),
        (L2(0.1, box="none", mask=(True,) * 256), "a mask is given"),
        (L2(0.1, box="none", tied=((0, 1),)), "tied features are given"),
    ],
)
def test_threats_to_single_amplitudes_are_named(threat, named):
    with pytest.raises(UsageError, match=rf"{named}, and cluster-ising-8 is about quantum states.*--where state"):
        check_threat_to_states(threat, "cluster-ising-8")


@pytest.mark.parametrize("name", ["tfim-phases", "tfim-phases-classical", "cluster-phases", "cancer-angle"])
def test_recipes_have_threats_that_fit_their_data(name):
    recipe = recipes.get(name)
    assert recipe.dataset().quantum == (name != "cancer-angle")
    if recipe.dataset().quantum:
        check_threat_to_states(recipe.threat, name)
