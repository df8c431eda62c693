"""Nearest channels against a semidefinite programme over Choi matrices, and their certificates against random ones."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterspin.errors import InputError
from counterspin.optimum import nearest_states
from counterspin.optimum.channels import channel_operators, nearest_channels
from tests.support.random_states import random_mixed, random_observables, random_pure


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def output(operators, psi):
    return sum(k @ torch.outer(psi, psi.conj()) @ k.mH for k in operators)


def average_infidelity(operators):
    d = operators.shape[-1]
    fidelity = sum(float(k.diagonal().sum().abs() ** 2) for k in operators) / d**2
    return 1 - (d * fidelity + 1) / (d + 1)


def cases(seed, classes, dimension, batch=6):
    observables = random_observables(seeded(seed), classes, dimension)
    states = random_pure(seeded(seed + 1), batch, dimension)
    scores = torch.einsum("bi,kij,bj->bk", states.conj(), observables, states).real
    return observables, states, scores.argmax(dim=1)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), classes=st.integers(2, 4), dimension=st.sampled_from([2, 3, 4, 8]))
def test_the_witness_is_a_channel_that_flips_at_the_certified_infidelity(seed, classes, dimension):
    observables, states, y = cases(seed, classes, dimension)
    near = nearest_channels(observables, states, y)
    torch.testing.assert_close(near.lower, near.upper, rtol=1e-8, atol=1e-11)
    scores = near.scores(observables)
    for row in near.upper.isfinite().nonzero()[:, 0].tolist():
        operators = channel_operators(states[row], near.kept[row], near.filled[row])
        one = torch.eye(dimension).cdouble()
        torch.testing.assert_close((operators.mH @ operators).sum(0), one, rtol=0, atol=1e-10)
        assert average_infidelity(operators) == pytest.approx(float(near.upper[row]), abs=1e-9)
        sigma = output(operators, states[row])
        torch.testing.assert_close(torch.einsum("kij,ji->k", observables, sigma).real, scores[row], rtol=0, atol=1e-9)
        assert int((scores[row] >= scores[row, y[row]]).sum()) > 1


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), dimension=st.sampled_from([2, 4]))
def test_no_random_channel_flips_below_the_certificate(seed, dimension):
    observables, states, y = cases(seed, 2, dimension, batch=1)
    near = nearest_channels(observables, states, y)
    for strength in (0.05, 0.3, 1.0):
        noise = torch.randn(3 * dimension, dimension, generator=seeded(seed + 2), dtype=torch.complex128)
        noise[:dimension] += torch.eye(dimension) / strength
        isometry, _ = torch.linalg.qr(noise)
        operators = isometry.reshape(3, dimension, dimension)
        scores = torch.einsum("kij,ji->k", observables, output(operators, states[0])).real
        if int(scores.argmax()) != int(y[0]):
            assert average_infidelity(operators) >= float(near.lower[0]) - 1e-12


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Solution may be inaccurate:UserWarning")
@pytest.mark.parametrize("dimension", [2, 3, 4])
def test_it_is_the_optimum_of_the_semidefinite_programme(dimension):
    cp = pytest.importorskip("cvxpy")
    kinds = set()
    for seed in range(4):
        observables, states, y = cases(10 * seed, 2, dimension, batch=1)
        if seed % 2 == 0:
            # A small margin calls for a rotation.
            scores = torch.einsum("bi,kij,bj->k", states.conj(), observables, states).real
            observables[y[0]] -= 0.9 * (scores[y[0]] - scores[1 - y[0]]) * torch.eye(dimension)
        else:
            # A lowest eigenvalue barely below zero calls for replacement rather than rotation.
            lowest = torch.linalg.eigvalsh(observables[y[0]] - observables[1 - y[0]])[0]
            observables[y[0]] += (-lowest - 0.05 * lowest.abs()) * torch.eye(dimension)
        near = nearest_channels(observables, states, y)
        form, psi = (observables[y[0]] - observables[1 - y[0]]).numpy(), states[0].numpy()
        choi = cp.Variable((dimension**2, dimension**2), hermitian=True)
        entangled = np.eye(dimension).reshape(-1)
        constraints = [
            choi >> 0,
            cp.partial_trace(choi, (dimension, dimension), axis=1) == np.eye(dimension),
            cp.real(cp.trace(choi @ np.kron(np.outer(psi, psi.conj()).T, form))) <= 0,
        ]
        problem = cp.Problem(cp.Maximize(cp.real(entangled @ choi @ entangled) / dimension**2), constraints)
        problem.solve(solver="CLARABEL")
        assert float(near.upper[0]) == pytest.approx(dimension / (dimension + 1) * (1 - problem.value), abs=2e-6)
        kinds.add(bool(near.kept[0].norm() > 1 - 1e-9))
    assert kinds == {True, False}


def test_small_angles_are_a_rotation_and_cost_twice_its_cosine():
    bit = torch.diag_embed(torch.eye(2)).cdouble()
    p = 0.6
    psi = torch.tensor([[p**0.5, (1 - p) ** 0.5]]).cdouble()
    near = nearest_channels(bit, psi, torch.tensor([0]))
    infidelity = nearest_states(bit, psi, torch.tensor([0])).lower
    # sqrt(F_e) = cos θ*.
    torch.testing.assert_close(near.lower, 2 / 3 * infidelity, rtol=1e-9, atol=0)


def test_an_eigenstate_is_measured_and_replaced():
    # m = 1, lowest -1/4: n² = 1/(1 + 4) of the weight stays, f = 1 - n.
    bit = torch.stack([torch.diag(torch.tensor([1.0, -0.25, 0.5])), torch.zeros(3, 3)]).cdouble()
    near = nearest_channels(bit, torch.eye(3)[:1].cdouble(), torch.tensor([0]))
    share = (1 - 0.2**0.5) / 3
    assert float(near.upper[0]) == pytest.approx(3 / 4 * share * (2 - share), abs=1e-9)
    assert float(near.kept[0].norm()) == pytest.approx(0.2**0.5, abs=1e-9)
    assert float(near.filled[0, 1].abs()) == 1


def test_what_is_lost_has_distance_zero_and_what_cannot_flip_an_infinite_one():
    bit = torch.diag_embed(torch.eye(2)).cdouble()
    states = torch.tensor([[0.6, 0.8], [0.5**0.5, 0.5**0.5]]).cdouble()
    assert nearest_channels(bit, states, torch.tensor([0, 0])).lower[0] == 0
    positive = torch.stack([torch.diag(torch.tensor([2.0, 1.0])), torch.zeros(2, 2)]).cdouble()
    never = nearest_channels(positive, states, torch.tensor([0, 0]))
    assert bool(never.lower.isinf().all() and never.upper.isinf().all())


def test_mixed_states_are_refused():
    rho = random_mixed(seeded(0), 2, 4, 2)
    with pytest.raises(InputError, match="give pure states"):
        nearest_channels(random_observables(seeded(1), 2, 4), rho, torch.tensor([0, 0]))
