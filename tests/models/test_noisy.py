"""The noisy classifier: closed forms, gradients, folding, and what it must not be mistaken for."""

import numpy as np
import pytest
import torch
from dense_oracle import density
from random_circuits import random_circuit, random_paulis

from counterspin.circuits import (
    Circuit,
    Linear,
    OutcomeGroups,
    PauliExpectations,
    Scale,
    amplitude_encoding,
    feature,
    strongly_entangling,
)
from counterspin.errors import ConditionsError, ModelError, UsageError
from counterspin.models import QuantumClassifier
from counterspin.models.noisy import NoisyClassifier
from counterspin.noise.channels import after_every_gate, amplitude_damping, bit_flip, depolarizing
from counterspin.noise.kraus import Placed
from counterspin.types import Box, Differentiable, HasCircuit, HasEffectiveObservables, HasStates, Sampled

BIT = OutcomeGroups((0,), ((0,), (1,)))


def rotation(*channels, head=None):
    circuit = Circuit(1).add("RY", 0, torch.pi * feature(0))
    places = tuple(Placed(after=0, qubits=(0,), channel=c) for c in channels)
    return NoisyClassifier(circuit, BIT, Box.uniform(0, 1, 1), channels=places, head=head)


def test_decay_moves_the_boundary_in_closed_form():
    # P(1) = (1 - γ) sin²(πx/2), so the boundary moves from 1/2 to where that is one half.
    model, gamma = rotation(amplitude_damping(0.3)), 0.3
    x = torch.linspace(0, 1, 9, dtype=torch.float64)[:, None]
    one = (1 - gamma) * torch.sin(torch.pi * x / 2).square()
    torch.testing.assert_close(model(x), torch.cat([1 - one, one], 1), atol=1e-14, rtol=0)
    boundary = 2 / np.pi * np.arcsin((0.5 / (1 - gamma)) ** 0.5)
    scores = model(torch.tensor([[boundary]], dtype=torch.float64))[0]
    assert scores[0].item() == pytest.approx(scores[1].item(), abs=1e-14)


@pytest.mark.parametrize("qubits", [1, 2, 3])
def test_per_layer_depolarising_equals_the_dense_oracle(qubits):
    rng = np.random.default_rng(qubits)
    circuit = random_circuit(rng, qubits)
    (end,) = circuit.layers
    places = tuple(Placed(after=end - 1, qubits=(q,), channel=depolarizing(0.3)) for q in range(qubits))
    x, w = rng.normal(size=(2, circuit.inputs)), rng.normal(size=circuit.weights)
    box = Box.unbounded(circuit.inputs)
    model = NoisyClassifier(circuit, random_paulis(rng, qubits), box, channels=places, weights=torch.tensor(w))
    found = model.density(torch.tensor(x)).detach().numpy()
    for row, sample in zip(found, x, strict=True):
        np.testing.assert_allclose(row, density(circuit, sample, w, 0.3), atol=1e-12)


def test_without_channels_it_is_the_noiseless_model():
    circuit = amplitude_encoding(7) + strongly_entangling(3, 2)
    groups = OutcomeGroups((0, 2), ((0,), (1, 2), (3,)))
    x = torch.rand(5, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for head in (None, Scale(torch.tensor(3.0)), Linear(torch.eye(3)[:2].double(), torch.tensor([0.1, -0.2]).double())):
        ideal = QuantumClassifier(circuit, groups, Box.uniform(0, 1, 7), head=head)
        model = NoisyClassifier(circuit, groups, Box.uniform(0, 1, 7), channels=(), head=head)
        torch.testing.assert_close(model(x), ideal(x), atol=1e-12, rtol=0)
        assert model.outputs == ideal.outputs
        assert model.classes == ideal.classes


def test_capabilities():
    model = rotation(bit_flip(0.1))
    assert isinstance(model, HasCircuit)
    assert isinstance(model, HasEffectiveObservables)
    assert isinstance(model, Differentiable)
    # A pure state, or shots of the noiseless circuit, would be wrong answers.
    assert not isinstance(model, HasStates)
    assert not isinstance(model, Sampled)


def test_effective_observables_hold_the_noise():
    circuit = amplitude_encoding(8) + strongly_entangling(3, 2)
    groups = OutcomeGroups.first(qubits=2, classes=3)
    noise = after_every_gate(circuit, amplitude_damping(0.1))
    box = Box.uniform(0, 1, 8)
    model = NoisyClassifier(circuit, groups, box, channels=noise, head=Scale(torch.tensor(5.0)))
    x = torch.rand(6, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    scores = model(x).detach()
    torch.testing.assert_close(model.effective_observables().scores(x), scores, atol=1e-12, rtol=0)
    ideal = QuantumClassifier(circuit, groups, box, head=Scale(torch.tensor(5.0)), weights=model.weights.detach())
    assert float((ideal(x).detach() - scores).abs().max()) > 0.05
    with pytest.raises(ConditionsError, match="encodes data in gate angles"):
        rotation().effective_observables()


def test_gradients_and_precision():
    model = rotation(depolarizing(0.2))
    x = torch.tensor([[0.3], [0.8]], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(model(x)[:, 0].sum(), x)
    expected = -0.4 * torch.pi * torch.sin(torch.pi * x.detach())
    torch.testing.assert_close(gradient, expected, atol=1e-13, rtol=0)
    single = model(x.detach().float())
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), model(x).detach(), atol=1e-6, rtol=0)


def test_weights_and_head_are_parameters_of_the_model():
    circuit = amplitude_encoding(4) + strongly_entangling(2, 1)
    noise = after_every_gate(circuit, bit_flip(0.1))
    model = NoisyClassifier(circuit, BIT, Box.uniform(0, 1, 4), channels=noise, head=Scale(torch.tensor(2.0)))
    model(torch.eye(4).double()).square().sum().backward()
    found = {name: float(p.grad.abs().max()) for name, p in model.named_parameters() if p.grad is not None}
    assert set(found) == {"ideal.weights", "ideal.log_scale"}
    assert min(found.values()) > 1e-4


def test_printed_form_tells_channels_apart():
    assert "bit_flip(0.1) after gate 0 on (0,)" in repr(rotation(bit_flip(0.1)))
    assert repr(rotation(bit_flip(0.1))) != repr(rotation(bit_flip(0.2)))


def test_refusals():
    wide = Circuit(6).add("RY", 0, feature(0))
    with pytest.raises(UsageError, match="at most 5"):
        NoisyClassifier(wide, BIT, Box.uniform(0, 1, 1), channels=())
    circuit = Circuit(1).add("RY", 0, feature(0))
    outside = Placed(after=1, qubits=(0,), channel=bit_flip(0.1))
    with pytest.raises(UsageError, match="after gate 1"):
        NoisyClassifier(circuit, BIT, Box.uniform(0, 1, 1), channels=(outside,))
    with pytest.raises(ModelError, match="bounds cover 2 features"):
        NoisyClassifier(circuit, BIT, Box.uniform(0, 1, 2), channels=())
    with pytest.raises(ModelError, match="a classifier needs at least 2"):
        NoisyClassifier(circuit, PauliExpectations.of("Z0"), Box.uniform(0, 1, 1), channels=())


def test_no_samples_have_no_scores():
    empty = torch.zeros(0, 1, dtype=torch.float64)
    assert rotation(amplitude_damping(0.3))(empty).shape == (0, 2)
