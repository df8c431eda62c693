"""Adversarial weight perturbation: direction, size, gradient, and everything put back."""

import pytest
import torch
from linear_training import linear_batch, linear_model, seeded, step_at
from torch import Tensor
from torch.nn.functional import cross_entropy

from counterspin.defenses.training.compose import compose
from counterspin.defenses.training.groups import WorstGroup
from counterspin.defenses.training.perturbed_weights import WeightPerturbation
from counterspin.defenses.training.pgd import PGDTraining
from counterspin.defenses.training.schedule import EpsilonSchedule
from counterspin.errors import CapabilityError, UsageError
from counterspin.threats import Linf
from counterspin.training import CrossEntropyObjective

GAMMA = 0.2


def by_hand(model, x: Tensor, y: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Loss and gradients at w + gamma |w| g / |g|, tensor by tensor."""
    weights = [parameter.detach().clone().requires_grad_() for parameter in model.parameters()]
    gradients = torch.autograd.grad(cross_entropy(x @ weights[0].T + weights[1], y), weights)
    moved = [
        (w + GAMMA * w.norm() * g / g.norm()).detach().requires_grad_() for w, g in zip(weights, gradients, strict=True)
    ]
    loss = cross_entropy(x @ moved[0].T + moved[1], y)
    return loss.detach(), torch.autograd.grad(loss, moved)


def test_loss_and_gradient_are_those_at_the_perturbed_weights() -> None:
    model, (x, y) = linear_model(), linear_batch()
    before = [parameter.detach().clone() for parameter in model.parameters()]
    value = WeightPerturbation(gamma=GAMMA).around(CrossEntropyObjective())(model, x, y, step_at())
    expected, gradients = by_hand(model, x, y)
    assert value.item() == pytest.approx(expected.item(), abs=1e-12)
    assert value.item() > cross_entropy(model(x), y).item()
    for ours, theirs in zip(torch.autograd.grad(value, list(model.parameters())), gradients, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-12, rtol=0)
    assert all(torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))


def test_frozen_parameters_are_not_moved() -> None:
    model, (x, y) = linear_model(), linear_batch()
    model.bias.requires_grad_(False)
    value = WeightPerturbation(gamma=GAMMA).around(CrossEntropyObjective())(model, x, y, step_at())
    value.backward()
    assert model.bias.grad is None
    assert model.weight.grad is not None


def test_adversarial_points_are_found_once() -> None:
    model, (x, y) = linear_model(), linear_batch()
    pgd = PGDTraining(threat=Linf(0.1), schedule=EpsilonSchedule(final=0.1))
    calls: list[int] = []
    model.register_forward_hook(lambda *_: calls.append(1))
    objective = compose([WeightPerturbation(gamma=GAMMA), pgd])
    value = objective(model, x, y, step_at())
    assert len(calls) == 7 + 2
    points = pgd.points(model, x, y, step_at())
    assert value.item() == pytest.approx(by_hand(model, points, y)[0].item(), abs=1e-12)


def test_draws_are_paired_and_memory_is_told_once() -> None:
    model, (x, y) = linear_model(), linear_batch()
    states: list[Tensor] = []

    def noisy(model, x: Tensor, y: Tensor, step, /) -> Tensor:
        states.append(torch.rand(3, generator=step.generator))
        return WorstGroup(rate=1.0)(model, x, y, step)

    step = step_at()
    WeightPerturbation(gamma=1e-9).around(noisy)(model, x, y, step)
    assert torch.equal(states[0], states[1])
    once = step_at()
    WorstGroup(rate=1.0)(model, x, y, once)
    name = "group-worst/weights"
    torch.testing.assert_close(step.memory[name], once.memory[name], atol=1e-6, rtol=0)
    torch.testing.assert_close(torch.rand(1, generator=step.generator), torch.rand(4, generator=seeded())[3:])


def test_weights_come_back_after_an_interrupt() -> None:
    model, (x, y) = linear_model(), linear_batch()
    before = [parameter.detach().clone() for parameter in model.parameters()]
    calls: list[int] = []

    def interrupted(model, x: Tensor, y: Tensor, step, /) -> Tensor:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return CrossEntropyObjective()(model, x, y, step)

    with pytest.raises(KeyboardInterrupt):
        WeightPerturbation(gamma=GAMMA).around(interrupted)(model, x, y, step_at())
    assert all(torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))


def test_refusals() -> None:
    with pytest.raises(UsageError, match=r"gamma is 0\.0"):
        WeightPerturbation(gamma=0.0)

    class Plain:
        bounds, classes, outputs, stochastic = linear_model().bounds, 2, "logits", False

        def __call__(self, x: Tensor) -> Tensor:
            return x[:, :2]

    with pytest.raises(CapabilityError, match="Plain is no torch module"):
        WeightPerturbation().check(Plain(), Linf(0.1))
