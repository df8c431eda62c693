"""The exact radius against SLSQP, brentq, closed forms, finite differences and its invariances."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize

from counterspin.errors import ConditionsError, InputError
from counterspin.optimum import form_scores, nearest_flips

seeds = st.integers(0, 10**6)


def _problem(seed: int, classes: int, d: int, batch: int):
    """Random indefinite forms, inputs and the labels the forms give them."""
    generator = torch.Generator().manual_seed(seed)
    forms = torch.randn(classes, d, d, generator=generator, dtype=torch.float64)
    forms = (forms + forms.mT) / 2
    x = torch.randn(batch, d, generator=generator, dtype=torch.float64)
    return forms, x, form_scores(forms, x).argmax(dim=1)


def _slsqp(forms: np.ndarray, x: np.ndarray, y: int, starts: int, rng: np.random.Generator) -> float:
    best = np.inf
    for j in range(len(forms)):
        if j == y:
            continue
        a = forms[y] - forms[j]
        if np.linalg.eigvalsh(a)[0] >= 0:
            continue
        for _ in range(starts):
            found = minimize(
                lambda z: ((z - x) ** 2).sum(),
                rng.normal(size=len(x)) * np.linalg.norm(x),
                jac=lambda z: 2 * (z - x),
                constraints={"type": "ineq", "fun": lambda z, a=a: -z @ a @ z, "jac": lambda z, a=a: -2 * a @ z},
                method="SLSQP",
                options={"ftol": 1e-14, "maxiter": 500},
            )
            if found.success and found.x @ a @ found.x <= 1e-9:
                best = min(best, float(np.sqrt(found.fun)))
    return best


@pytest.mark.one_fast
@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("d", [2, 3, 6])
def test_equals_repeated_slsqp(classes, d):
    forms, x, y = _problem(10 * d + classes, classes, d, 3)
    flips = nearest_flips(forms, x, y)
    rng = np.random.default_rng(0)
    for i in range(len(x)):
        expected = _slsqp(forms.numpy(), x[i].numpy(), int(y[i]), 12, rng)
        assert flips.upper[i].item() == pytest.approx(expected, abs=1e-5)
        assert flips.lower[i].item() == pytest.approx(expected, abs=1e-5)


def _one_by_one(forms: np.ndarray, x: np.ndarray, y: int) -> float:
    best = np.inf
    for j in range(len(forms)):
        a, v = np.linalg.eigh(forms[y] - forms[j])
        if j == y or a[0] >= 0:
            continue
        c = v.T @ x
        root = brentq(
            lambda t, a=a, c=c: (a * c**2 / (1 + t * a) ** 2).sum(), 0, (1 - 1e-12) / -a[0], xtol=1e-16, rtol=1e-14
        )
        best = min(best, float(np.linalg.norm(c / (1 + root * a) - c)))
    return best


@pytest.mark.parametrize(("classes", "d"), [(2, 4), (4, 16), (10, 64)])
def test_equals_an_unvectorised_implementation(classes, d):
    forms, x, y = _problem(d, classes, d, 12)
    flips = nearest_flips(forms, x, y)
    expected = [_one_by_one(forms.numpy(), x[i].numpy(), int(y[i])) for i in range(len(x))]
    np.testing.assert_allclose(flips.lower.numpy(), expected, rtol=1e-9)
    np.testing.assert_allclose(flips.upper.numpy(), expected, rtol=1e-9)
    assert bool((flips.gap <= 1e-6).all())


@pytest.mark.parametrize("angle", [0.0, 0.1, 0.5, 0.75, 0.785])
@pytest.mark.parametrize("norm", [1e-6, 1.0, 1e6])
def test_cone_in_the_plane(angle, norm):
    # Scores cos^2 and sin^2 of the polar angle: the boundary is the diagonal, pi/4 - angle away.
    forms = torch.diag_embed(torch.eye(2, dtype=torch.float64))
    x = norm * torch.tensor([[math.cos(angle), math.sin(angle)]], dtype=torch.float64)
    flips = nearest_flips(forms, x, torch.tensor([0]))
    expected = norm * math.sin(math.pi / 4 - angle)
    assert flips.lower.item() == pytest.approx(expected, rel=1e-9)
    assert flips.upper.item() == pytest.approx(expected, rel=1e-9)
    assert flips.rival.item() == 1


@pytest.mark.parametrize("p", [0.95, 0.9, 0.8, 0.6, 1.0])
@pytest.mark.parametrize("half", [1, 8])
def test_projective_readout_closed_form(p, half):
    # m = 2p - 1, theta = asin(m) / 2, distance ‖x‖ sin(theta): projectors on the two halves of the space.
    forms = torch.diag_embed(torch.repeat_interleave(torch.eye(2, dtype=torch.float64), half, dim=1))
    x = torch.zeros(1, 2 * half, dtype=torch.float64)
    x[0, 0], x[0, half] = p**0.5, (1 - p) ** 0.5
    flips = nearest_flips(forms, 7 * x, torch.tensor([0]))
    theta = math.asin(2 * p - 1) / 2
    assert flips.lower.item() == pytest.approx(7 * math.sin(theta), rel=1e-9)
    assert flips.upper.item() == pytest.approx(7 * math.sin(theta), rel=1e-9)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(seed=seeds, classes=st.integers(2, 5), d=st.integers(2, 10))
def test_bracket_is_tight_and_points_flip(seed, classes, d):
    forms, x, y = _problem(seed, classes, d, 8)
    flips = nearest_flips(forms, x, y)
    finite = torch.isfinite(flips.upper)
    assert bool((flips.lower <= flips.upper).all())
    assert torch.equal(finite, torch.isfinite(flips.lower))
    at_points = form_scores(forms, flips.points)[finite]
    own = at_points.gather(1, y[finite, None])[:, 0]
    best = at_points.scatter(1, y[finite, None], -torch.inf).max(dim=1)
    assert bool((own <= best.values).all())
    assert torch.equal(best.indices, flips.rival[finite])
    torch.testing.assert_close((flips.points - x).norm(dim=1)[finite], flips.upper[finite], rtol=1e-12, atol=0)
    # The slack against rounding is absolute, about 1e-13 of ‖x‖ on these well-scaled forms.
    assert bool((flips.upper - flips.lower <= 1e-9 * flips.upper + 1e-10 * x.norm(dim=1))[finite].all())
    assert bool((flips.points != 0).any(dim=1).all())


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(seed=seeds, d=st.integers(2, 8))
def test_no_random_point_flips_inside_the_radius(seed, d):
    forms, x, y = _problem(seed, 3, d, 6)
    lower = nearest_flips(forms, x, y).lower.clamp(max=100)
    generator = torch.Generator().manual_seed(seed)
    step = torch.randn(200, *x.shape, generator=generator, dtype=torch.float64)
    step = step / step.norm(dim=2, keepdim=True) * lower[:, None] * (1 - 1e-12)
    moved = (x + step).reshape(-1, d)
    assert torch.equal(form_scores(forms, moved).argmax(dim=1), y.repeat(200))


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(seed=seeds, scale=st.floats(1e-6, 1e6), form_scale=st.floats(1e-6, 1e6), shift=st.floats(-10, 10))
def test_scaling_and_shifting(seed, scale, form_scale, shift):
    forms, x, y = _problem(seed, 3, 5, 6)
    one = nearest_flips(forms, x, y)
    moved = form_scale * forms + shift * torch.eye(5, dtype=torch.float64)
    # A common multiple of the identity costs digits of the margin: skip rows it brings within rounding of a tie.
    clear = one.lower > 1e-6 * x.norm(dim=1)
    other = nearest_flips(moved, scale * x, y)
    digits = 1e-12 * (1 + abs(shift) / form_scale)
    torch.testing.assert_close(other.lower[clear], scale * one.lower[clear], rtol=1e-8, atol=scale * 1e3 * digits)


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(seed=seeds, order=st.permutations(range(4)))
def test_permuting_classes_changes_nothing(seed, order):
    forms, x, y = _problem(seed, 4, 5, 6)
    permutation = torch.tensor(order)
    one, other = nearest_flips(forms, x, y), nearest_flips(forms[permutation], x, permutation.argsort()[y])
    torch.testing.assert_close(other.lower, one.lower, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(other.upper, one.upper, rtol=1e-9, atol=1e-12)
    assert torch.equal(permutation[other.rival], one.rival)


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_rotating_the_features_changes_nothing(seed):
    forms, x, y = _problem(seed, 3, 6, 6)
    generator = torch.Generator().manual_seed(seed)
    basis = torch.linalg.qr(torch.randn(6, 6, generator=generator, dtype=torch.float64)).Q
    one, other = nearest_flips(forms, x, y), nearest_flips(basis @ forms @ basis.T, x @ basis.T, y)
    torch.testing.assert_close(other.upper, one.upper, rtol=1e-9, atol=1e-11)


def test_ties_and_misclassified_samples_have_radius_zero():
    forms = torch.diag_embed(torch.eye(2, dtype=torch.float64))
    x = torch.tensor([[1.0, 1.0], [0.0, 2.0], [2.0, 1.0]], dtype=torch.float64)
    flips = nearest_flips(forms, x, torch.tensor([0, 0, 0]))
    assert flips.lower[:2].tolist() == [0, 0]
    assert flips.upper[:2].tolist() == [0, 0]
    assert flips.gap[:2].tolist() == [0, 0]
    assert torch.equal(flips.points[:2], x[:2])
    assert flips.lower[2] > 0


def test_rival_that_can_never_win():
    # F_0 - F_1 = diag(1, 2) is positive definite; class 2 can win but only for its own half.
    one = torch.eye(2, dtype=torch.float64)
    never = nearest_flips(
        torch.stack([torch.diag(torch.tensor([1.0, 2.0]).double()), 0 * one]), one, torch.tensor([0, 0])
    )
    assert torch.isinf(never.lower).all()
    assert torch.isinf(never.upper).all()
    assert never.gap.tolist() == [0, 0]
    assert torch.equal(never.points, one)


def test_float32_input_and_asymmetric_forms_are_the_same_problem():
    forms, x, y = _problem(5, 3, 4, 6)
    x = x.float()
    skew = torch.triu(torch.ones(4, 4, dtype=torch.float64), 1)
    one, other = nearest_flips(forms, x.double(), y), nearest_flips(forms + skew - skew.T, x, y)
    assert other.lower.dtype == other.points.dtype == torch.float64
    torch.testing.assert_close(other.lower, one.lower, rtol=1e-9, atol=1e-12)


def test_batch_composition_does_not_matter():
    forms, x, y = _problem(6, 4, 8, 10)
    whole = nearest_flips(forms, x, y)
    for i in range(len(x)):
        torch.testing.assert_close(
            nearest_flips(forms, x[i : i + 1], y[i : i + 1]).upper, whole.upper[i : i + 1], rtol=1e-10, atol=0
        )


def test_envelope_theorem():
    # d(r^2)/dA = multiplier * z z', by central differences along random symmetric directions.
    forms, x, y = _problem(8, 2, 5, 6)
    flips = nearest_flips(forms, x, y)
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        direction = torch.randn(5, 5, generator=generator, dtype=torch.float64)
        direction = direction + direction.T
        step = 1e-5
        for i in range(len(x)):
            shift = torch.zeros_like(forms)
            shift[y[i]] = step * direction
            up, down = (nearest_flips(forms + s * shift, x[i : i + 1], y[i : i + 1]).upper.item() for s in (1, -1))
            slope = (up**2 - down**2) / (2 * step)
            predicted = (flips.multiplier[i] * (flips.points[i] @ direction @ flips.points[i])).item()
            assert slope == pytest.approx(predicted, rel=1e-5, abs=1e-7)


def test_target_with_two_classes_is_the_untargeted_radius():
    forms, x, y = _problem(9, 2, 4, 8)
    one, other = nearest_flips(forms, x, y), nearest_flips(forms, x, y, 1 - y)
    assert torch.equal(one.lower, other.lower)
    assert torch.equal(one.upper, other.upper)


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_targets_bound_from_below_and_points_win(seed):
    forms, x, y = _problem(seed, 4, 5, 8)
    untargeted = nearest_flips(forms, x, y)
    per_target = []
    for offset in range(1, 4):
        goal = (y + offset) % 4
        flips = nearest_flips(forms, x, y, goal)
        per_target.append(flips.lower)
        assert bool((flips.lower <= flips.upper).all())
        found = torch.isfinite(flips.upper)
        assert torch.equal(form_scores(forms, flips.points).argmax(dim=1)[found], goal[found])
    torch.testing.assert_close(torch.stack(per_target).amin(dim=0), untargeted.lower, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"x": torch.zeros(2, 2)}, InputError, "x is zero in sample 0"),
        ({"x": torch.tensor([[1.0, torch.nan], [1.0, 0.0]])}, InputError, "NaN"),
        ({"x": torch.ones(2, 3)}, InputError, "x has 3 features"),
        ({"y": torch.tensor([0, 2])}, InputError, "label 2"),
        ({"target": torch.tensor([1, 0])}, InputError, "target equals the true class of sample 1"),
        ({"forms": torch.full((2, 2, 2), torch.inf)}, InputError, "forms hold NaN"),
        ({"forms": torch.ones(1, 2, 2)}, InputError, "2 classes or more"),
        ({"forms": torch.zeros(2, 1, 1).expand(2, 4097, 4097)}, ConditionsError, "at most 4096"),
    ],
)
def test_bad_input_is_refused(change, error, message):
    arguments = {"forms": torch.diag_embed(torch.eye(2)), "x": torch.eye(2), "y": torch.tensor([0, 0])}
    with pytest.raises(error, match=message):
        nearest_flips(**{**arguments, **change})


def test_forms_and_inputs_are_left_alone():
    forms, x, y = _problem(11, 3, 4, 5)
    before = forms.clone(), x.clone(), y.clone()
    nearest_flips(forms, x, y)
    assert all(torch.equal(a, b) for a, b in zip(before, (forms, x, y), strict=True))


@pytest.mark.slow
def test_gap_at_the_size_of_digits():
    forms, x, y = _problem(12, 10, 64, 500)
    flips = nearest_flips(forms, x, y)
    assert bool((flips.gap <= 1e-6).all())
    assert bool(torch.isfinite(flips.upper).all())
