"""The same classifiers on PennyLane devices: within the shot noise of our simulator, one batch per call."""

import math

import pytest
import torch
from every_gate import amplitude_classifier, counting_classifier, pauli_classifier

from counterspin.attacks.gradients import DeviceShift, ParameterShift
from counterspin.models.integrations.backends import OnDevice

pytestmark = pytest.mark.slow

SHOTS = 20000
MODELS = {"pauli": pauli_classifier, "counting": counting_classifier, "amplitudes": amplitude_classifier}


def points(model, count=4):
    generator = torch.Generator().manual_seed(7)
    return 0.1 + 0.9 * torch.rand(count, model.bounds.features, generator=generator, dtype=torch.float64)


def device(name, wires=3, **options):
    import pennylane as qml

    return qml.device(name, wires=wires, **({} if name.startswith("lightning") else {"seed": 11}), **options)


def sigma(model):
    """Five standard errors of a score: those of a Pauli value, through the head."""
    head = model.readout.head
    gain = 1.0 if head is None else float(head.weight.abs().sum(dim=1).max())
    return 5 * gain / math.sqrt(SHOTS)


@pytest.mark.parametrize("name", ["default.qubit", "lightning.qubit", "default.mixed"])
@pytest.mark.parametrize("kind", MODELS)
def test_scores_are_those_of_our_simulator_up_to_shot_noise(kind, name):
    model = MODELS[kind]()
    on_device, x = OnDevice(model, device(name), shots=SHOTS), points(model)
    found = on_device(x)
    torch.testing.assert_close(found, model(x).detach(), rtol=0, atol=sigma(model))
    assert not torch.equal(found, on_device(x))
    # Far apart among themselves: another bit order or angle would show.
    assert float(model(x).std()) > 10 * sigma(model) / 5


def test_wires_with_names_are_used_in_their_order():
    model = counting_classifier()
    on_device, x = OnDevice(model, device("default.qubit", wires=["c", "a", "b", "unused"]), shots=SHOTS), points(model)
    torch.testing.assert_close(on_device(x), model(x).detach(), rtol=0, atol=sigma(model))


def test_noise_of_the_device_is_in_the_scores():
    import pennylane as qml

    from counterspin.circuits import Circuit, OutcomeGroups, feature
    from counterspin.models import QuantumClassifier
    from counterspin.types import Box

    circuit = Circuit(1).add("RY", 0, math.pi * feature(0))
    model = QuantumClassifier(circuit, OutcomeGroups((0,), ((0,), (1,))), Box.uniform(0, 1, 1))
    flips = qml.NoiseModel({qml.noise.op_eq(qml.RY): qml.noise.partial_wires(qml.BitFlip, 0.1)})
    noisy = OnDevice(model, qml.add_noise(device("default.mixed", wires=1), flips), shots=SHOTS)
    x = torch.tensor([[0.0], [0.5], [1.0]], dtype=torch.float64)
    # The qubit is flipped with probability 0.1 after its rotation.
    torch.testing.assert_close(
        noisy(x)[:, 0], torch.tensor([0.9, 0.5, 0.1]).double(), rtol=0, atol=5 * 0.5 / SHOTS**0.5
    )


@pytest.mark.parametrize("kind", ["pauli", "counting"])
def test_all_shifts_of_all_samples_are_one_batch(kind, monkeypatch):
    model, plain = MODELS[kind](), device("default.qubit")
    batches, execute = [], type(plain).execute

    def recorded(self, circuits, *rest, **options):
        batches.append([tape.shots.total_shots for tape in circuits])
        return execute(self, circuits, *rest, **options)

    monkeypatch.setattr(type(plain), "execute", recorded)
    on_device, x = OnDevice(model, plain, shots=2000), points(model, 2)

    def objective(scores, **_):
        return scores @ torch.linspace(1, 2, scores.shape[1], dtype=scores.dtype)

    found = DeviceShift()(on_device, x, objective)
    assert len(batches) == found.cost.jobs == on_device.executed.jobs == 1
    assert len(batches[0]) == found.cost.circuits == on_device.executed.circuits
    assert sum(batches[0]) == found.cost.shots == on_device.executed.shots
    exact = ParameterShift()(model, x, objective).gradient
    # Some thirty shifted angles, each with an error of about 1/sqrt(shots) through weights of size one.
    assert float((found.gradient - exact).abs().max()) < 0.6
    assert float(torch.cosine_similarity(found.gradient.flatten(), exact.flatten(), dim=0)) > 0.9
