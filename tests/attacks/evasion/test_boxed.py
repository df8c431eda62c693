"""The exact attack inside a box: it breaks what the solver says, at that distance, and nothing breaks more."""

import math

import pytest
import torch

from counterspin.attacks import APGD, Margin
from counterspin.attacks.evasion.boxed import BoxedL2Attack
from counterspin.errors import CapabilityError, ConditionsError
from counterspin.optimum.boxed import nearest_boxed_flips
from counterspin.threats import L2, Group, Linf
from counterspin.types import Box


class Forms:
    """Scores x^T F_k x / x^T x."""

    outputs = "expectations"
    stochastic = False

    def __init__(self, forms, bounds):
        self._forms, self.bounds, self.classes = forms, bounds, len(forms)

    def effective_observables(self):
        return self

    def forms(self):
        return self._forms

    def __call__(self, x):
        scores = torch.einsum("bi,kij,bj->bk", x, self._forms.to(x), x)
        return scores / (x * x).sum(dim=1, keepdim=True)


def qubit(low=0.0, high=1.0):
    return Forms(torch.diag_embed(torch.eye(2, dtype=torch.float64)), Box.uniform(low, high, 2))


def random_forms(classes=4, features=6, samples=40):
    g = torch.Generator().manual_seed(0)
    raw = torch.randn(classes, features, features, generator=g, dtype=torch.float64)
    model = Forms((raw + raw.mT) / 2, Box.uniform(0, 1, features))
    x = torch.rand(samples, features, generator=g, dtype=torch.float64)
    return model, x, model(x).argmax(dim=1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_sample_is_broken_exactly_from_its_distance_on(dtype):
    # The mask leaves the first feature: (1, 0.25) flips at (0.25, 0.25).
    x = torch.tensor([[1.0, 0.25]], dtype=dtype)
    threat = L2(0.75 - 1e-6, 0.75 + 1e-6, mask=(True, False))
    result = BoxedL2Attack()(qubit(), x, [0], threat)
    assert result.success[:, 0].tolist() == [False, True]
    assert result.distance[1, 0].item() == pytest.approx(0.75, rel=1e-6)
    foot = 0.75 / math.sqrt(2)
    free = BoxedL2Attack()(qubit(), x, [0], L2(foot * (1 - 1e-6), foot * (1 + 1e-6)))
    assert free.success[:, 0].tolist() == [False, True]


@pytest.mark.slow
def test_random_forms_are_broken_exactly_where_the_solver_says():
    model, x, y = random_forms()
    flips = nearest_boxed_flips(model.forms(), x, y, model.bounds)
    eps = tuple(float(e) for e in flips.upper.sort().values[:32:8] * (1 + 1e-6))
    result = BoxedL2Attack()(model, x, y, L2(*eps))
    for budget, found in zip(eps, result.success, strict=True):
        assert torch.equal(found, flips.upper <= budget)
    broken = result.success[-1]
    assert bool((result.distance[-1, broken] >= flips.lower[broken]).all())
    assert bool(model.bounds.contains(result.x_adv[-1]).all())


@pytest.mark.slow
def test_no_gradient_attack_breaks_more():
    model, x, y = random_forms(samples=20)
    threat = L2(0.1, 0.3)
    exact = BoxedL2Attack()(model, x, y, threat)
    apgd = APGD(steps=40, restarts=2, loss=Margin())(model, x, y, threat)
    assert bool((exact.success | ~apgd.success).all())
    assert int(exact.success.sum()) > 0


def test_relative_budgets():
    x = torch.tensor([[0.5, 0.125]], dtype=torch.float64)
    share = 0.375 / math.sqrt(2) / float(x.norm())
    result = BoxedL2Attack()(qubit(), x, [0], L2(share * (1 - 1e-6), share * (1 + 1e-6), units="relative"))
    assert result.success[:, 0].tolist() == [False, True]


@pytest.mark.slow
def test_two_classes_may_be_targeted_and_a_copositive_pair_survives():
    x = torch.tensor([[1.0, 0.25]], dtype=torch.float64)
    assert BoxedL2Attack()(qubit(), x, [0], L2(0.8, target=1)).success.item()
    form = torch.tensor([[1.0, 2.0], [2.0, 1.0]], dtype=torch.float64)
    model = Forms(torch.stack([form, torch.zeros_like(form)]), Box.uniform(0, 1, 2))
    assert not BoxedL2Attack()(model, x, [0], L2(100.0)).success.any()


def test_conditions_are_checked(linear):
    model, x, y = random_forms()
    with pytest.raises(ConditionsError, match="use exact"):
        BoxedL2Attack()(model, x, y, L2(0.1, box="none"))
    with pytest.raises(ConditionsError, match="use exact"):
        BoxedL2Attack().check(qubit(-math.inf, math.inf), L2(0.1))
    with pytest.raises(ConditionsError, match="norm l2"):
        BoxedL2Attack()(model, x, y, Linf(0.1))
    with pytest.raises(ConditionsError, match="leave out groups"):
        BoxedL2Attack()(model, x, y, L2(0.1, groups=(Group(features=(0,), values=((0.0,), (1.0,))),)))
    with pytest.raises(ConditionsError, match="untargeted for more than two classes"):
        BoxedL2Attack().check(model, L2(0.1, target=0))
    circle = Forms(model.forms(), Box(torch.zeros(6), torch.ones(6), torch.arange(6) == 2))
    with pytest.raises(ConditionsError, match="periodic"):
        BoxedL2Attack().check(circle, L2(0.1))
    with pytest.raises(CapabilityError, match="effective observables"):
        BoxedL2Attack()(linear([1.0]), torch.ones(1, 1), [0], L2(0.1))


def test_its_name_is_exact_boxed():
    assert BoxedL2Attack().name == "exact-boxed"
