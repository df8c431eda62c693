"""Attacks in closed form: distances of certificates.md's table, equal to the optimum, and recomputed from `what`."""

import math

import pytest
import torch

from counterspin.attacks.quantum.states import (
    ATTACKS,
    GlobalUnitary,
    KrausAdversary,
    NearestInTraceDistance,
    NearestState,
    plane_generator,
)
from counterspin.circuits import OutcomeGroups, amplitude_encoding
from counterspin.errors import ConditionsError
from counterspin.models import NoisyClassifier, QuantumClassifier
from counterspin.noise import NoiseModel
from counterspin.noise.channels import after_every_gate, amplitude_damping
from counterspin.optimum import nearest_states, trace_distance
from counterspin.optimum.channels import channel_operators
from counterspin.types import Box
from tests.support.state_models import ENCODINGS, amplitude_classes, samples, uploads

# p_A: Bures angle, infidelity, trace distance against pure and against mixed attack states.
TABLE = {
    0.95: (0.559885, 0.282055, 0.531089, 0.45),
    0.9: (0.463648, 0.2, 0.447214, 0.4),
    0.8: (0.321751, 0.1, 0.316228, 0.3),
    0.6: (0.100679, 0.010102, 0.100509, 0.1),
}


def bit():
    readout = OutcomeGroups((0,), ((0,), (1,)))
    return QuantumClassifier(amplitude_encoding(2), readout, Box.uniform(-1.0, 1.0, 2)).requires_grad_(False)


@pytest.mark.parametrize("p", TABLE)
def test_a_projective_bit_breaks_at_the_distances_of_the_table(p):
    x = torch.tensor([[math.sqrt(p), math.sqrt(1 - p)]], dtype=torch.float64)
    attacks = (
        GlobalUnitary(), NearestState(), NearestInTraceDistance(adversary="pure"), NearestInTraceDistance(),
    )  # fmt: skip
    for attack, distance in zip(attacks, TABLE[p], strict=True):
        result = attack(bit(), x, [0], [distance - 2e-6, distance + 2e-6])
        assert result.success[:, 0].tolist() == [False, True], attack.name
        assert float(result.budgets[1].spent[0]) == pytest.approx(distance, abs=1e-6)


@pytest.mark.parametrize("build", ENCODINGS)
@pytest.mark.parametrize(
    "attack", [a for a in ATTACKS if a.name not in ("local-unitary", "universal-unitary")], ids=lambda a: a.name
)
def test_what_is_delivered_is_a_state_that_breaks_at_the_distance_said(build, attack):
    model = build()
    x, y = samples(model)
    result = attack(model, x, y, [0.3, 0.8])
    last = result.budgets[-1]
    what = last.manipulation.what
    torch.testing.assert_close(last.manipulation.scores, what.site.scores(what.states))
    assert result.success[0].sum() <= result.success[1].sum()
    assert bool(last.success.any())
    assert bool((last.spent[last.success] <= 0.8).all())
    for row in last.success.nonzero()[:, 0].tolist():
        psi, phi = what.site.states[row], what.states[row]
        rho = torch.outer(psi, psi.conj())
        sigma = phi if phi.ndim == 2 else torch.outer(phi, phi.conj())
        assert float(torch.linalg.eigvalsh(sigma)[0]) > -1e-12
        assert float(sigma.diagonal().sum().real) == pytest.approx(1, abs=1e-10)
        fidelity = float((psi.conj() @ sigma @ psi).real)
        measured = {
            "nearest-state": 1 - fidelity,
            "nearest-trace": float(trace_distance(rho[None], sigma[None])),
            "global-unitary": math.acos(min(math.sqrt(fidelity), 1)),
        }.get(attack.name)
        if measured is not None:
            assert float(last.spent[row]) == pytest.approx(measured, abs=1e-7)
        # Unbroken where asked for less, so the distance is no overstatement of the witness.
        assert float(last.spent[row]) > 0


@pytest.mark.parametrize("build", ENCODINGS)
def test_fidelity_and_rotation_attacks_equal_the_optimum(build):
    model = build()
    x, y = samples(model, batch=20)
    result = NearestState()(model, x, y, [0.9])
    site = result.budgets[0].manipulation.what.site
    near = nearest_states(site.observables, site.states, y)
    flips = near.lower < 0.9
    assert torch.equal(result.success[0], flips)
    torch.testing.assert_close(result.budgets[0].spent[flips], near.lower[flips], rtol=0, atol=1e-6)
    turned = GlobalUnitary()(model, x, y, [1.5]).budgets[0]
    torch.testing.assert_close(turned.spent[flips].sin().square(), near.lower[flips], rtol=0, atol=1e-6)


def test_the_rotation_of_a_global_unitary_has_the_norm_spent():
    model = amplitude_classes()
    x, y = samples(model)
    found = GlobalUnitary()(model, x, y, [1.0]).budgets[0]
    what = found.manipulation.what
    for row in found.success.nonzero()[:, 0].tolist():
        generator = plane_generator(what.site.states[row], what.states[row])
        assert float(torch.linalg.matrix_norm(generator, 2)) == pytest.approx(float(found.spent[row]), abs=1e-7)
        moved = torch.linalg.matrix_exp(-1j * generator) @ what.site.states[row]
        assert float((moved.conj() @ what.states[row]).abs()) == pytest.approx(1, abs=1e-10)


def test_the_channel_is_trace_preserving_has_the_fidelity_spent_and_makes_the_state():
    model = amplitude_classes()
    x, y = samples(model)
    found = KrausAdversary()(model, x, y, [0.5]).budgets[0]
    what, d = found.manipulation.what, 8
    assert int(found.success.sum()) > 5
    for row in found.success.nonzero()[:, 0].tolist():
        psi = what.site.states[row]
        operators = channel_operators(psi, what.parts["kept"][row], what.parts["filled"][row])
        torch.testing.assert_close((operators.mH @ operators).sum(0), torch.eye(d).cdouble(), rtol=0, atol=1e-10)
        fidelity = sum(float(k.diagonal().sum().abs() ** 2) for k in operators) / d**2
        assert 1 - (d * fidelity + 1) / (d + 1) == pytest.approx(float(found.spent[row]), abs=1e-9)
        output = sum(k @ torch.outer(psi, psi.conj()) @ k.mH for k in operators)
        torch.testing.assert_close(output, what.states[row], rtol=0, atol=1e-10)


def noisy_uploads():
    body = uploads().requires_grad_(False)
    placed = after_every_gate(body.circuit, amplitude_damping(0.05))
    return NoisyClassifier(body, noise=NoiseModel(placed=placed))


def test_mixed_states_are_attacked_by_mixed_states_and_by_unitaries_that_keep_the_spectrum():
    model = noisy_uploads()
    x, y = samples(model)
    near = NearestState()(model, x, y, [0.5]).budgets[0]
    what = near.manipulation.what
    expected = nearest_states(what.site.observables, what.site.states, y)
    torch.testing.assert_close(near.spent[near.success], expected.lower[near.success], rtol=0, atol=1e-6)
    turned = GlobalUnitary()(model, x, y, [0.05, 0.2, 0.5])
    assert bool(turned.success.any())
    for found in turned.budgets:
        after = found.manipulation.what.states
        torch.testing.assert_close(
            torch.linalg.eigvalsh(after), torch.linalg.eigvalsh(what.site.states), rtol=0, atol=1e-9
        )
        # No unitary turns a state further than its norm.
        assert bool((expected.lower.sqrt().asin()[found.success] <= found.budget).all())
    bounded = NearestInTraceDistance()(model, x, y, [0.05, 0.3])
    assert bool(bounded.success.any())


def test_noise_is_refused_where_the_optimum_is_of_pure_states():
    model = noisy_uploads()
    x, y = samples(model)
    for attack in (KrausAdversary(), NearestInTraceDistance(adversary="pure")):
        with pytest.raises(ConditionsError, match="mixed by noise"):
            attack(model, x, y)
        assert "mixed by noise" in attack.refusal(model)


def test_a_pure_adversary_needs_no_less_trace_distance_than_a_mixed_one():
    model = amplitude_classes()
    x, y = samples(model)
    pure, mixed = (NearestInTraceDistance(adversary=a)(model, x, y, [0.9]).budgets[0].spent for a in ("pure", "mixed"))
    assert bool((mixed <= pure + 1e-9).all())
