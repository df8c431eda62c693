"""C10: brute force over pairs of states, attained equality, every subset, and the decision."""

from itertools import chain, combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_states import random_mixed, random_projectors, random_pure

from counterspin.certificates.states import global_bound
from counterspin.errors import ConditionsError, InputError
from counterspin.optimum.states import state_scores
from counterspin.optimum.trace_distance import trace_distance


def _povm(seed: int, classes: int, dimension: int, *, complete: bool = True) -> torch.Tensor:
    """Random positive operators that sum to 1, or to less."""
    generator = torch.Generator().manual_seed(seed)
    m = random_mixed(generator, classes + (0 if complete else 1), dimension, dimension)
    values, vectors = torch.linalg.eigh(m.sum(dim=0))
    root = (vectors / values.sqrt()) @ vectors.mH
    return ((root @ m @ root) * (1 - 1e-12))[:classes]


def _total_variation(m: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
    """Between consecutive pairs, with the outcomes of no class as one more."""
    p = state_scores(m, states)
    p = torch.cat([p, 1 - p.sum(dim=1, keepdim=True)], dim=1)
    return (p[0::2] - p[1::2]).abs().sum(dim=1) / 2


def _reference(m: np.ndarray) -> float:
    every = chain.from_iterable(combinations(range(len(m)), size) for size in range(1, len(m) + 1))
    return max(float(np.ptp(np.linalg.eigvalsh(m[list(s)].sum(axis=0)))) for s in every)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), classes=st.integers(2, 5), dimension=st.integers(2, 6), complete=st.booleans())
def test_no_pair_of_states_is_told_apart_better(seed, classes, dimension, complete):
    m = _povm(seed, classes, dimension, complete=complete)
    bound = global_bound(m)
    assert bound.upper == pytest.approx(_reference(m.numpy()), abs=1e-10)
    assert 0 <= bound.upper - bound.lower < 1e-11
    generator = torch.Generator().manual_seed(seed)
    for rank in (1, 2):
        rho = random_mixed(generator, 400, dimension, rank)
        assert bool((_total_variation(m, rho) <= bound.upper * trace_distance(rho[0::2], rho[1::2]) + 1e-12).all())


@pytest.mark.parametrize("seed", range(4))
def test_equality_is_attained_at_every_distance(seed):
    m = _povm(seed, 4, 4)
    bound = global_bound(m)
    outer = bound.states[:, :, None] * bound.states[:, None, :].conj()
    middle = (outer[0] + outer[1]) / 2
    for eps in (0.01, 0.4, 1.0):
        pair = torch.stack([middle + s * eps / 2 * (outer[0] - outer[1]) for s in (1, -1)])
        assert trace_distance(pair[0], pair[1]).item() == pytest.approx(eps, abs=1e-12)
        assert _total_variation(m, pair).item() == pytest.approx(eps * bound.lower, abs=1e-11)
        assert bound.holds(eps, min(1.0, eps * bound.upper + 1e-9)) is True
        assert bound.holds(eps, eps * bound.lower - 1e-9) is False


def test_one_class_alone_may_not_be_enough():
    # Four trine-like rank-one operators: pairs spread wider than any of them.
    m = _povm(3, 6, 2)
    bound = global_bound(m)
    assert len(bound.outcomes) > 1
    singles = torch.linalg.eigvalsh(m)
    assert bound.lower > float((singles[:, -1] - singles[:, 0]).max()) + 1e-3


@pytest.mark.parametrize("classes", [2, 10, 16])
def test_a_projective_measurement_tells_everything_apart(classes):
    m = random_projectors(torch.Generator().manual_seed(0), classes, 16)
    bound = global_bound(m)
    assert bound.upper == 1.0
    assert bound.lower == pytest.approx(1, abs=1e-12)
    assert bound.holds(0.3, 0.3) is True
    assert bound.holds(0.3, 0.29) is False


def test_global_depolarising_multiplies():
    m, p = _povm(1, 3, 4), 0.3
    traces = m.diagonal(dim1=1, dim2=2).sum(dim=1)
    noisy = (1 - p) * m + p * traces[:, None, None] * torch.eye(4) / 4
    assert global_bound(noisy).upper == pytest.approx(0.7 * global_bound(m).upper, abs=1e-11)
    assert global_bound(m, depolarizing=p).upper == pytest.approx(global_bound(noisy).upper, abs=1e-11)
    assert global_bound(m, depolarizing=1.0).holds(1.0, 0.0) is True


def test_many_classes_are_bounded():
    m = _povm(2, 13, 3)
    bound = global_bound(m)
    assert bound.lower < _reference(m.numpy()) <= bound.upper
    assert bound.holds(0.5, 0.5 * _reference(m.numpy())) is None
    psi = random_pure(torch.Generator().manual_seed(0), 400, 3)
    outer = psi[:, :, None] * psi[:, None, :].conj()
    assert bool((_total_variation(m, outer) <= bound.upper * trace_distance(outer[0::2], outer[1::2])).all())


BIT = torch.diag_embed(torch.eye(2)).cdouble()


@pytest.mark.parametrize(
    ("observables", "options", "error", "message"),
    [
        (3 * BIT, {}, ConditionsError, "no measurement|sum to at most 3"),
        (BIT - 0.5 * torch.eye(2), {}, ConditionsError, "eigenvalues from -0.5"),
        (BIT, {"depolarizing": 1.2}, ConditionsError, "depolarizing is 1.2"),
        (BIT + torch.tensor([[0, 1e-3], [0, 0]]), {}, InputError, "not Hermitian"),
    ],
)
def test_refusals(observables, options, error, message):
    with pytest.raises(error, match=message):
        global_bound(observables, **options)


@pytest.mark.parametrize(("eps", "delta"), [(-0.1, 0.5), (0.5, 1.5), (float("nan"), 0.1)])
def test_decisions_outside_the_ranges_are_refused(eps, delta):
    with pytest.raises(InputError, match="lie between 0 and 1"):
        global_bound(BIT).holds(eps, delta)
