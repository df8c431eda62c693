"""Errors of gate angles against circuits written out with the shifted numbers."""

import math

import pytest
import torch

from counterspin.attacks.quantum.parameters.gate_errors import (
    check_gate_angles,
    gate_angles,
    gate_errors,
    with_errors,
)
from counterspin.circuits import Circuit, Given, Linear, OutcomeGroups, PauliExpectations, amplitude_encoding, feature
from counterspin.errors import CapabilityError, ConditionsError
from counterspin.models import HybridClassifier, NoisyClassifier, QuantumClassifier
from counterspin.models.classical import MLP
from counterspin.noise import NoiseModel
from counterspin.noise.channels import after_every_gate, depolarizing
from counterspin.simulation import run
from counterspin.types import Box
from tests.support.tampered_models import amplitude_model, one_qubit_model, reuploading_model, samples, seeded


def site_of(model, count=6):
    x, _ = samples(model, count)
    return gate_errors(model, x, model(x)), x


def test_errors_add_to_every_angle_of_one_qubit():
    site, x = site_of(one_qubit_model())
    errors = torch.tensor([0.3, -0.1], dtype=torch.float64)
    expected = (1 + torch.cos(x[:, 0] + 0.2 + 0.3 - 0.1)) / 2
    torch.testing.assert_close(site.scores(errors)[:, 0], expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("build", [amplitude_model, reuploading_model])
def test_each_sample_may_meet_errors_of_its_own(build):
    model = build()
    site, x = site_of(model)
    errors = torch.randn(len(x), site.angles, dtype=torch.float64, generator=seeded(1))
    found = site.scores(errors)
    for row in range(len(x)):
        numbers = iter(errors[row].tolist())
        gates = Circuit(model.circuit.qubits, amplitudes=model.circuit.amplitudes)
        for gate in model.circuit.gates:
            gates = gates.add(gate.kind, gate.qubits, *(angle + next(numbers) for angle in gate.angles))
        expected = run(gates, x[row : row + 1], model.weights.double(), model.readout)
        torch.testing.assert_close(found[row : row + 1], expected, atol=1e-12, rtol=0)


def test_lanes_meet_the_same_samples():
    site, _ = site_of(amplitude_model())
    errors = torch.randn(3, site.angles, dtype=torch.float64, generator=seeded(2))
    rows = torch.tensor([4, 1])
    together = site.shared(errors, rows)
    assert together.shape == (3, 2, 3)
    for lane in range(3):
        torch.testing.assert_close(together[lane], site.scores(errors[lane])[rows], atol=1e-13, rtol=0)


def test_queries_are_counted():
    site, x = site_of(amplitude_model())
    before = site.cost.forwards
    with torch.enable_grad():
        site.scores(torch.zeros(site.angles, dtype=torch.float64).requires_grad_())
    assert (site.cost.forwards - before, site.cost.backwards) == (len(x), len(x))


def test_gate_angles_are_what_the_gates_turn_by():
    model = reuploading_model()
    x, _ = samples(model, 5)
    angles = gate_angles(model.circuit, x, model.weights)
    gates = Circuit(model.circuit.qubits)
    place = 0
    for gate in model.circuit.gates:
        gates = gates.add(gate.kind, gate.qubits, *(angles[:, place + k].clone() for k in range(len(gate.angles))))
        place += len(gate.angles)
    found = run(gates, x[:, :0], torch.zeros(0).double(), model.readout)
    torch.testing.assert_close(found, model(x), atol=1e-6, rtol=0)
    assert place == angles.shape[1]


def test_angles_of_several_positions_keep_their_order():
    circuit = Circuit(1).add("Rot", 0, 0.1, 0.2, 0.3).add("H", 0).add("RX", 0, feature(0))
    shifted = with_errors(circuit)
    assert [str(angle) for gate in shifted.gates for angle in gate.angles] == [
        "0.1 + x1", "0.2 + x2", "0.3 + x3", "x0 + x4",
    ]  # fmt: skip


def test_noise_acts_in_the_tampered_circuit_as_in_the_declared_one():
    body = reuploading_model()
    noise = NoiseModel(placed=after_every_gate(body.circuit, depolarizing(0.03)), global_depolarizing=0.1)
    model = NoisyClassifier(body, noise=noise)
    site, x = site_of(model)
    zero = torch.zeros(site.angles, dtype=torch.float64)
    torch.testing.assert_close(site.scores(zero), model(x), atol=1e-10, rtol=0)
    # A full turn of one rotation is none, under any noise.
    turned = zero.clone()
    turned[0] = 2 * math.pi
    torch.testing.assert_close(site.scores(turned), model(x), atol=1e-10, rtol=0)


def test_a_classical_front_stays_as_it_is():
    front = MLP(Box.uniform(0.0, 1.0, features=3), classes=2, hidden=(3,))
    body = QuantumClassifier(
        reuploading_model().circuit, PauliExpectations.of("Z0", "Z1"), Box.uniform(-1.0, 1.0, 2), generator=seeded(1)
    )
    model = HybridClassifier(front, body).requires_grad_(False)
    site, x = site_of(model)
    torch.testing.assert_close(site.inputs, torch.tanh(front(x)), atol=1e-12, rtol=0)
    torch.testing.assert_close(site.scores(torch.zeros(site.angles).double()), model(x), atol=1e-6, rtol=0)


def test_models_without_gate_angles_are_refused():
    with pytest.raises(CapabilityError, match=r"MLP\) does not end in one circuit"):
        check_gate_angles(MLP(Box.uniform(0.0, 1.0, features=3), classes=2, hidden=(3,)))
    bare = QuantumClassifier(
        amplitude_encoding(2).add("H", 0),
        OutcomeGroups((0,), ((0,), (1,))), Box.uniform(0.1, 1.0, 2),
    )  # fmt: skip
    with pytest.raises(ConditionsError, match="no gate with an angle"):
        check_gate_angles(bare)
    given = QuantumClassifier(
        Circuit(1).add("RX", 0, feature(0)).add("RY", 0, Given(torch.tensor(0.3))),
        OutcomeGroups((0,), ((0,), (1,))), Box.uniform(0.1, 1.0, 1),
    )  # fmt: skip
    with pytest.raises(CapabilityError, match="given as tensors"):
        check_gate_angles(given)


def test_a_model_that_does_more_than_its_circuit_is_refused():
    class Doubled(QuantumClassifier):
        def forward(self, x):
            return super().forward(x) + torch.tensor([0.1, 0.0])

    model = Doubled(
        Circuit(1).add("RX", 0, feature(0)), PauliExpectations.of("Z0"), Box.uniform(0.0, 1.0, 1),
        head=Linear(torch.tensor([[1.0], [-1.0]]), torch.zeros(2)),
    ).requires_grad_(False)  # fmt: skip
    x, _ = samples(model, 4)
    with pytest.raises(CapabilityError, match=r"scores otherwise than the circuit it shows \(by 0.1\)"):
        gate_errors(model, x, model(x))
