"""Signed sums: exact where they say so, never below the maximum elsewhere, and no local search."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterspin.errors import UsageError
from counterspin.optimum.signed_sums import merged, semidefinite_bound, signed_sum_bound, signed_sums

NORMS = ["linf", "l2", "l1"]
DUAL = {"linf": 1, "l2": 2, "l1": np.inf}


def maximum(v: np.ndarray, norm: str) -> float:
    """Independent of the code: all signs, numpy."""
    signs = np.array(list(itertools.product([-1, 1], repeat=len(v))))
    return float(np.linalg.norm(signs @ v, ord=DUAL[norm], axis=1).max())


def local_search(v: np.ndarray, norm: str) -> float:
    """Signs flipped one at a time from a start, as long as that helps: below the maximum, so no certificate."""
    signs = np.ones(len(v))
    value = np.linalg.norm(signs @ v, ord=DUAL[norm])
    while True:
        flipped = signs * (1 - 2 * np.eye(len(v)))
        values = np.linalg.norm(flipped @ v, ord=DUAL[norm], axis=1)
        if values.max() <= value + 1e-12:
            return float(value)
        signs, value = flipped[values.argmax()], values.max()


def random_vectors(seed: int, n: int, d: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d))


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("seed", range(4))
def test_enumeration_is_the_maximum(norm, seed):
    v = random_vectors(seed, 9, 4)
    found = signed_sum_bound(torch.tensor(v), norm)
    assert found.exact
    assert found.bound == pytest.approx(maximum(v, norm), rel=1e-11)
    assert found.bound >= maximum(v, norm)
    assert found.method == ("closed form" if norm == "l1" else "enumeration")


@pytest.mark.parametrize("norm", NORMS)
def test_one_feature_per_gate_has_a_closed_form(norm):
    # 12 layers of 3 features: 36 gates, far too many for enumeration; S_i = sum of the slopes of feature i.
    slopes = torch.linspace(-1, 2, 36).double().reshape(12, 3)
    vectors = torch.diag_embed(slopes).reshape(36, 3)
    expected = torch.linalg.vector_norm(slopes.abs().sum(dim=0), ord=DUAL[norm]).item()
    found = signed_sum_bound(vectors, norm)
    assert (found.exact, found.method) == (True, "closed form")
    assert found.bound == pytest.approx(expected, rel=1e-11)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 11), d=st.integers(1, 6), norm=st.sampled_from(["linf", "l2"]))
def test_semidefinite_dual_is_never_below_the_maximum(seed, n, d, norm):
    v = random_vectors(seed, n, d)
    bound, exact = semidefinite_bound(torch.tensor(v), norm), maximum(v, norm)
    assert bound >= exact * (1 - 1e-12)
    assert bound <= {"l2": 1.26, "linf": 1.79}[norm] * exact  # the most that the relaxation may lose
    assert bound <= np.linalg.norm(v, ord=DUAL[norm], axis=1).sum() * (1 + 1e-6)


@pytest.mark.parametrize("norm", NORMS)
def test_many_vectors_are_bounded_from_above(norm):
    v = random_vectors(1, 60, 30)
    found = signed_sum_bound(torch.tensor(v), norm)
    best = max(local_search(v * np.random.default_rng(k).choice([-1, 1], (60, 1)), norm) for k in range(20))
    simple = np.linalg.norm(np.abs(v).sum(axis=0), ord=DUAL[norm])
    assert best <= found.bound * (1 + 1e-12)
    assert found.bound <= simple * (1 + 1e-10)
    if norm != "l1":
        assert not found.exact
        assert found.bound < 0.5 * simple


def test_local_search_understates_and_is_not_used():
    understated = 0
    for seed in range(30):
        v = random_vectors(seed, 8, 5)
        exact = maximum(v, "l2")
        understated += local_search(v, "l2") < exact * (1 - 1e-6)
        assert signed_sum_bound(torch.tensor(v), "l2").bound >= exact
    assert understated > 0


def test_parallel_vectors_are_added_up():
    base = torch.tensor([[1.0, 2.0, 0.5], [0.0, 1.0, -1.0]]).double()
    vectors = torch.cat([base, -0.3 * base, 7 * base[:1], torch.zeros(2, 3).double()])
    kept = merged(vectors)
    torch.testing.assert_close(kept, base * torch.tensor([[8.3], [1.3]]).double())
    for norm in NORMS:
        assert signed_sum_bound(vectors, norm).bound == pytest.approx(maximum(vectors.numpy(), norm), rel=1e-11)


@pytest.mark.parametrize("norm", NORMS)
def test_batches_of_few_vectors(norm):
    v = np.stack([random_vectors(seed, 6, 4) for seed in range(5)])
    found = signed_sums(torch.tensor(v), norm)
    expected = torch.tensor([maximum(row, norm) for row in v], dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=0)
    assert bool((found >= expected).all())


@pytest.mark.parametrize("norm", NORMS)
def test_nothing_moves(norm):
    for vectors in (torch.zeros(3, 4), torch.zeros(0, 4)):
        assert signed_sum_bound(vectors.double(), norm).bound == 0
    assert semidefinite_bound(torch.zeros(3, 4).double(), "l2") == 0


def test_other_norms_are_refused():
    with pytest.raises(UsageError, match="norm is 'l0'"):
        signed_sum_bound(torch.eye(2).double(), "l0")
