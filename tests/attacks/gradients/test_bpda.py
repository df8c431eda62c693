"""BPDA: slopes of the substitute at the scores of the model, and suites that reach through a mask with it."""

import pytest
import torch
from torch import Tensor, nn

from counterspin.attacks import APGD
from counterspin.attacks.gradients import BPDA, EOT, Autodiff
from counterspin.attacks.registry import adapted, suite, suite_of
from counterspin.errors import CapabilityError, UsageError
from counterspin.models import LogisticRegression
from counterspin.threats import Linf
from counterspin.types import Box, Classifier, Cost, HasSubstitute

BOX = Box.uniform(0.0, 1.0, features=3)
WEIGHT = torch.tensor([[2.0, -1.0, 0.5], [-1.0, 1.5, 0.0]], dtype=torch.float64)


class Linear(nn.Module):
    """Scores `x W^T`."""

    bounds, classes, outputs, stochastic, differentiable = BOX, 2, "logits", False, True

    def forward(self, x: Tensor) -> Tensor:
        return x @ WEIGHT.to(x).T


class Rounded(Linear):
    """The same of inputs rounded to a grid; it says what stands for the rounding."""

    def __init__(self, stand_in: Classifier | None = None, noise: float = 0.0) -> None:
        super().__init__()
        self.substitute = Linear() if stand_in is None else stand_in
        self.noise = noise
        self.generator = torch.Generator().manual_seed(0)
        self.stochastic = noise > 0

    def forward(self, x: Tensor) -> Tensor:
        drawn = self.noise * torch.randn(x.shape, generator=self.generator, dtype=torch.float64).to(x)
        return super().forward(torch.round(8 * (x + drawn)) / 8)


def points(rows: int = 7) -> Tensor:
    return torch.rand(rows, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def curved(scores: Tensor, outputs: str = "logits") -> Tensor:
    return scores[:, 0].square() + 3 * scores[:, 1]


def test_the_slope_is_the_substitutes_at_the_scores_of_the_model():
    x, model = points(), Rounded()
    found = BPDA()(model, x, curved)
    scores = model(x)
    # The chain rule by hand: 2 z_0 w_0 + 3 w_1 with z of the rounded input.
    expected = 2 * scores[:, :1] * WEIGHT[0] + 3 * WEIGHT[1]
    assert torch.equal(found.scores, scores)
    assert torch.equal(found.value, curved(scores))
    torch.testing.assert_close(found.gradient, expected, rtol=1e-14, atol=0)
    assert found.cost == BPDA().price(model, 7) == Cost(forwards=7, backwards=7, circuits=7)
    elsewhere = 2 * Linear()(x)[:, :1] * WEIGHT[0] + 3 * WEIGHT[1]
    assert float((found.gradient - elsewhere).abs().max()) > 1e-3  # not the substitute's own gradient
    assert not bool(Autodiff()(model, x, curved).gradient.any())


def test_draws_of_a_stochastic_model_are_averaged():
    x = points()
    found = EOT(source=BPDA(), samples=400)(Rounded(noise=0.2), x, curved, torch.Generator().manual_seed(1))
    scores = torch.stack([Rounded(noise=0.2)(x.repeat(400, 1)).unflatten(0, (400, -1)).mean(dim=0)])[0]
    expected = 2 * scores[:, :1] * WEIGHT[0] + 3 * WEIGHT[1]
    # Two means of 400 draws, standard deviation of z_0 about 0.5: five standard errors of their difference.
    assert float((found.gradient - expected).abs().max()) < 5 * 2 * 2 * 0.5 * (2 / 400) ** 0.5


def test_models_without_a_substitute_are_refused():
    assert isinstance(Rounded(), HasSubstitute)
    assert not isinstance(Linear(), HasSubstitute)
    with pytest.raises(CapabilityError, match="offers no substitute"):
        BPDA().check(Linear())
    other = LogisticRegression(BOX, classes=3)
    with pytest.raises(CapabilityError, match="has 3 features and 3 classes, the model 3 and 2"):
        BPDA().check(Rounded(other))
    blind = Linear()
    blind.differentiable = False
    with pytest.raises(CapabilityError, match="without a gradient"):
        BPDA().check(Rounded(blind))


def test_suites_attack_through_it():
    model, attack = Rounded(), APGD(steps=20)
    assert adapted(attack, model).gradient == BPDA()
    assert adapted(attack, Rounded(noise=0.1)).gradient == EOT(source=BPDA(), samples=8)
    assert adapted(attack, Linear()) is attack
    silent = Rounded()
    silent.differentiable = False
    assert suite_of(silent) == suite()
    x = points(40)
    y = model(x).argmax(dim=1)
    blind, seeing = (a(model, x, y, Linf(0.2)) for a in (APGD(steps=20), adapted(attack, model)))
    exact = APGD(steps=20)(Linear(), x, y, Linf(0.2))
    assert float(seeing.robust_accuracy[0]) <= float(exact.robust_accuracy[0]) + 0.05
    assert float(blind.robust_accuracy[0]) > float(seeing.robust_accuracy[0]) + 0.2


def test_options_are_checked():
    with pytest.raises(UsageError, match="samples is 0"):
        EOT(source=BPDA(), samples=0)
