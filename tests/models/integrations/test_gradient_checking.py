"""Gradients against central differences: right ones pass in float64, float32 and noise; wrong ones do not."""

import pytest
import torch
from torch import nn

from counterspin.models import LogisticRegression
from counterspin.models.integrations.gradient_checks import check_gradient
from counterspin.models.integrations.scores import ScoreMap
from counterspin.models.integrations.wrapped import WrappedClassifier
from counterspin.types import Box

X = torch.rand(5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
SPANS = torch.ones(4, dtype=torch.float64)
WEIGHT = torch.randn(4, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


class Scaled(torch.autograd.Function):
    """The sine of an input whose gradient is off by a factor in one feature."""

    @staticmethod
    def forward(ctx, x, factor):
        ctx.save_for_backward(x)
        ctx.factor = factor
        return torch.sin(x)

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        factors = torch.ones_like(x)
        factors[:, 0] = ctx.factor
        return gradient * torch.cos(x) * factors, None


def _model(home, *, stochastic=False, differentiable=True, box=None):
    scores = ScoreMap(values="logits", count=3, classes=3, outputs="logits")
    box = Box.uniform(0, 1, features=4) if box is None else box
    return WrappedClassifier(home, scores, box, stochastic=stochastic, differentiable=differentiable).eval()


def _check(home, noise=0.0, **options):
    return check_gradient(_model(home, **options), X, SPANS, noise)


@pytest.mark.parametrize(
    "home",
    [
        lambda x: torch.tanh(x @ WEIGHT.to(x)),
        lambda x: torch.relu(x @ WEIGHT.to(x) - 0.3),
        lambda x: x.clamp(0, 1) @ WEIGHT.to(x),
        lambda x: torch.sin(40 * x @ WEIGHT.to(x)),
        lambda x: 1e6 * x @ WEIGHT.to(x),
    ],
)
def test_right_gradients_pass(home):
    check = _check(home)
    assert check.passed is True
    assert check.cosine == pytest.approx(1.0, abs=1e-6)


def test_right_gradients_pass_in_single_precision():
    check = _check(lambda x: torch.tanh(x.float() @ WEIGHT.float()).to(x), noise=3e-8)
    assert check.passed is True
    assert check.cosine == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("factor", [0.0, 0.97, 1.03, -1.0])
def test_gradients_off_in_one_feature_do_not(factor):
    check = _check(lambda x: Scaled.apply(x, factor) @ WEIGHT.to(x))
    assert check.passed is False
    assert "its gradient is wrong" in check.message
    assert check.cosine < 1


def test_the_smallest_error_that_is_caught_in_single_precision():
    def home(x):
        return (Scaled.apply(x.float(), 1.1) @ WEIGHT.float()).to(x)

    assert _check(home, noise=3e-8).passed is False


def test_a_gradient_of_exactly_zero_is_named():
    check = _check(lambda x: x.detach() @ WEIGHT + 0 * x[:, :3])
    assert check.passed is False
    assert "exactly 0 while its values change" in check.message


def test_values_without_a_graph_are_named():
    check = _check(lambda x: x.detach() @ WEIGHT)
    assert (check.passed, check.cosine) == (False, None)
    assert "carry no gradient" in check.message


def test_flat_values_with_a_flat_gradient_pass():
    check = _check(lambda x: 0 * x[:, :3] + 1)
    assert check.passed is True
    assert "do not change" in check.message


def test_not_a_number_is_named():
    check = _check(lambda x: torch.where(x[:, :3] > 2, torch.sqrt(-x[:, :3]), x[:, :3]))
    assert check.passed is False
    assert "NaN" in check.message


def test_nothing_to_check():
    check = _check(lambda x: x @ WEIGHT, differentiable=False)
    assert (check.passed, check.cosine) == (None, None)
    assert "there is no gradient" in check.message


def test_models_of_ours_are_checked_alike():
    model = LogisticRegression(Box.unbounded(4), classes=2)
    with torch.no_grad():
        model.weight.copy_(torch.randn(2, 4, generator=torch.Generator().manual_seed(0)))
    assert check_gradient(model, X, SPANS, 0.0).passed is True


def _noise(x, size, generator):
    return size * torch.randn(len(x), 3, generator=generator, dtype=x.dtype)


def test_sampled_values_with_the_gradient_of_their_mean_pass():
    generator = torch.Generator().manual_seed(0)
    check = _check(lambda x: torch.sin(x) @ WEIGHT + _noise(x, 1e-3, generator), stochastic=True)
    assert check.passed is True


def test_sampled_values_with_a_wrong_gradient_do_not():
    generator = torch.Generator().manual_seed(0)
    check = _check(lambda x: Scaled.apply(x, -1.0) @ WEIGHT + _noise(x, 1e-3, generator), stochastic=True)
    assert check.passed is False
    assert "not that of its mean values" in check.message


def test_difference_quotients_of_sampled_values_are_noise():
    generator = torch.Generator().manual_seed(0)

    class Quotient(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return torch.sin(x) @ WEIGHT

        @staticmethod
        def backward(ctx, gradient):
            (x,) = ctx.saved_tensors  # a step of 1e-5 against noise of 1e-2
            return (gradient @ WEIGHT.T) * (torch.cos(x) + 1e3 * torch.randn(x.shape, generator=generator))

    check = _check(lambda x: Quotient.apply(x) + _noise(x, 1e-2, generator), stochastic=True)
    assert check.passed is False
    assert "its gradient is noise" in check.message


def test_values_too_noisy_to_tell():
    generator = torch.Generator().manual_seed(0)
    check = _check(lambda x: 1e-3 * torch.sin(x) @ WEIGHT + _noise(x, 1.0, generator), stochastic=True)
    assert check.passed is None
    assert "too noisy" in check.message


def test_values_too_rough_to_tell():
    check = _check(lambda x: (1e-3 * x @ WEIGHT).round(decimals=3) + 1e-3 * x @ WEIGHT, noise=1e-3)
    assert check.passed is not False


def test_the_same_seed_gives_the_same_check():
    model = _model(nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)).double())
    first, second = (check_gradient(model, X, SPANS, 0.0, seed=3) for _ in range(2))
    assert first == second


class Raising(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return torch.sin(x)

    @staticmethod
    def backward(ctx, gradient):
        raise NotImplementedError("no derivative\nof this")


def test_a_gradient_that_raises_is_said():
    found = check_gradient(_model(lambda x: Raising.apply(x) @ WEIGHT), X, SPANS, 1e-16)
    assert found.passed is False
    assert found.message == "its gradient cannot be computed (NotImplementedError: no derivative of this)."


def test_a_straight_through_estimator_is_named():
    def home(x):
        return (x + (torch.round(4 * x) / 4 - x).detach()) @ WEIGHT

    found = check_gradient(_model(home), torch.full((5, 4), 0.45, dtype=torch.float64), 0.1 * SPANS, 0.0)
    assert found.passed is False
    assert "is not 0 while its values do not change" in found.message


def test_a_gradient_cut_off_in_a_part_of_the_box_is_noticed_wherever_a_sample_lies_there() -> None:
    x = torch.linspace(0.15, 0.85, 12, dtype=torch.float64)[:, None].repeat(1, 2)

    class Masked(torch.nn.Module):
        bounds, classes, outputs, stochastic = Box.uniform(0.0, 1.0, features=2), 2, "logits", False

        def forward(self, x):
            z = x.square()
            z = torch.where(x > 0.7, z.detach(), z)
            return torch.stack([z.sum(1), -z.sum(1)], dim=1)

    assert check_gradient(Masked(), x, torch.ones(2), 1e-16).passed is False
    assert check_gradient(Masked(), x[:6], torch.ones(2), 1e-16).passed is True
