"""The bound on gate errors beside the attacks it matches: never both certified and broken."""

import math

import pytest
import torch

from counterspin.attacks.quantum.parameters import (
    ATTACKS,
    Drift,
    OverRotation,
    WeightsMinimum,
    WeightsPGD,
    WeightsSparse,
    WeightsStealthy,
)
from counterspin.certificates.unitary import angle_spreads, gate_tampering
from counterspin.circuits import Circuit, OutcomeGroups, feature
from counterspin.evaluation.parts.gate_slopes import margin_slopes
from counterspin.evaluation.parts.parameters import certified
from counterspin.models import NoisyClassifier, QuantumClassifier
from counterspin.noise import NoiseModel
from counterspin.noise.channels import after_every_gate, depolarizing
from counterspin.types import Box
from tests.support.tampered_models import (
    amplitude_model,
    one_qubit_model,
    reuploading_model,
    samples,
    three_angles,
)


def noisy_model():
    body = reuploading_model()
    return NoisyClassifier(body, noise=NoiseModel(placed=after_every_gate(body.circuit, depolarizing(0.01))))


ANGLE_ATTACKS = (
    WeightsPGD(steps=12),
    WeightsPGD(norm="l2", steps=12),
    WeightsMinimum(steps=15),
    WeightsMinimum(norm="linf", steps=15),
    WeightsStealthy(steps=12),
)


@pytest.mark.parametrize("build", [amplitude_model, reuploading_model, three_angles])
@pytest.mark.parametrize("attack", ANGLE_ATTACKS, ids=lambda attack: f"{attack.name}-{attack.norm}")
def test_nothing_certified_is_broken(build, attack):
    model = build()
    x, y = samples(model, 25)
    turned = gate_tampering(model, x, y, norm=attack.norm).radius
    flat = margin_slopes(model, x, y, angle_spreads(model.circuit)).radius(attack.norm)
    radius = torch.maximum(turned, flat)
    # Budgets that split the samples by what is certified.
    budgets = tuple(radius.quantile(torch.tensor([0.3, 0.7], dtype=torch.float64)).tolist())
    proof, result = certified(attack, model, x, y, budgets), attack(model, x, y, budgets)
    assert proof is not None
    assert 0 < int(proof.holds[1].sum()) < int(proof.holds[0].sum()) < len(x)
    assert not bool((proof.holds & result.success).any())


@pytest.mark.parametrize("build", [amplitude_model, reuploading_model, three_angles, noisy_model])
@pytest.mark.parametrize("attack", [OverRotation(), Drift()], ids=lambda attack: attack.name)
def test_nothing_certified_is_broken_by_errors_in_proportion(build, attack):
    model = build()
    x, y = samples(model, 20)
    budgets = (0.01, 0.03, 0.1, 0.3)
    proof, result = certified(attack, model, x, y, budgets), attack(model, x, y, budgets)
    assert proof is not None
    assert bool(proof.holds.any())
    assert not bool(proof.holds[3].all())
    assert not bool((proof.holds & result.success).any())


def test_nothing_certified_is_broken_by_a_few_gates():
    model, attack = amplitude_model(), WeightsSparse(reach=0.05)
    x, y = samples(model, 40)
    proof, result = certified(attack, model, x, y, (1, 2, 4)), attack(model, x, y, (1, 2, 4))
    assert proof is not None
    assert 0 < int(proof.holds[2].sum()) < int(proof.holds[0].sum())
    assert not bool((proof.holds & result.success).any())


def one_rotation():
    """RX(x), read in Z: at x the state turns by half the error, and loses at π/2."""
    circuit = Circuit(1).add("RX", 0, feature(0))
    return QuantumClassifier(circuit, OutcomeGroups((0,), ((0,), (1,))), Box.uniform(0.1, 1.4, 1))


def test_one_rotation_is_certified_exactly():
    model = one_rotation()
    x, y = samples(model, 30)
    room = math.pi / 2 - x[:, 0]
    for attack, holds in (
        (WeightsPGD(), room > 0.4),
        (WeightsMinimum(norm="l2"), room > 0.4),
        (OverRotation(), room > 0.4 * x[:, 0]),
        (WeightsSparse(reach=0.4), room > 0.4),
    ):
        budget = 1 if attack.whole else 0.4
        proof = certified(attack, model, x, y, (budget,))
        assert proof is not None
        assert proof.holds[0].tolist() == holds.tolist()
        assert 0 < int(holds.sum()) < len(x)
        success = attack(model, x, y, (budget,)).success[0]
        assert success.tolist() == (~holds).tolist()


def test_gates_of_several_angles_turn_by_the_sum_of_them():
    circuit = Circuit(1).add("RX", 0, feature(0)).add("Rot", 0, 0.0, 0.0, 0.0)
    model = QuantumClassifier(circuit, OutcomeGroups((0,), ((0,), (1,))), Box.uniform(0.1, 1.56, 1))
    x, y = samples(model, 30)
    room = math.pi / 2 - x[:, 0]
    attack = WeightsSparse(reach=0.1)
    proof, result = certified(attack, model, x, y, (1, 2)), attack(model, x, y, (1, 2))
    assert proof is not None
    assert not proof.exact
    for held, wide in ((proof.holds[0], 0.3), (proof.holds[1], 0.4)):
        assert bool(held[room > wide].all())
        assert 0 < int(held.sum()) < len(x)
    assert not bool((proof.holds & result.success).any())


def test_misclassified_samples_are_never_certified():
    model = one_qubit_model()
    x, y = samples(model, 10)
    for attack in ATTACKS:
        budget = 1 if attack.whole else 0.01
        proof = certified(attack, model, x, 1 - y, (budget,))
        assert proof is not None
        assert not bool(proof.holds.any())


def test_no_bound_beyond_ten_qubits():
    circuit = Circuit(11).add("RX", 0, feature(0)).add("CNOT", (0, 10))
    model = QuantumClassifier(circuit, OutcomeGroups((10,), ((0,), (1,))), Box.uniform(0.1, 1.4, 1))
    x, y = samples(model, 2)
    assert certified(WeightsPGD(), model, x, y, (0.1,)) is None
