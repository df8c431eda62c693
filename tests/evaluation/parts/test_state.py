"""Certificates against attacks on states: never beaten, and attained where they are called exact."""

import math

import pytest
import torch

from counterspin import recipes
from counterspin.attacks.quantum.states import (
    ATTACKS,
    GlobalUnitary,
    KrausAdversary,
    LocalUnitary,
    NearestInTraceDistance,
    NearestState,
)
from counterspin.circuits import OutcomeGroups, amplitude_encoding
from counterspin.evaluation.parts.state import certified
from counterspin.models import NoisyClassifier, QuantumClassifier
from counterspin.noise import NoiseModel
from counterspin.noise.channels import after_every_gate, amplitude_damping
from counterspin.types import Box
from tests.support.state_models import ENCODINGS, samples, uploads

# A shared rotation is a weaker adversary with tests of its own.
NAMED = {attack.name: attack for attack in ATTACKS if attack.scope == "sample"}
LEVELS = (0.001, 0.01, 0.05, 0.1, 0.2, 0.4, 0.7)


def judged(attack, model, x, y, levels=LEVELS):
    return attack(model, x, y, levels), certified(
        attack, model, torch.as_tensor(x).double(), torch.as_tensor(y), levels
    )


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("build", ENCODINGS)
def test_no_attack_beats_its_certificate_and_exact_ones_leave_nothing_open(name, build):
    model = build()
    x, y = samples(model, batch=20)
    y[:2] = (y[:2] + 1) % model.classes
    attacked, proof = judged(NAMED[name], model, x, y)
    assert proof.holds.shape == (len(LEVELS), 20)
    assert not bool((proof.holds & attacked.success).any())
    # Misclassified samples are never certified.
    assert not bool(proof.holds[:, ~attacked.correct].any())
    assert proof.exact == proof.method.endswith("(exact)")
    if proof.exact:
        assert torch.equal(proof.holds | attacked.success, attacked.correct.expand(len(LEVELS), -1))
    else:
        assert bool(proof.holds[0].any())


@pytest.mark.parametrize("name", NAMED)
def test_which_are_exact(name):
    model = ENCODINGS[0]()
    x, y = samples(model)
    _, proof = judged(NAMED[name], model, x, y, (0.1,))
    assert proof.exact == (name != "local-unitary")
    _, many = judged(NAMED[name], *(m := ENCODINGS[1](), *samples(m)), (0.1,))
    assert many.exact == (name != "local-unitary")


@pytest.mark.parametrize("name", NAMED)
def test_no_attack_on_mixed_states_beats_its_certificate(name):
    body = uploads().requires_grad_(False)
    model = NoisyClassifier(body, noise=NoiseModel(placed=after_every_gate(body.circuit, amplitude_damping(0.05))))
    x, y = samples(model, batch=10)
    if name == "kraus":
        assert NAMED[name].refusal(model) is not None
        return
    attacked, proof = judged(NAMED[name], model, x, y)
    assert not bool((proof.holds & attacked.success).any())
    assert proof.exact == (name == "nearest-state")


@pytest.mark.parametrize("attack", [NearestState, NearestInTraceDistance, GlobalUnitary, LocalUnitary, KrausAdversary])
def test_targets_break_no_certificate_and_their_own_samples_are_safe(attack):
    model = ENCODINGS[1]()
    x, y = samples(model)
    target = int(y.mode().values)
    attacked, proof = judged(attack(target=target), model, x, y)
    assert not bool((proof.holds & attacked.success).any())
    assert bool(proof.holds[:, y == target].all())
    assert not proof.exact


def test_a_projective_bit_is_certified_up_to_the_distances_of_the_closed_forms():
    readout = OutcomeGroups((0,), ((0,), (1,)))
    model = QuantumClassifier(amplitude_encoding(2), readout, Box.uniform(-1.0, 1.0, 2)).requires_grad_(False)
    x, y = [[math.sqrt(0.8), math.sqrt(0.2)]], [0]
    angle = 0.321751
    closed = (
        (NearestState(), 0.1), (NearestInTraceDistance(), 0.3), (NearestInTraceDistance(adversary="pure"), 0.316228),
        (GlobalUnitary(), angle), (LocalUnitary(), 2 * angle),
    )  # fmt: skip
    for attack, distance in closed:
        attacked, proof = judged(attack, model, x, y, (distance - 2e-3, distance + 2e-3))
        assert proof.holds[:, 0].tolist() == [True, False], attack.name
        assert attacked.success[:, 0].tolist() == [False, True], attack.name
        assert proof.exact


@pytest.mark.slow
def test_the_semidefinite_programme_closes_the_bracket():
    pytest.importorskip("cvxpy")
    model = ENCODINGS[1]()
    x, y = samples(model, batch=3)
    attack = NearestInTraceDistance(solver="sdp")
    attacked, proof = judged(attack, model, x, y)
    assert proof.exact
    assert torch.equal(proof.holds, ~attacked.success)


@pytest.mark.parametrize(
    "recipe", ["cancer-angle", "digits-amplitude", pytest.param("tfim-phases", marks=pytest.mark.slow)]
)
def test_recipes(recipe):
    given = recipes.get(recipe)
    model, test = given.model(), given.dataset().test
    x, y = test.x[:8], test.y[:8]
    for attack in (NearestState(), GlobalUnitary(), LocalUnitary(steps=20, restarts=1), KrausAdversary()):
        attacked, proof = judged(attack, model, x, y, attack.default_budgets)
        assert not bool((proof.holds & attacked.success).any())
        if proof.exact:
            assert torch.equal(proof.holds | attacked.success, attacked.correct.expand(len(proof.holds), -1))
        assert bool(attacked.success[-1].any())
