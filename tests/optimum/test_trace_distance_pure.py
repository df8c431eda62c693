"""The saddle of two numbers against half margins, the semidefinite programme, and pure attack states."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterspin.optimum import (
    nearest_in_trace_distance,
    nearest_states,
    state_scores,
    trace_distance,
    trace_distance_bounds,
)
from counterspin.optimum.trace_distance_pure import pure_state_trace_distances
from tests.support.random_states import random_observables, random_projectors, random_pure


def cases(seed, classes, dimension, batch=5, projective=False):
    generator = torch.Generator().manual_seed(seed)
    build = random_projectors if projective else random_observables
    observables, states = build(generator, classes, dimension), random_pure(generator, batch, dimension)
    return observables, states, state_scores(observables, states).argmax(dim=1)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), classes=st.integers(2, 3), dimension=st.sampled_from([2, 3, 4, 8, 16]))
def test_the_bracket_closes_on_a_state_that_flips(seed, classes, dimension):
    observables, states, y = cases(seed, classes, dimension)
    found = pure_state_trace_distances(observables, states, y)
    flips = found.upper.isfinite()
    torch.testing.assert_close(found.lower[flips], found.upper[flips], rtol=0, atol=1e-6)
    assert bool((found.lower <= found.upper + 1e-12).all())
    assert float(torch.linalg.eigvalsh(found.states).min()) > -1e-10
    torch.testing.assert_close(
        found.states.diagonal(dim1=1, dim2=2).sum(1), torch.ones(5).cdouble(), rtol=0, atol=1e-10
    )
    rho = states[:, :, None] * states[:, None, :].conj()
    torch.testing.assert_close(trace_distance(rho, found.states)[flips], found.upper[flips], rtol=0, atol=1e-12)
    scores = state_scores(observables, found.states)
    own = scores.gather(1, y[:, None])[:, 0]
    assert bool((own <= scores.scatter(1, y[:, None], -torch.inf).amax(1))[flips].all())
    # No dearer than a pure state, no cheaper than the margin over the spread.
    assert bool((found.upper <= nearest_states(observables, states, y).upper.sqrt() + 1e-9).all())
    assert bool((found.lower >= trace_distance_bounds(observables, states, y).lower - 1e-12).all())


def test_a_projective_bit_needs_half_the_margin():
    observables, states, y = cases(0, 2, 16, projective=True)
    scores = state_scores(observables, states)
    found = pure_state_trace_distances(observables, states, y)
    half = (scores[:, 0] - scores[:, 1]).abs() / 2
    torch.testing.assert_close(found.lower, half, rtol=0, atol=1e-9)
    torch.testing.assert_close(found.upper, half, rtol=0, atol=1e-9)


def test_misclassified_states_have_distance_zero():
    observables, states, y = cases(1, 2, 4)
    wrong = pure_state_trace_distances(observables, states, 1 - y)
    assert bool((wrong.lower == 0).all() and (wrong.upper == 0).all())


@pytest.mark.slow
@pytest.mark.parametrize("dimension", [2, 3, 4, 8])
def test_it_is_the_optimum_of_the_semidefinite_programme(dimension):
    pytest.importorskip("cvxpy")
    observables, states, y = cases(dimension, 2, dimension, batch=4)
    found = pure_state_trace_distances(observables, states, y)
    solved = nearest_in_trace_distance(observables, states, y)
    assert bool((found.lower <= solved.upper + 1e-9).all())
    assert bool((found.upper >= solved.lower - 1e-9).all())
    flips = found.upper.isfinite()
    torch.testing.assert_close(found.upper[flips], solved.upper[flips], rtol=0, atol=1e-6)
