import math

import pytest
import torch

from counterspin.attacks.gradients import Autodiff, ParameterShift
from counterspin.attacks.losses import CrossEntropy
from counterspin.circuits import Linear, PauliExpectations, Readout, reuploading
from counterspin.errors import CapabilityError
from counterspin.simulation import run
from counterspin.types import Box, Cost


class Circuitry:
    """A bare circuit with a linear head, re-using its inputs; optionally behind a classical front."""

    classes = 3
    outputs = "logits"
    stochastic = False

    def __init__(self):
        g = torch.Generator().manual_seed(0)
        self.circuit = reuploading(2, 2)
        self.weights = torch.randn(self.circuit.weights, generator=g, dtype=torch.float64)
        head = Linear(torch.randn(3, 2, generator=g, dtype=torch.float64), torch.zeros(3, dtype=torch.float64))
        self.readout = Readout(PauliExpectations.of("Z0", "Z1"), head)
        self.bounds = Box.uniform(0.0, 1.0, self.circuit.inputs)

    def circuit_inputs(self, x):
        return x

    def __call__(self, x):
        return run(self.circuit, self.circuit_inputs(x), self.weights, self.readout)


class Fronted(Circuitry):
    def circuit_inputs(self, x):
        return torch.tanh(x @ torch.tensor([[0.5, -1.0], [2.0, 0.3]], dtype=x.dtype))


def objective(y):
    return lambda scores: CrossEntropy()(scores, y)


def test_autodiff_of_a_cosine_is_a_sine(cosine):
    x = torch.linspace(0, 1, 9, dtype=torch.float64)[:, None]
    found = Autodiff()(cosine(2), x, lambda scores: scores[:, 0])
    assert torch.allclose(found.gradient, -math.pi * torch.sin(math.pi * x), atol=1e-14)
    assert torch.allclose(found.value, torch.cos(math.pi * x[:, 0]), atol=1e-14)
    assert found.cost == Cost(forwards=9, backwards=9, circuits=9)
    assert not found.scores.requires_grad
    assert not x.requires_grad


def test_autodiff_works_under_no_grad_and_leaves_parameters_alone(rows):
    layer = torch.nn.Linear(2, 2)
    with torch.no_grad():
        found = Autodiff()(rows(layer, features=2), torch.ones(1, 2), lambda scores: scores[:, 0])
    assert torch.allclose(found.gradient, layer.weight[:1])
    assert layer.weight.grad is None


@pytest.mark.parametrize(
    "function",
    [lambda x: x.detach().repeat(1, 2), lambda x: torch.ones(len(x), 2, requires_grad=True) * 1.0],
    ids=["detached", "independent of x"],
)
def test_scores_without_a_gradient_to_the_input_are_refused(rows, function):
    with pytest.raises(CapabilityError, match="without a gradient"):
        Autodiff()(rows(function), torch.zeros(1, 1), lambda scores: scores[:, 0])


def test_a_model_that_says_it_is_not_differentiable_is_refused_before_compute(rows):
    model = rows(lambda x: pytest.fail("computed"))
    model.differentiable = False
    with pytest.raises(CapabilityError, match="RandomDraws"):
        Autodiff().check(model)


@pytest.mark.parametrize("model", [Circuitry(), Fronted()], ids=["circuit", "behind a front"])
def test_parameter_shift_equals_autodiff(model):
    x = torch.rand(4, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    y = torch.tensor([0, 1, 2, 0])
    shifted, adjoint = ParameterShift()(model, x, objective(y)), Autodiff()(model, x, objective(y))
    assert torch.allclose(shifted.gradient, adjoint.gradient, atol=1e-12)
    assert torch.allclose(shifted.value, adjoint.value, atol=1e-12)
    assert torch.allclose(shifted.scores, adjoint.scores, atol=1e-12)


def test_parameter_shift_counts_every_circuit():
    x = torch.zeros(3, 2, dtype=torch.float64)
    found = ParameterShift()(Circuitry(), x, objective(torch.tensor([0, 0, 0])))
    # Two layers of two encoding gates, two shifts each, and the unshifted circuit; one measurement setting.
    assert found.cost == Cost(forwards=3, circuits=3 * (2 * 2 * 2 + 1))


def test_parameter_shift_needs_a_circuit(linear):
    with pytest.raises(CapabilityError, match="no circuit"):
        ParameterShift().check(linear([1.0]))
    ParameterShift().check(Circuitry())
