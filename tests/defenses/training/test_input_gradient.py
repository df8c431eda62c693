"""The first-order penalty against eps times the dual norm, and its gradient against double backward."""

import pytest
import torch
from linear_training import DUAL, linear_batch, linear_model, seeded, step_at
from torch.nn.functional import cross_entropy

from counterspin.circuits import Linear, PauliExpectations, reuploading
from counterspin.defenses.training.input_gradient import InputGradient
from counterspin.defenses.training.registry import by_name
from counterspin.defenses.training.schedule import EpsilonSchedule
from counterspin.errors import UsageError
from counterspin.models import QuantumClassifier
from counterspin.threats import L0, L2, Linf, ThreatModel
from counterspin.types import Box

EPS = EpsilonSchedule(final=0.1)


def doubly_backward(model, x, y, threat: ThreatModel, eps: float):
    """eps · mean dual norm of the gradient of each sample's loss, differentiable."""
    leaf = x.clone().requires_grad_()
    loss = cross_entropy(model(leaf), y, reduction="sum")
    (gradient,) = torch.autograd.grad(loss, leaf, create_graph=True)
    norms = torch.linalg.vector_norm(gradient, ord=DUAL[threat.norm], dim=1)
    return (eps * threat.scale(x) * norms).mean()


@pytest.mark.parametrize("threat", [Linf(0.1), L2(0.1), L2(0.1, units="relative")])
def test_equals_double_backward_on_a_linear_model(threat: ThreatModel) -> None:
    model, (x, y) = linear_model(classes=3), linear_batch(classes=3)
    value = InputGradient(threat=threat, schedule=EPS, difference=1e-3)(model, x, y, step_at())
    expected = doubly_backward(model, x, y, threat, 0.1)
    assert value.item() == pytest.approx(expected.item(), rel=1e-6)
    ours = torch.autograd.grad(value, list(model.parameters()))
    theirs = torch.autograd.grad(expected, list(model.parameters()))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)


def test_the_compiled_engine_needs_no_second_derivatives() -> None:
    box = Box.uniform(0.0, 1.0, features=3)
    head = Linear(torch.randn(2, 3, generator=seeded(1)).double(), torch.zeros(2).double())
    x = 0.3 + 0.4 * torch.rand(8, 3, generator=seeded(2), dtype=torch.float64)
    y = torch.arange(8) % 2
    measurement = PauliExpectations.of("Z0", "Z1", "Z2")
    compiled, reference = (
        QuantumClassifier(reuploading(3, 2), measurement, box, head=head, engine=engine).double()
        for engine in ("auto", "torch")
    )
    value = InputGradient(threat=Linf(0.1), schedule=EPS, difference=1e-3)(compiled, x, y, step_at())
    expected = doubly_backward(reference, x, y, Linf(0.1), 0.1)
    assert value.item() == pytest.approx(expected.item(), rel=1e-5)
    (ours,) = torch.autograd.grad(value, [compiled.weights])
    (theirs,) = torch.autograd.grad(expected, [reference.weights])
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_the_box_limits_what_the_attacker_can_spend() -> None:
    box = Box.uniform(0.0, 1.0, features=6)
    model, (x, y) = linear_model(box=box), linear_batch()
    x[:, :3] = 0.0
    free = InputGradient(threat=Linf(0.1, box="none"), schedule=EPS)(model, x, y, step_at())
    boxed = InputGradient(threat=Linf(0.1), schedule=EPS)(model, x, y, step_at())
    assert 0 < boxed.item() < free.item()


def test_weight_and_refusals() -> None:
    model, (x, y) = linear_model(), linear_batch()
    one, three = (InputGradient(threat=Linf(0.1), schedule=EPS, weight=w)(model, x, y, step_at()) for w in (1.0, 3.0))
    assert three.item() == pytest.approx(3 * one.item(), rel=1e-12)
    with pytest.raises(UsageError, match=r"weight is 0\.0"):
        InputGradient(threat=Linf(0.1), schedule=EPS, weight=0.0)
    with pytest.raises(UsageError, match="in L0 there are none"):
        by_name("input-gradient", L0(1))
