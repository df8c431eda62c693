"""Nearest states against tables, SLSQP over purifications, the fidelity itself, and the refusals."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_states import random_mixed, random_observables, random_projectors, random_pure, slsqp_infidelity
from scipy.linalg import sqrtm

from counterspin.certificates import guan_infidelity
from counterspin.errors import InputError
from counterspin.optimum import nearest_flips
from counterspin.optimum.states import nearest_states, state_scores

seeds = st.integers(0, 10**6)
# p_A, theta*, infidelity, T of a pure adversary: noiseless projective measurement of two classes.
TABLE = [
    (0.95, 0.559885, 0.282055, 0.531089),
    (0.9, 0.463648, 0.2, 0.447214),
    (0.8, 0.321751, 0.1, 0.316228),
    (0.6, 0.100679, 0.010102, 0.100509),
    (1.0, 0.785398, 0.5, 0.707107),
]


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _problem(seed: int, classes: int, dimension: int, batch: int, *, rank: int = 0, real: bool = False):
    """Random observables, states (mixed of `rank`, pure where it is 0) and the classes they win."""
    generator = _generator(seed)
    m = random_observables(generator, classes, dimension, real=real)
    if rank:
        states = random_mixed(generator, batch, dimension, rank, real=real)
    else:
        states = random_pure(generator, batch, dimension, real=real)
    return m, states, state_scores(m, states).argmax(dim=1)


def _uhlmann(rho: np.ndarray, sigma: np.ndarray) -> float:
    # From eigenvalues of rho sigma: neither root is formed.
    values = np.linalg.eigvals(rho @ sigma).real.clip(min=0)
    return float(np.sqrt(values).sum() ** 2)


def _flipped(m, near, y):
    scores = state_scores(m, near.states)
    own = scores.gather(1, y[:, None])[:, 0]
    return own <= scores.scatter(1, y[:, None], -torch.inf).amax(dim=1)


@pytest.mark.parametrize(("p", "theta", "infidelity", "sine"), TABLE)
@pytest.mark.parametrize("half", [1, 4])
def test_tabulated_values(p, theta, infidelity, sine, half):
    m = torch.diag_embed(torch.eye(2).repeat_interleave(half, dim=1)).cdouble()
    psi = torch.zeros(1, 2 * half, dtype=torch.complex128)
    psi[0, 0], psi[0, half] = p**0.5, 1j * (1 - p) ** 0.5
    near = nearest_states(m, psi, torch.tensor([0]))
    for found in (near.lower.item(), near.upper.item()):
        assert found == pytest.approx(infidelity, abs=5e-7)
        assert math.asin(math.sqrt(found)) == pytest.approx(theta, abs=5e-7)
        assert math.sqrt(found) == pytest.approx(sine, abs=5e-7)
        assert found == pytest.approx((1 - math.sqrt(1 - (2 * p - 1) ** 2)) / 2, abs=1e-12)


@pytest.mark.parametrize("half", [1, 64])
def test_lower_never_passes_the_closed_form(half):
    # psi at angle alpha from the first half of the space is sin^2(pi/4 - alpha) away; down to 1e-9 from the boundary.
    gaps = torch.logspace(-9, 0, 400, dtype=torch.float64)[:-50]
    alpha = torch.pi / 4 - gaps
    m = torch.diag_embed(torch.eye(2).repeat_interleave(half, dim=1)).cdouble()
    psi = torch.zeros(len(alpha), 2 * half, dtype=torch.complex128)
    psi[:, 0], psi[:, half] = alpha.cos().cdouble(), 1j * alpha.sin()
    near = nearest_states(m, psi, torch.zeros(len(alpha), dtype=torch.int64))
    roots = gaps.sin()
    assert bool((near.lower.sqrt() <= roots + 2e-16).all())
    assert bool((near.upper.sqrt() >= roots - 1e-15).all())
    torch.testing.assert_close(near.lower.sqrt(), roots, rtol=0, atol=2e-12)


@pytest.mark.parametrize("classes", [2, 4])
def test_feature_distance_and_state_fidelity_are_one_computation(classes):
    m, psi, y = _problem(classes, classes, 8, 20, real=True)
    x = 3.0 * psi.real
    flips = nearest_flips(m.real.contiguous(), x, y)
    near = nearest_states(m, psi, y, real=True)
    torch.testing.assert_close(3.0 * near.lower.sqrt(), flips.lower, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(3.0 * near.upper.sqrt(), flips.upper, rtol=1e-9, atol=1e-12)


@pytest.mark.one_fast
@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("dimension", [8, 16])
def test_equals_the_probability_bound_on_projective_measurements(classes, dimension):
    generator = _generator(classes)
    m = random_projectors(generator, classes, dimension)
    psi = random_pure(generator, 40, dimension)
    p = state_scores(m, psi)
    y = p.argmax(dim=1)
    near = nearest_states(m, psi, y)
    clear = p.sort(dim=1, descending=True).values.diff(dim=1)[:, 0] < -1e-3
    bound = guan_infidelity(p, y)[clear]
    torch.testing.assert_close(near.lower[clear], bound, rtol=1e-9, atol=0)
    torch.testing.assert_close(near.upper[clear], bound, rtol=1e-9, atol=0)
    assert torch.equal(near.rival, p.scatter(1, y[:, None], -1.0).argmax(dim=1))


@pytest.mark.parametrize("rank", [1, 3])
def test_probability_bound_is_exact_for_mixed_states_too(rank):
    generator = _generator(rank)
    m = random_projectors(generator, 3, 6)
    rho = random_mixed(generator, 20, 6, rank)
    p = state_scores(m, rho)
    y = p.argmax(dim=1)
    near = nearest_states(m, rho, y)
    torch.testing.assert_close(near.lower, guan_infidelity(p, y), rtol=1e-6, atol=1e-12)
    torch.testing.assert_close(near.upper, guan_infidelity(p, y), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize(("classes", "dimension"), [(2, 4), (3, 8)])
def test_dual_of_the_largest_fidelity(classes, dimension):
    # F* = min over the multiplier of the largest eigenvalue of |psi><psi| - lambda A, on a grid around the optimum.
    m, psi, y = _problem(1, classes, dimension, 4)
    near = nearest_states(m, psi, y)
    for i in range(len(psi)):
        a = m[y[i]] - m[near.rival[i]]
        outer = torch.outer(psi[i], psi[i].conj())
        fidelity = 1 - near.lower[i].item()
        # The multiplier of the largest eigenvalue is that of the squared distance times the fidelity.
        at = near.multiplier[i].item() * fidelity
        values = [torch.linalg.eigvalsh(outer - t * at * a)[-1].item() for t in (0.7, 0.95, 1.0, 1.05, 1.4)]
        assert min(values) == pytest.approx(fidelity, abs=1e-10)
        assert values[2] == min(values)


@pytest.mark.one_fast
@pytest.mark.parametrize(("rank", "real"), [(0, False), (0, True), (1, False), (2, False), (3, False), (3, True)])
def test_equals_slsqp_over_purifications(rank, real):
    m, states, y = _problem(10 + rank, 3, 3, 3, rank=rank, real=real)
    near = nearest_states(m, states, y, real=real)
    rng = np.random.default_rng(0)
    for i in range(len(states)):
        root = sqrtm(states[i].numpy()) if rank else states[i, :, None].numpy()
        expected = slsqp_infidelity(m.numpy(), root, int(y[i]), rng, real=real)
        assert near.lower[i].item() == pytest.approx(expected, abs=2e-6)
        assert near.upper[i].item() == pytest.approx(expected, abs=2e-6)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(seed=seeds, classes=st.integers(2, 4), qubits=st.integers(1, 3), rank=st.integers(0, 4), real=st.booleans())
def test_bracket_is_tight_and_states_flip(seed, classes, qubits, rank, real):
    m, states, y = _problem(seed, classes, 2**qubits, 6, rank=min(rank, 2**qubits), real=real)
    near = nearest_states(m, states, y, real=real)
    finite = torch.isfinite(near.upper)
    assert torch.equal(finite, torch.isfinite(near.lower))
    assert bool((near.lower <= near.upper).all())
    assert bool((near.upper - near.lower <= 1e-6).logical_or(~finite).all())
    assert bool(_flipped(m, near, y)[finite].all())
    assert not real or not bool(near.states.imag.any())
    torch.testing.assert_close(near.states[~finite], states[~finite], rtol=1e-14, atol=1e-15)
    for i in finite.nonzero()[:, 0].tolist():
        if rank:
            sigma = near.states[i]
            assert torch.trace(sigma).real.item() == pytest.approx(1, abs=1e-12)
            assert torch.linalg.eigvalsh(sigma)[0].item() > -1e-13
            fidelity = _uhlmann(states[i].numpy(), sigma.numpy())
            assert 1 - fidelity == pytest.approx(near.upper[i].item(), abs=1e-6)
        else:
            overlap = torch.vdot(near.states[i], states[i]).abs().item()
            assert near.states[i].norm().item() == pytest.approx(1, abs=1e-12)
            assert 1 - overlap**2 == pytest.approx(near.upper[i].item(), abs=1e-13)


@settings(max_examples=12, deadline=None)
@given(seed=seeds, classes=st.integers(2, 3), qubits=st.integers(1, 3), real=st.booleans())
def test_no_optimiser_comes_nearer(seed, classes, qubits, real):
    m, psi, y = _problem(seed, classes, 2**qubits, 1, real=real)
    near = nearest_states(m, psi, y, real=real)
    rng = np.random.default_rng(seed)
    found = slsqp_infidelity(m.numpy(), psi[0, :, None].numpy(), int(y[0]), rng, starts=2, real=real)
    # SLSQP meets its constraint to 1e-10 only, which buys it about as much.
    assert found >= near.lower.item() - 1e-7


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(seed=seeds, classes=st.integers(2, 4), rank=st.integers(0, 3))
def test_no_random_state_flips_inside(seed, classes, rank):
    m, states, y = _problem(seed, classes, 4, 4, rank=rank)
    lower = nearest_states(m, states, y).lower.clamp(max=1.0)
    generator = _generator(seed)
    rho = states if rank else states[:, :, None] * states[:, None, :].conj()
    for i in range(len(states)):
        other = random_mixed(generator, 200, 4, 1 + seed % 4)
        share = torch.rand(200, generator=generator, dtype=torch.float64)[:, None, None] ** 3
        moved = (1 - share) * rho[i] + share * other
        broken = state_scores(m, moved).argmax(dim=1) != y[i]
        for sigma in moved[broken]:
            assert 1 - _uhlmann(rho[i].numpy(), sigma.numpy()) >= lower[i].item() - 1e-7


@pytest.mark.parametrize("mixed", [False, True])
def test_a_mixed_adversary_gains_nothing_on_pure_states(mixed):
    m, psi, y = _problem(3, 3, 4, 10)
    states = psi[:, :, None] * psi[:, None, :].conj() if mixed else psi
    torch.testing.assert_close(
        nearest_states(m, states, y).lower, nearest_states(m, psi, y).upper, rtol=1e-6, atol=1e-12
    )


def test_a_real_adversary_is_weaker_and_real_part_decides():
    m, psi, y = _problem(4, 3, 4, 20, real=True)
    upper = 1j * torch.triu(torch.ones(4, 4), 1)
    imaginary = upper + upper.mH
    turned = m + torch.stack([0 * imaginary, imaginary, -imaginary])
    anyone, real = nearest_states(turned, psi, y), nearest_states(turned, psi, y, real=True)
    assert bool((anyone.lower <= real.upper).all())
    assert bool((anyone.upper < real.lower - 1e-6).any())
    torch.testing.assert_close(real.lower, nearest_states(m, psi, y).lower, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_hard_case(rank):
    # No weight on the lowest eigenvector: the attack adds it. For c = (0, 1): 1 - F = a / (a + |low|) with a = 1/2.
    m = torch.diag_embed(torch.tensor([[-1.0, 0.5, 0.5], [0.0, 0.0, 0.0]])).cdouble()
    state = torch.diag(torch.tensor([0.0, 0.3, 0.7])).cdouble()[None] if rank == 2 else torch.eye(3)[1].cdouble()[None]
    state = state[:, :, None] * state[:, None, :] if rank == 1 else state
    near = nearest_states(m, state, torch.tensor([0]))
    # The dual value of a mixed state trades its rounding against its slope at the pole: about 1e-6 is lost.
    assert near.lower.item() == pytest.approx(1 / 3, abs=1e-6 if rank else 1e-12)
    assert near.lower.item() <= 1 / 3 <= near.upper.item() + 1e-13
    assert near.upper.item() == pytest.approx(1 / 3, abs=1e-9)
    assert bool(_flipped(m, near, torch.tensor([0])))


def test_ties_and_misclassified_states_are_at_zero():
    m = torch.diag_embed(torch.eye(2)).cdouble()
    psi = torch.tensor([[0.5**0.5, 0.5**0.5], [0.6, 0.8]]).cdouble()
    near = nearest_states(m, psi, torch.tensor([0, 0]))
    assert near.lower.tolist() == near.upper.tolist() == [0.0, 0.0]
    torch.testing.assert_close(near.states, psi)


def test_a_pair_that_cannot_flip():
    m = torch.diag_embed(torch.tensor([[1.0, 2.0], [0.5, 0.5]])).cdouble()
    near = nearest_states(m, torch.eye(2).cdouble(), torch.tensor([0, 0]))
    assert torch.isinf(near.lower).all()
    assert torch.isinf(near.upper).all()
    torch.testing.assert_close(near.states, torch.eye(2).cdouble())


def test_a_bias_is_part_of_the_observables():
    m, psi, _ = _problem(6, 2, 4, 30)
    shifted = m + torch.stack([0.3 * torch.eye(4), -0.1 * torch.eye(4)])
    near = nearest_states(shifted, psi, torch.zeros(30, dtype=torch.int64))
    assert torch.equal(near.lower > 0, (state_scores(m, psi) @ torch.tensor([1.0, -1.0]).double()) + 0.4 > 0)


def test_scale_of_the_observables_does_not_matter():
    m, psi, y = _problem(7, 3, 4, 10)
    one, other = nearest_states(m, psi, y), nearest_states(1e5 * m, psi, y)
    torch.testing.assert_close(one.lower, other.lower, rtol=1e-9, atol=1e-13)
    torch.testing.assert_close(one.multiplier, 1e5 * other.multiplier, rtol=1e-6, atol=0)


EYE = torch.diag_embed(torch.eye(2)).cdouble()


@pytest.mark.parametrize(
    ("observables", "states", "real", "message"),
    [
        (EYE + torch.tensor([[0, 1e-3], [0, 0]]), [[1.0, 0.0]], False, r"observables\[0\] is not Hermitian"),
        (EYE[:1], [[1.0, 0.0]], False, "2 classes or more"),
        (EYE * torch.nan, [[1.0, 0.0]], False, "observables hold NaN"),
        (EYE, [[1.0, 0.0, 0.0]], False, r"pure \(batch, 2\)"),
        (EYE, [[1.0, 0.0], [1.0, 0.1]], False, r"states\[1\] is not normalised: its norm is 1.00499"),
        (EYE, [[1.0, torch.inf]], False, "states hold NaN"),
        (EYE, [[1.0, 0.0], [0.6, 0.8j]], True, r"states\[1\] has imaginary parts up to 0.8"),
        (EYE, [[[0.5, 0.1], [0.3, 0.5]]], False, r"states\[0\] is not Hermitian"),
        (EYE, [[[0.5, 0.0], [0.0, 0.6]]], False, r"states\[0\] is not normalised: its trace is 1.1"),
        (EYE, [[[1.1, 0.0], [0.0, -0.1]]], False, r"states\[0\] is not positive: its lowest eigenvalue is -0.1"),
    ],
)
def test_refusals(observables, states, real, message):
    given = torch.tensor(states, dtype=torch.complex128)
    with pytest.raises(InputError, match=message):
        nearest_states(observables, given, torch.zeros(len(given), dtype=torch.int64), real=real)


def test_single_precision_states_pass_and_labels_are_checked():
    psi = torch.tensor([[0.8, 0.6]], dtype=torch.complex64)
    assert nearest_states(EYE, psi, torch.tensor([0])).lower.item() == pytest.approx(0.02, abs=1e-7)
    with pytest.raises(InputError, match="label 2"):
        nearest_states(EYE, psi, torch.tensor([2]))


def test_a_thousand_eight_qubit_states():
    m, psi, y = _problem(0, 2, 256, 1000)
    near = nearest_states(m, psi, y)
    assert bool((near.upper - near.lower <= 1e-11).all())
    assert bool(_flipped(m, near, y).all())
