import math
from dataclasses import dataclass

import pytest
import torch
from small_models import one_qubit

from counterspin.attacks.gradients import Autodiff, ParameterShift
from counterspin.attacks.losses import CrossEntropy
from counterspin.circuits import Circuit, Linear, PauliExpectations, Readout, feature, reuploading
from counterspin.errors import CapabilityError, UsageError
from counterspin.mitigation.zne import ZNE
from counterspin.models import NoisyClassifier, QuantumClassifier
from counterspin.noise import GateRule, NoiseModel, amplitude_damping
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


def test_finite_shots_give_the_gradient_on_average_with_the_variance_of_a_coin(seeded):
    shots, draws, x = 20, 2000, 0.3
    found = ParameterShift(shots=shots)(
        one_qubit(), torch.full((draws, 1), x).double(), lambda scores: scores[:, 0], seeded(0)
    )
    # d/dx P(0) = pi (P+ - P-) / 2 with P the probabilities at pi x +- pi / 2, each a mean of `shots` coins.
    plus, minus = (math.cos((math.pi * x + sign * math.pi / 2) / 2) ** 2 for sign in (1, -1))
    variance = math.pi**2 / 4 * (plus * (1 - plus) + minus * (1 - minus)) / shots
    expected = -math.pi / 2 * math.sin(math.pi * x)
    assert found.gradient.mean().item() == pytest.approx(expected, abs=5 * math.sqrt(variance / draws))
    assert found.gradient.var().item() == pytest.approx(variance, rel=0.2)
    # Scores stay those of the model.
    assert torch.allclose(found.scores, one_qubit()(torch.full((1, 1), x).double()), atol=1e-12)


def test_finite_shots_are_counted_for_every_shifted_circuit(seeded):
    x = torch.zeros(3, 2, dtype=torch.float64)
    found = ParameterShift(shots=10)(Circuitry(), x, objective(torch.tensor([0, 0, 0])), seeded(0))
    assert found.cost == Cost(forwards=3, circuits=3 * 9, shots=3 * 8 * 10)


def test_finite_shots_need_a_generator_and_a_number():
    with pytest.raises(UsageError, match="generator is None"):
        ParameterShift(shots=10)(one_qubit(), torch.zeros(1, 1), lambda scores: scores[:, 0])
    with pytest.raises(UsageError, match="shots is 0"):
        ParameterShift(shots=0)


@dataclass(frozen=True, kw_only=True)
class Device:
    """A circuit in other gates on the same qubits, as a placement on a device is."""

    circuit: Circuit
    noise: NoiseModel

    def measured(self, measurement: PauliExpectations, /) -> PauliExpectations:
        return measurement


def test_noise_and_placements_keep_the_rule_exact():
    # RY(x) as the device's gates: RZ(-π/2) first, RX(x), RZ(π/2).
    native = Circuit(2)
    for qubit in range(2):
        native = native.add("RZ", qubit, -math.pi / 2).add("RX", qubit, feature(qubit)).add("RZ", qubit, math.pi / 2)
    native = native.add("CNOT", (0, 1))
    noise = NoiseModel(rules=(GateRule(channel=amplitude_damping(0.1), targets="each"),), readout_flips=(0.05, 0.1))
    circuit = Circuit(2).add("RY", 0, feature(0)).add("RY", 1, feature(1)).add("CNOT", (0, 1))
    body = QuantumClassifier(circuit, PauliExpectations.of("Z0", "X0 Z1"), Box.uniform(0, 3, 2))
    model = NoisyClassifier(body, placement=Device(circuit=native, noise=noise))
    x, y = torch.tensor([[0.3, 1.2], [2.0, 0.4]], dtype=torch.float64), torch.tensor([0, 1])

    def objective(scores):
        return scores.gather(1, y[:, None])[:, 0].square()

    shifted, exact = ParameterShift()(model, x, objective), Autodiff()(model, x, objective)
    torch.testing.assert_close(shifted.gradient, exact.gradient, atol=1e-10, rtol=0)
    torch.testing.assert_close(shifted.scores, exact.scores, atol=1e-10, rtol=0)
    assert float(exact.gradient.abs().max()) > 0.1
    many = x[:1].expand(300, -1)
    read = ParameterShift(shots=200)(
        model, many, lambda scores: scores[:, 0], generator=torch.Generator().manual_seed(0)
    ).gradient
    true = Autodiff()(model, x[:1], lambda scores: scores[:, 0]).gradient[0]
    assert bool(((read.mean(0) - true).abs() < 5 * read.std(0) / 300**0.5).all())
    assert ParameterShift().price(model, rows=2).circuits == 2 * (1 + 4) * 2
    mitigated = NoisyClassifier(body, noise=NoiseModel(global_depolarizing=0.1), mitigation=ZNE())
    with pytest.raises(CapabilityError, match="shows no circuit that gives its scores"):
        ParameterShift().check(mitigated)
