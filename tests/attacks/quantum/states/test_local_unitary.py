"""Local rotations against closed forms, brute force and their bound."""

import itertools
import math

import pytest
import torch

from counterspin.attacks.quantum.states import LocalUnitary, NearestState
from counterspin.attacks.quantum.states.rotations import rotated, rotation_matrices, within
from counterspin.circuits import OutcomeGroups, amplitude_encoding
from counterspin.models import NoisyClassifier, QuantumClassifier
from counterspin.noise import NoiseModel
from counterspin.noise.channels import after_every_gate, depolarizing
from counterspin.types import Box
from tests.support.state_models import ENCODINGS, amplitude_bit, amplitude_classes, samples, seeded, uploads

PAULIS = torch.tensor([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]], dtype=torch.complex128)


def test_rotations_are_exponentials_and_act_on_their_qubits():
    vectors = torch.randn(3, 2, 3, generator=seeded(0), dtype=torch.float64)
    expected = torch.linalg.matrix_exp(-0.5j * torch.einsum("bqa,aij->bqij", vectors.cdouble(), PAULIS))
    torch.testing.assert_close(rotation_matrices(vectors), expected)
    torch.testing.assert_close(rotation_matrices(torch.zeros(3)), torch.eye(2).cfloat())
    states = torch.randn(3, 4, generator=seeded(1), dtype=torch.complex128)
    whole = torch.stack([torch.kron(a, b) for a, b in expected])
    turned = torch.einsum("bij,bj->bi", whole, states)
    torch.testing.assert_close(rotated(states, vectors), turned)
    rho = states[:, :, None] * states[:, None, :].conj()
    torch.testing.assert_close(rotated(rho, vectors), turned[:, :, None] * turned[:, None, :].conj())


def test_vectors_are_shortened_to_the_radius_only_where_longer():
    vectors = torch.tensor([[3.0, 4.0, 0.0], [0.1, 0.0, 0.0], [0.0, 0.0, 0.0]])
    assert within(vectors, 1.0).tolist() == [
        [pytest.approx(0.6), pytest.approx(0.8), 0.0],
        [pytest.approx(0.1), 0, 0],
        [0, 0, 0],
    ]


@pytest.mark.parametrize("p", [0.95, 0.8, 0.6])
def test_one_qubit_flips_at_twice_the_bures_angle(p):
    readout = OutcomeGroups((0,), ((0,), (1,)))
    model = QuantumClassifier(amplitude_encoding(2), readout, Box.uniform(-1.0, 1.0, 2))
    flip = math.asin(2 * p - 1)
    result = LocalUnitary()(model, [[math.sqrt(p), math.sqrt(1 - p)]], [0], [flip - 1e-3, flip + 1e-3])
    assert result.success[:, 0].tolist() == [False, True]


def test_two_qubits_come_within_a_percent_of_a_grid_over_both_bloch_spheres():
    model = amplitude_bit()
    x, y = samples(model, batch=4)
    budget = 0.4
    site = NearestState()(model, x, y, [0.1]).budgets[0].manipulation.what.site
    # At an optimum each qubit turns by the whole budget: axes on a sphere of 400 points, two alternating passes.
    k = torch.arange(400, dtype=torch.float64) + 0.5
    z, phi = 1 - 2 * k / 400, math.pi * (1 + math.sqrt(5)) * k
    axes = torch.stack([(1 - z**2).sqrt() * phi.cos(), (1 - z**2).sqrt() * phi.sin(), z], dim=1) * budget
    for row in range(len(x)):
        lowest = math.inf
        for start in itertools.product((0, 200), repeat=2):
            pair = [axes[start[0]], axes[start[1]]]
            for qubit in (0, 1, 0, 1):
                tried = torch.stack([torch.stack([a if q == qubit else pair[q] for q in (0, 1)]) for a in axes])
                scores = site.scores(rotated(site.states[row : row + 1].expand(400, -1), tried))
                margins = scores[:, y[row]] - scores[:, 1 - y[row]]
                pair[qubit] = axes[margins.argmin()]
                lowest = min(lowest, float(margins.min()))
        result = LocalUnitary()(model, x[row : row + 1], y[row : row + 1], [budget])
        scores = result.budgets[0].manipulation.scores[0]
        if lowest > 1e-3:
            reached = float(scores[y[row]] - scores[1 - y[row]])
            assert reached <= lowest * 1.01
        else:
            assert bool(result.success[0, 0])


@pytest.mark.parametrize("build", ENCODINGS)
def test_it_breaks_what_random_rotations_break_and_never_beats_the_spread(build):
    model = build()
    x, y = samples(model, batch=10)
    budgets = [0.2, 0.5, 1.0]
    result = LocalUnitary()(model, x, y, budgets)
    what = result.budgets[-1].manipulation.what
    infidelity = NearestState()(model, x, y, [1.0]).budgets[0].spent
    angle = infidelity.clamp(max=1).sqrt().asin()
    for level, found in zip(budgets, result.budgets, strict=True):
        vectors = torch.randn(2000, what.site.qubits, 3, generator=seeded(3), dtype=torch.float64)
        vectors = vectors / vectors.norm(dim=2, keepdim=True) * level
        for row in range(len(x)):
            scores = what.site.scores(rotated(what.site.states[row : row + 1].expand(2000, -1), vectors))
            hit = bool((scores.argmax(dim=1) != y[row]).any())
            assert bool(found.success[row]) >= hit
        assert bool((found.spent[found.success] <= level).all())
        assert bool((angle[found.success] <= what.site.qubits * found.spent[found.success] / 2 + 1e-9).all())
    assert bool(result.success[-1].any())


def test_rotations_delivered_give_the_scores_and_have_the_size_spent():
    model = amplitude_classes()
    x, y = samples(model)
    found = LocalUnitary()(model, x, y, [0.3, 0.9]).budgets[1]
    what = found.manipulation.what
    vectors = what.parts["rotations"]
    torch.testing.assert_close(what.site.scores(rotated(what.site.states, vectors)), found.manipulation.scores)
    sizes = vectors.norm(dim=2).amax(dim=1)
    torch.testing.assert_close(found.spent[found.success], sizes[found.success])


def test_a_target_and_mixed_states():
    body = uploads().requires_grad_(False)
    model = NoisyClassifier(body, noise=NoiseModel(placed=after_every_gate(body.circuit, depolarizing(0.05))))
    x, y = samples(model)
    result = LocalUnitary(target=0)(model, x, y, [0.5, 2.0])
    last = result.budgets[-1]
    assert last.manipulation.what.states.ndim == 3
    assert bool(last.success.any())
    assert bool((last.manipulation.scores.argmax(1)[last.success] == 0).all())
