"""Noise on gate angles: the shifted circuit, its statistics, and how it nests with noise and shots."""

import pytest
import torch

from counterspin.circuits import Circuit, Linear, OutcomeGroups, PauliExpectations, feature, reuploading
from counterspin.circuits.angles import weight
from counterspin.defenses.training.angle_noise import ENTRY, AngleNoise, shifted_circuit
from counterspin.defenses.training.circuit_views import bare
from counterspin.defenses.training.noise import NoiseView
from counterspin.defenses.training.shot_noise import ShotNoise
from counterspin.errors import CapabilityError, UsageError
from counterspin.models import MLP, QuantumClassifier
from counterspin.noise.text import parse
from counterspin.threats import Linf
from counterspin.training import Step
from counterspin.types import Box

THREAT = Linf(0.1)


def step(generator):
    return Step(epoch=1, progress=0.0, rows=torch.arange(1), generator=generator, memory={})


def one_turn():
    """cos of the one angle 0.3 + x0, as two scores of opposite sign."""
    circuit = Circuit(1).add("RY", 0, weight(0) + feature(0))
    head = Linear(torch.tensor([[1.0], [-1.0]], dtype=torch.float64), torch.zeros(2, dtype=torch.float64))
    return QuantumClassifier(
        circuit,
        PauliExpectations.of("Z0"),
        Box.uniform(-4.0, 4.0, 1),
        head=head,
        weights=torch.tensor([0.3], dtype=torch.float64),
    )


def test_draws_are_normal_with_the_deviation_asked_for():
    turn = Circuit(1).add("RY", 0, weight(0) + feature(0)).gates
    box, measurement = Box.uniform(-4.0, 4.0, 1), OutcomeGroups((0,), ((0,), (1,)))
    own = QuantumClassifier(Circuit(1, turn * 4000), measurement, box, weights=torch.zeros(1).double())
    draws = AngleNoise(sigma=0.2).apply(own, step(torch.Generator().manual_seed(0))).weights[1:].detach()
    assert draws.shape == (4000,)
    # The standard error of the mean is 0.0032, that of the deviation 0.0022; a normal has a share 0.683 within one.
    assert float(draws.mean()) == pytest.approx(0.0, abs=0.013)
    assert float(draws.std()) == pytest.approx(0.2, abs=0.009)
    assert float((draws.abs() < 0.2).double().mean()) == pytest.approx(0.683, abs=0.03)


def test_all_samples_of_a_step_meet_the_same_angles():
    own = one_turn()
    seen = AngleNoise(sigma=0.5).apply(own, step(torch.Generator().manual_seed(3)))
    x = torch.linspace(-1, 1, 7, dtype=torch.float64)[:, None]
    shift = seen.weights[1].detach()
    assert abs(float(shift)) > 0.01
    expected = torch.cos(0.3 + x[:, 0] + shift)
    torch.testing.assert_close(seen(x)[:, 0].detach(), expected, atol=1e-12, rtol=0)


def test_without_deviation_nothing_changes_and_gradients_reach_the_weights():
    own = QuantumClassifier(reuploading(3, 2), PauliExpectations.of("Z0", "X1"), Box.uniform(0.0, 1.0, 3)).double()
    seen = AngleNoise(sigma=1e-300).apply(own, step(torch.Generator().manual_seed(0)))
    x = torch.rand(5, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    torch.testing.assert_close(seen(x), own(x), atol=1e-14, rtol=0)
    (mine,) = torch.autograd.grad(own(x).square().sum(), own.weights)
    (theirs,) = torch.autograd.grad(seen(x).square().sum(), own.weights)
    torch.testing.assert_close(theirs, mine, atol=1e-13, rtol=0)
    assert seen.bounds is own.bounds
    assert (seen.classes, seen.outputs, seen.engine) == (own.classes, own.outputs, own.engine)


def test_every_angle_gets_a_weight_of_its_own():
    circuit = Circuit(2).add("Rot", 0, weight(0), 0.5, weight(0)).add("CNOT", (0, 1)).add("RX", 1, feature(0))
    shifted, count = shifted_circuit(circuit.end_layer())
    assert count == 4
    assert shifted.weights == 5
    assert [str(gate) for gate in shifted.gates] == [
        "Rot(w0 + w1, 0.5 + w2, w0 + w3) q0",
        "CNOT q0,q1",
        "RX(x0 + w4) q1",
    ]
    assert shifted.layers == (3,)
    assert shifted_circuit(circuit.end_layer())[0] is shifted


def test_angles_noise_and_shots_nest():
    own = QuantumClassifier(reuploading(2, 1), PauliExpectations.of("Z0", "Z1"), Box.uniform(0.0, 1.0, 2))
    generator = torch.Generator().manual_seed(0)
    seen = own
    noise = "depolarizing:0.05/gate+readout:0.02"
    views = (ShotNoise(shots=10**12), NoiseView(sources=(noise,)), AngleNoise(sigma=1e-9))
    for view in sorted(views, key=lambda each: each.order):
        seen = view.apply(seen, step(generator))
    x = torch.rand(3, 2, generator=generator)
    torch.testing.assert_close(seen(x).detach(), own.sample(x, shots=None, generator=generator, noise=parse(noise)))
    assert bare(seen) is own
    seen(x).sum().backward()
    assert float(own.weights.grad.abs().max()) > 1e-3


def test_frozen_weights_stay_out_of_the_graph():
    own = one_turn()
    seen = AngleNoise(sigma=0.1).apply(own, step(torch.Generator().manual_seed(0)))
    own.requires_grad_(False)
    assert not seen(torch.zeros(1, 1, dtype=torch.float64)).requires_grad


def test_refusals_and_entry():
    with pytest.raises(UsageError, match="above 0"):
        AngleNoise(sigma=0.0)
    with pytest.raises(CapabilityError, match="shows no circuit"):
        AngleNoise().check(MLP(Box.uniform(0.0, 1.0, features=3), classes=2, hidden=(3,)), THREAT)
    noisy = NoiseView(sources=("bit_flip:0.1/gate",)).apply(one_turn(), step(torch.Generator().manual_seed(0)))
    with pytest.raises(CapabilityError, match="noise of its own"):
        AngleNoise().apply(noisy, step(torch.Generator().manual_seed(0)))
    AngleNoise().check(one_turn(), THREAT)
    assert ENTRY.build({"sigma": "0.3"}, THREAT) == AngleNoise(sigma=0.3)
    with pytest.raises(UsageError, match="give a number"):
        ENTRY.build({"sigma": "much"}, THREAT)
