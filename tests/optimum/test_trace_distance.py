"""Trace distances: the table, the nearest mixed state by SLSQP, the dual bound, and the missing extra."""

import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_states import random_mixed, random_observables, random_projectors, random_pure
from scipy.optimize import minimize

from counterspin.errors import ConditionsError, InputError, MissingExtraError
from counterspin.optimum.states import nearest_states, state_scores
from counterspin.optimum.trace_distance import pure_trace_distance, trace_distance, trace_distance_bounds
from counterspin.optimum.trace_distance_sdp import nearest_in_trace_distance

# p_A, T of a pure adversary, T of a mixed one: noiseless projective measurement of two classes.
TABLE = [(0.95, 0.531089, 0.45), (0.9, 0.447214, 0.4), (0.8, 0.316228, 0.3), (0.6, 0.100509, 0.1), (1.0, 0.707107, 0.5)]


def _problem(seed: int, classes: int, dimension: int, batch: int, rank: int = 0, *, real: bool = False):
    generator = torch.Generator().manual_seed(seed)
    m = random_observables(generator, classes, dimension, real=real)
    if rank:
        states = random_mixed(generator, batch, dimension, rank, real=real)
    else:
        states = random_pure(generator, batch, dimension, real=real)
    return m, states, state_scores(m, states).argmax(dim=1)


def _density(states):
    return states if states.ndim == 3 else states[:, :, None] * states[:, None, :].conj()


def _flipped(m, found, y):
    scores = state_scores(m, found.states)
    return scores.gather(1, y[:, None])[:, 0] <= scores.scatter(1, y[:, None], -torch.inf).amax(dim=1)


@pytest.mark.parametrize(("p", "pure", "mixed"), TABLE)
@pytest.mark.parametrize("half", [1, 4])
def test_tabulated_values(p, pure, mixed, half):
    m = torch.diag_embed(torch.eye(2).repeat_interleave(half, dim=1)).cdouble()
    psi = torch.zeros(1, 2 * half, dtype=torch.complex128)
    psi[0, 0], psi[0, half] = p**0.5, (1 - p) ** 0.5
    y = torch.tensor([0])
    assert pure_trace_distance(nearest_states(m, psi, y).lower).item() == pytest.approx(pure, abs=5e-7)
    found = trace_distance_bounds(m, psi, y)
    assert found.lower.item() == pytest.approx(mixed, abs=1e-11)
    assert found.upper.item() == pytest.approx(mixed, abs=1e-11)


@pytest.mark.parametrize("rank", [0, 1, 2, 4])
def test_half_the_margin_for_projective_measurements_of_two_classes(rank):
    generator = torch.Generator().manual_seed(rank)
    m = random_projectors(generator, 2, 4)
    states = random_mixed(generator, 20, 4, rank) if rank else random_pure(generator, 20, 4)
    p = state_scores(m, states)
    y = p.argmax(dim=1)
    found = trace_distance_bounds(m, states, y)
    expected = (p.amax(dim=1) - p.amin(dim=1)) / 2
    torch.testing.assert_close(found.lower, expected, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(found.upper, expected, rtol=1e-9, atol=1e-12)
    assert bool(_flipped(m, found, y).all())
    assert float(torch.linalg.eigvalsh(found.states).min()) > -1e-14


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), classes=st.integers(2, 4), qubits=st.integers(1, 3), rank=st.integers(0, 3))
def test_bracket_holds_and_attacks_are_states_that_flip(seed, classes, qubits, rank):
    m, states, y = _problem(seed, classes, 2**qubits, 6, min(rank, 2**qubits))
    found = trace_distance_bounds(m, states, y)
    finite = torch.isfinite(found.upper)
    assert bool((found.lower <= found.upper + 1e-15).all())
    assert bool(_flipped(m, found, y)[finite].all())
    assert float(torch.linalg.eigvalsh(found.states).min()) > -1e-13
    torch.testing.assert_close(trace_distance(_density(states), found.states)[finite], found.upper[finite])
    if not rank:
        pure = pure_trace_distance(nearest_states(m, states, y).upper)
        assert bool((found.upper <= pure * (1 + 1e-9) + 1e-12).all())


def _slsqp(m: np.ndarray, rho: np.ndarray, y: int, rng) -> float:
    """Nearest flip by SLSQP over sigma = R R^† / Tr, on the trace norm itself."""
    d, best = len(rho), np.inf

    def sigma(v):
        root = v[: d * d].reshape(d, d) + 1j * v[d * d :].reshape(d, d)
        out = root @ root.conj().T
        return out / np.trace(out).real

    for j in set(range(len(m))) - {y}:
        a = m[y] - m[j]
        for _ in range(2):
            found = minimize(
                lambda v: 0.5 * np.abs(np.linalg.eigvalsh(rho - sigma(v))).sum(),
                rng.normal(size=2 * d * d),
                constraints={"type": "ineq", "fun": lambda v, a=a: -np.trace(a @ sigma(v)).real},
                method="SLSQP",
                options={"ftol": 1e-10, "maxiter": 200},
            )
            if np.trace(a @ sigma(found.x)).real <= 1e-9:
                best = min(best, found.fun)
    return best


@pytest.mark.parametrize("rank", [0, 2])
def test_programme_equals_slsqp(rank):
    pytest.importorskip("cvxpy")
    m, states, y = _problem(1, 3, 2, 2, rank)
    found = nearest_in_trace_distance(m, states, y)
    rng = np.random.default_rng(0)
    for i, rho in enumerate(_density(states).numpy()):
        expected = _slsqp(m.numpy(), rho, int(y[i]), rng)
        assert expected >= found.lower[i].item() - 1e-8
        assert found.upper[i].item() == pytest.approx(expected, abs=1e-4)


@pytest.mark.one_fast
@pytest.mark.parametrize("real", [False, True])
@pytest.mark.parametrize(("classes", "dimension", "rank"), [(2, 4, 0), (2, 4, 2), (3, 4, 0), (3, 8, 3)])
def test_programme_closes_the_bracket(classes, dimension, rank, real):
    pytest.importorskip("cvxpy")
    m, states, y = _problem(classes + rank, classes, dimension, 4, rank, real=real)
    start, found = trace_distance_bounds(m, states, y), nearest_in_trace_distance(m, states, y)
    assert bool((found.upper - found.lower <= 1e-6).all())
    assert bool((start.lower <= found.lower + 1e-15).all())
    assert bool((found.upper <= start.upper).all())
    assert bool((start.upper - start.lower > 1e-3).any())
    assert bool(_flipped(m, found, y).all())
    assert float(torch.linalg.eigvalsh(found.states).min()) > -1e-13


def test_programme_agrees_with_the_closed_form_of_a_projective_bit():
    pytest.importorskip("cvxpy")
    m, psi = torch.diag_embed(torch.eye(2)).cdouble(), torch.tensor([[0.8**0.5, 0.2**0.5]]).cdouble()
    found = nearest_in_trace_distance(m, psi, torch.tensor([0]))
    assert found.lower.item() == pytest.approx(0.3, abs=1e-6)
    assert found.upper.item() == pytest.approx(0.3, abs=1e-6)


@pytest.mark.parametrize("solve", [trace_distance_bounds, nearest_in_trace_distance])
def test_lost_states_and_pairs_that_cannot_flip(solve):
    if solve is nearest_in_trace_distance:
        pytest.importorskip("cvxpy")
    m = torch.diag_embed(torch.tensor([[1.0, 2.0], [0.5, 0.5]])).cdouble()
    never = solve(m, torch.eye(2).cdouble(), torch.tensor([0, 0]))
    assert torch.isinf(never.lower).all()
    assert torch.isinf(never.upper).all()
    lost = solve(m, torch.eye(2).cdouble(), torch.tensor([1, 1]))
    assert lost.lower.tolist() == lost.upper.tolist() == [0.0, 0.0]


def test_a_solver_that_fails_leaves_the_closed_bound(monkeypatch):
    cvxpy = pytest.importorskip("cvxpy")

    def fail(*_, **__):
        raise cvxpy.error.SolverError

    monkeypatch.setattr(cvxpy.Problem, "solve", fail)
    m, psi, y = _problem(3, 3, 4, 5)
    found, start = nearest_in_trace_distance(m, psi, y), trace_distance_bounds(m, psi, y)
    assert torch.equal(found.lower, start.lower)
    assert bool((found.upper <= start.upper).all())
    assert bool(_flipped(m, found, y).all())


@pytest.mark.parametrize("module", ["cvxpy", "clarabel"])
def test_the_extra_is_named(monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    m, psi, y = _problem(0, 2, 2, 1)
    with pytest.raises(MissingExtraError, match=r"pip install counterspin\[sdp\]"):
        nearest_in_trace_distance(m, psi, y)


def test_refusals():
    m, psi, y = _problem(0, 2, 2, 1)
    with pytest.raises(InputError, match="not normalised"):
        trace_distance_bounds(m, 2 * psi, y)
    pytest.importorskip("cvxpy")
    m, psi, y = _problem(0, 2, 32, 1)
    with pytest.raises(ConditionsError, match="takes at most 16"):
        nearest_in_trace_distance(m, psi, y)
