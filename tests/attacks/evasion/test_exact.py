import math

import pytest
import torch

from counterspin.attacks import APGD, ExactL2Attack, Margin
from counterspin.errors import CapabilityError, ConditionsError
from counterspin.optimum import nearest_flips
from counterspin.threats import L2, Linf
from counterspin.types import Box


class Forms:
    """Scores x^T F_k x / x^T x."""

    outputs = "expectations"
    stochastic = False

    def __init__(self, forms):
        self._forms = forms
        self.classes = len(forms)
        self.bounds = Box.unbounded(forms.shape[1])

    def effective_observables(self):
        return self

    def forms(self):
        return self._forms

    def __call__(self, x):
        scores = torch.einsum("bi,kij,bj->bk", x, self._forms.to(x), x)
        return scores / (x * x).sum(dim=1, keepdim=True)


def qubit():
    """One qubit with two outcomes: the boundary is the diagonal, |x| sin(angle to it) away."""
    return Forms(torch.diag_embed(torch.eye(2, dtype=torch.float64)))


def random_forms(classes=4, features=6, samples=40):
    g = torch.Generator().manual_seed(0)
    raw = torch.randn(classes, features, features, generator=g, dtype=torch.float64)
    model = Forms((raw + raw.mT) / 2)
    x = torch.randn(samples, features, generator=g, dtype=torch.float64)
    return model, x, model(x).argmax(dim=1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_one_qubit_is_broken_exactly_from_its_distance_on(dtype):
    angles = torch.tensor([0.0, 0.3, 0.7], dtype=torch.float64)
    x = (2.0 * torch.stack([angles.cos(), angles.sin()], dim=1)).to(dtype)
    # |x| sin(pi/4 - angle) = (x_0 - x_1) / sqrt(2)
    distance = (x[:, 0].double() - x[:, 1].double()) / math.sqrt(2)
    for row in range(3):
        eps = distance[row].item()
        result = ExactL2Attack()(qubit(), x[row : row + 1], [0], L2(eps * (1 - 1e-9), eps * (1 + 1e-9), box="none"))
        assert result.success[:, 0].tolist() == [False, True]
        assert result.distance[1, 0].item() == pytest.approx(eps, rel=1e-8)


def test_random_forms_are_broken_exactly_where_the_solver_says():
    model, x, y = random_forms()
    flips = nearest_flips(model.forms(), x, y)
    eps = tuple(float(e) for e in flips.upper.sort().values[::8] * (1 + 1e-10))
    result = ExactL2Attack()(model, x, y, L2(*eps, box="none"))
    for budget, found in zip(eps, result.success, strict=True):
        assert torch.equal(found, flips.upper <= budget)
    broken = result.success[-1]
    assert (result.distance[-1, broken] >= flips.lower[broken]).all()


@pytest.mark.slow
def test_no_gradient_attack_breaks_more():
    model, x, y = random_forms(samples=20)
    threat = L2(0.2, 0.4, box="none")
    exact = ExactL2Attack()(model, x, y, threat)
    apgd = APGD(steps=40, restarts=2, loss=Margin())(model, x, y, threat)
    assert (exact.success | ~apgd.success).all()
    assert apgd.success.double().mean() >= exact.success.double().mean() - 0.05


def test_relative_budgets():
    x = torch.tensor([[3.0, 0.0]], dtype=torch.float64)
    share = math.sin(math.pi / 4)
    threat = L2(share - 1e-6, share + 1e-6, box="none", units="relative")
    assert ExactL2Attack()(qubit(), x, [0], threat).success[:, 0].tolist() == [False, True]


def test_a_sample_nothing_can_flip_survives_every_budget():
    model = Forms(torch.stack([torch.eye(2), torch.zeros(2, 2)]).double())
    result = ExactL2Attack()(model, torch.ones(1, 2).double(), [0], L2(100.0, box="none"))
    assert not result.success.any()
    assert torch.equal(result.x_adv[0], torch.ones(1, 2).double())


def test_conditions_are_checked():
    model, x, y = random_forms()
    with pytest.raises(ConditionsError, match="box='none'"):
        ExactL2Attack()(model, x, y, L2(0.1))
    with pytest.raises(ConditionsError, match="norm l2"):
        ExactL2Attack()(model, x, y, Linf(0.1, box="none"))
    keep = y != 0
    with pytest.raises(ConditionsError, match="untargeted for more than two classes"):
        ExactL2Attack()(model, x[keep], y[keep], L2(0.1, box="none", target=0))


def test_two_classes_may_be_targeted():
    x = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    assert ExactL2Attack()(qubit(), x, [0], L2(0.8, box="none", target=1)).success.item()


def test_models_without_effective_observables_are_refused(linear):
    with pytest.raises(CapabilityError, match="effective observables"):
        ExactL2Attack()(linear([1.0]), torch.ones(1, 1), [0], L2(0.1, box="none"))


def test_its_name_is_exact():
    assert ExactL2Attack().name == "exact"
