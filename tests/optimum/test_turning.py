"""Angles to the nearest losing state: tabulated values, the exact fidelity of pure and mixed states, rounding."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterspin.optimum.states import nearest_states
from counterspin.optimum.turning import angle_from_margin, angle_from_weights

# p_A, theta*: noiseless projective readout of two classes.
TABLE = [(0.95, 0.559885), (0.9, 0.463648), (0.8, 0.321751), (0.6, 0.100679), (1.0, 0.785398)]
Z = torch.tensor([1.0, -1.0], dtype=torch.float64)


@pytest.mark.parametrize(("p", "theta"), TABLE)
def test_tabulated_values(p, theta):
    weights = torch.tensor([[p, 1 - p]], dtype=torch.float64)
    margin, low, high = torch.tensor([2 * p - 1, -1.0, 1.0], dtype=torch.float64)
    for found in (angle_from_weights(Z, weights).item(), angle_from_margin(margin, low, high).item()):
        assert found == pytest.approx(theta, abs=1e-6)
        assert found == pytest.approx(math.asin(2 * p - 1) / 2, rel=1e-9, abs=1e-7 if p == 1 else 0)
        assert found <= math.asin(2 * p - 1) / 2


def random_case(seed: int, dimension: int, rows: int, rank: int):
    generator = torch.Generator().manual_seed(seed)
    a = torch.randn(dimension, dimension, dtype=torch.complex128, generator=generator)
    a = a + a.mH + 0.5 * torch.randn((), generator=generator) * torch.eye(dimension)
    factors = torch.randn(rows, dimension, rank, dtype=torch.complex128, generator=generator)
    rho = factors @ factors.mH
    return a, rho / rho.diagonal(dim1=1, dim2=2).sum(dim=1).real[:, None, None]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), dimension=st.integers(2, 8), rank=st.integers(1, 3))
def test_agrees_with_the_nearest_states(seed, dimension, rank):
    # The solver of the state certificates: density matrices and witnesses, another way to the same number.
    a, rho = random_case(seed, dimension, 6, rank)
    eigenvalues, vectors = torch.linalg.eigh(a)
    weights = ((vectors.mH @ rho) * vectors.mT).sum(dim=2).real.clamp(min=0)
    found = angle_from_weights(eigenvalues, weights, mixed=True)
    near = nearest_states(torch.stack([a, torch.zeros_like(a)]), rho, torch.zeros(6, dtype=torch.int64))
    expected = near.upper.clamp(max=1).sqrt().asin()
    finite = torch.isfinite(near.upper)
    assert bool((found <= expected * (1 + 1e-9) + 1e-12)[finite].all())
    assert torch.equal(torch.isinf(found), ~finite)
    torch.testing.assert_close(found[finite], expected[finite], rtol=1e-5, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), dimension=st.integers(2, 8))
def test_margin_alone_gives_less(seed, dimension):
    a, rho = random_case(seed, dimension, 6, 1)
    eigenvalues, vectors = torch.linalg.eigh(a)
    weights = ((vectors.mH @ rho) * vectors.mT).sum(dim=2).real.clamp(min=0)
    margin = weights @ eigenvalues
    bound = angle_from_margin(margin, eigenvalues[0].expand(6), eigenvalues[-1].expand(6))
    exact = angle_from_weights(eigenvalues, weights)
    standing = margin > 0
    assert bool((bound <= exact + 1e-9)[standing].all())
    assert bool((bound[standing] > 0).all() | torch.isinf(bound[standing]).any())


def test_two_eigenvalues_leave_nothing_between():
    # Any observable of two eigenvalues: the margin decides everything, balanced or not.
    eigenvalues = torch.tensor([-0.4, -0.4, 1.6], dtype=torch.float64)
    weights = torch.tensor([[0.3, 0.2, 0.5], [0.0, 0.7, 0.3]], dtype=torch.float64)
    low, high = eigenvalues[0].expand(2), eigenvalues[2].expand(2)
    found = angle_from_margin(weights @ eigenvalues, low, high)
    torch.testing.assert_close(found, angle_from_weights(eigenvalues, weights), rtol=1e-9, atol=1e-12)


def test_what_cannot_lose_has_no_angle():
    weights = torch.tensor([[0.5, 0.5]], dtype=torch.float64)
    assert angle_from_weights(torch.tensor([0.1, 2.0]).double(), weights).item() == math.inf
    m, low, high = torch.tensor([1.0, 0.1, 2.0]).double()
    assert angle_from_margin(m, low, high).item() == math.inf


def test_losers_have_angle_zero():
    assert angle_from_weights(Z, torch.tensor([[0.4, 0.6], [0.5, 0.5]]).double()).tolist() == [0, 0]
    low, high = -torch.ones(2).double(), torch.ones(2).double()
    assert angle_from_margin(torch.tensor([-0.2, 0.0]).double(), low, high).tolist() == [0, 0]
