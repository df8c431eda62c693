"""The nearest point behind an affine map: closed forms, SLSQP, the homogeneous case, rounding in 60 digits."""

import math

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from counterspin.errors import ConditionsError, InputError
from counterspin.optimum import form_scores, nearest_flips
from counterspin.optimum.affine_cone import AffineCone, RowSpace, nearest_on_affine_cone
from counterspin.optimum.affine_map import AffineMap


def _tensor(values):
    return torch.as_tensor(values, dtype=torch.float64)


def _solve(form, weight, bias, x):
    x = torch.atleast_2d(_tensor(x))
    space = RowSpace.of(AffineMap(_tensor(weight), _tensor(bias)))
    cone = AffineCone.of(_tensor(form), space)
    return nearest_on_affine_cone(cone, space, x, torch.full((len(x),), torch.inf, dtype=torch.float64))


def _bracket(near, expected, rel=1e-9):
    assert near.lower.item() == pytest.approx(expected, rel=rel)
    assert near.upper.item() == pytest.approx(expected, rel=rel)
    assert near.lower.item() <= expected * (1 + 1e-15)
    assert near.upper.item() >= expected * (1 - 1e-15)


def _random(seed, k, d, classes=2, rows=3):
    generator = torch.Generator().manual_seed(seed)
    forms = torch.randn(classes, k, k, generator=generator, dtype=torch.float64)
    weight = torch.randn(k, d, generator=generator, dtype=torch.float64)
    bias = torch.randn(k, generator=generator, dtype=torch.float64)
    x = torch.randn(rows, d, generator=generator, dtype=torch.float64)
    map = AffineMap(weight, bias)
    forms = (forms + forms.mT) / 2
    return forms, map, x, form_scores(forms, map(x)).argmax(dim=1)


# Encoding (z_1, z_2, 1): quadratic functions of the plane.
PLANE = [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]


@pytest.mark.parametrize(
    ("x", "sign", "expected"), [([3.0, 4.0], 1, 3.0), ([0.3, 0.4], -1, 1.5), ([0.0, 0.0], -1, 2.0)]
)
def test_disc_from_outside_inside_and_its_centre(x, sign, expected):
    # |z|² <= 4 and its complement; the centre is the hard case, where every direction is as good.
    near = _solve(sign * np.diag([1.0, 1.0, -1.0]), PLANE, [0, 0, 2.0], x)
    _bracket(near, expected)
    assert near.points.norm().item() == pytest.approx(2.0, rel=1e-9)


def test_half_plane():
    # q = 3 z_1 - 4 z_2 + 1: no curvature at all.
    form = [[0, 0, 1.5], [0, 0, -2.0], [1.5, -2.0, 1.0]]
    near = _solve(form, PLANE, [0, 0, 1.0], [2.0, -1.0])
    _bracket(near, 11 / 5)
    assert near.multiplier.item() == pytest.approx(2 * 11 / 25, rel=1e-9)  # δ = -λ g with g = (3, -4) / 2


@pytest.mark.parametrize("z", [0.0, 0.7, -3.0, 10.0])
def test_one_feature(z):
    # |2 z + 1| against |z - 2|: boundaries at z = -3 and z = 1/3, class 0 wins outside.
    form = np.diag([1.0, -1.0]) * (1 if (2 * z + 1) ** 2 > (z - 2) ** 2 else -1)
    near = _solve(form, [[2.0], [1.0]], [1.0, -2.0], [z])
    expected = min(abs(z + 3), abs(z - 1 / 3))
    if expected == 0:
        assert near.lower.item() == pytest.approx(0, abs=1e-9)
    else:
        _bracket(near, expected)


def test_curvature_positive_and_flipped_by_the_linear_term():
    # q = (z - 2)² - 1: WᵀAW = 1 > 0, reached at z = 1.
    near = _solve([[1.0, 0], [0, -1.0]], [[1.0], [0.0]], [-2.0, 1.0], [-5.0])
    _bracket(near, 6.0)


def test_positive_on_every_image_cannot_flip_though_the_form_is_indefinite():
    # The third value is always 0, and only there the form is negative.
    near = _solve(np.diag([1.0, 2.0, -1.0]), PLANE, [0.5, 0.0, 0.0], [1.0, 1.0])
    assert torch.isinf(near.lower).all()
    assert torch.isinf(near.upper).all()


def test_positive_slice_cannot_flip():
    # q = z² + 2·0.5 z + 1 has its minimum 3/4 > 0.
    near = _solve([[1.0, 0.5], [0.5, 1.0]], [[1.0], [0.0]], [0.0, 1.0], [4.0])
    assert torch.isinf(near.lower).all()


def test_tie_of_a_semidefinite_form_claims_neither_infinity_nor_a_point():
    # v_1² <= 0 on the line v_1 = 0 alone; from (1, 3) the candidate is W z + b = 0, which is no input.
    near = _solve(np.diag([1.0, 0.0]), np.eye(2), [0.0, -3.0], [[1.0, 3.0], [1.0, 5.0]])
    assert torch.isinf(near.upper).all()
    assert bool(((near.lower <= 1) & (near.lower >= 1 - 1e-5)).all())


def test_hard_case_needs_the_lowest_eigenvector():
    # q = z_2² + 1 - z_1² at z_1 = 0: stationary at λ = 1 in z_2 alone, z_1 makes up the rest.
    near = _solve(np.diag([-1.0, 1.0, 1.0]), PLANE, [0, 0, 1.0], [0.0, 3.0])
    assert near.upper.item() == pytest.approx(math.sqrt(1.5**2 + 1.5**2 + 1), rel=1e-9)
    assert near.lower.item() == pytest.approx(math.sqrt(1.5**2 + 1.5**2 + 1), rel=1e-9)


def _slsqp(a, map, x, rng):
    w, b, best = map.weight.numpy(), map.bias.numpy(), np.inf
    for _ in range(3 if len(x) == 1 else 10):
        found = minimize(
            lambda z: ((z - x) ** 2).sum(),
            x + 2 * rng.normal(size=len(x)),
            jac=lambda z: 2 * (z - x),
            constraints={
                "type": "ineq",
                "fun": lambda z: -(w @ z + b) @ a @ (w @ z + b),
                "jac": lambda z: -2 * w.T @ a @ (w @ z + b),
            },
            method="SLSQP",
            options={"ftol": 1e-14, "maxiter": 200},
        )
        image = w @ found.x + b
        if found.success and image @ a @ image <= 1e-9 and np.linalg.norm(image) > 1e-4:
            best = min(best, float(np.sqrt(found.fun)))
    return best


@pytest.mark.one_fast(2)
@pytest.mark.parametrize(("k", "d"), [(3, 3), (2, 5), (5, 2), (4, 3), (3, 1), (3, 6)])
def test_equals_repeated_slsqp(k, d):
    rng, finite = np.random.default_rng(0), 0
    for seed in range(4):
        forms, map, x, y = _random(seed, k, d)
        flips = nearest_flips(forms, x, y, input_map=map)
        for i in range(len(x)):
            expected = _slsqp((forms[y[i]] - forms[1 - y[i]]).numpy(), map, x[i].numpy(), rng)
            if np.isfinite(expected):
                finite += 1
                assert flips.lower[i].item() == pytest.approx(expected, abs=1e-5)
                assert flips.upper[i].item() == pytest.approx(expected, abs=1e-5)
            else:
                assert flips.lower[i] == torch.inf
    assert finite >= 3


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), k=st.integers(2, 6), d=st.integers(1, 6), classes=st.integers(2, 4))
def test_no_point_inside_flips_and_the_witness_does(seed, k, d, classes):
    forms, map, x, y = _random(seed, k, d, classes)
    flips = nearest_flips(forms, x, y, input_map=map)
    assert bool((flips.lower <= flips.upper).all())
    found = torch.isfinite(flips.upper)
    assert bool((flips.gap[found & (flips.upper < 100) & (flips.upper > 1e-4)] <= 1e-6).all())
    generator = torch.Generator().manual_seed(seed)
    step = torch.randn(200, *x.shape, generator=generator, dtype=torch.float64)
    step = step / step.norm(dim=2, keepdim=True) * flips.lower.clamp(max=5)[:, None] * (1 - 1e-9)
    inside = form_scores(forms, map((x + step).reshape(-1, d))).argmax(dim=1)
    assert torch.equal(inside, y.repeat(200))
    at = form_scores(forms, map(flips.points))
    own = at.gather(1, y[:, None])[:, 0]
    assert bool((own <= at.scatter(1, y[:, None], -torch.inf).amax(dim=1))[found].all())
    torch.testing.assert_close((flips.points - x).norm(dim=1)[found], flips.upper[found])


class _Unrecognised(AffineMap):
    """The identity, solved as if it were any map."""

    is_identity = False


@pytest.mark.one_fast
@pytest.mark.parametrize("d", [2, 5, 16])
@pytest.mark.parametrize("factor", [1e-3, 1.0, 1e3])
def test_reduces_to_the_homogeneous_cone(d, factor):
    forms, _, x, _ = _random(d, d, d, classes=3, rows=20)
    x = factor * x
    y = form_scores(forms, x).argmax(dim=1)
    plain = nearest_flips(forms, x, y)
    identity = AffineMap.identity(d)
    mapped = nearest_flips(forms, x, y, input_map=_Unrecognised(identity.weight, identity.bias))
    torch.testing.assert_close(mapped.lower, plain.lower, rtol=1e-10, atol=0)
    torch.testing.assert_close(mapped.upper, plain.upper, rtol=1e-10, atol=0)
    torch.testing.assert_close(mapped.multiplier, plain.multiplier, rtol=1e-8, atol=0)
    torch.testing.assert_close(nearest_flips(forms, x, y, input_map=identity).lower, plain.lower, rtol=0, atol=0)


def test_scaling_and_turning_the_features_scales_the_distance():
    forms, map, x, y = _random(3, 4, 4, classes=3, rows=10)
    turn = torch.linalg.qr(map.weight).Q
    plain = nearest_flips(forms, x @ turn.T + map.bias, y := form_scores(forms, x @ turn.T + map.bias).argmax(dim=1))
    mapped = nearest_flips(forms, x / 5, y, input_map=AffineMap(5 * turn, map.bias))
    torch.testing.assert_close(mapped.lower, plain.lower / 5, rtol=1e-9, atol=0)


def test_features_outside_the_row_space_do_not_move():
    forms, map, x, y = _random(5, 3, 3, rows=8)
    wide = AffineMap(torch.cat([map.weight, torch.zeros(3, 4, dtype=torch.float64)], dim=1), map.bias)
    longer = torch.cat([x, torch.ones(8, 4, dtype=torch.float64)], dim=1)
    flips, plain = nearest_flips(forms, longer, y, input_map=wide), nearest_flips(forms, x, y, input_map=map)
    torch.testing.assert_close(flips.lower, plain.lower, rtol=1e-9, atol=0)
    torch.testing.assert_close(flips.points[:, 3:], longer[:, 3:], rtol=0, atol=1e-12)


def test_target_class():
    forms, map, x, y = _random(11, 4, 5, classes=4, rows=12)
    goal = (y + 1) % 4
    free, aimed = nearest_flips(forms, x, y, input_map=map), nearest_flips(forms, x, y, goal, input_map=map)
    assert bool((aimed.lower >= free.lower * (1 - 1e-9)).all())
    hit = torch.isfinite(aimed.upper)
    assert bool(hit.any())
    assert torch.equal(form_scores(forms, map(aimed.points)).argmax(dim=1)[hit], goal[hit])


def _distance_in_60_digits(form, weight, bias, x):
    with mpmath.workdps(60):
        a, w, b = (mpmath.matrix(t.tolist()) for t in (form, weight, bias))
        v = w * mpmath.matrix(x.tolist()) + b
        values, vectors = mpmath.eigsy(w.T * a * w)
        g = vectors.T * (w.T * (a * v))
        q0 = (v.T * a * v)[0]
        m = max(-min(values), mpmath.mpf(0))
        low, high = mpmath.mpf(10) ** -50, mpmath.mpf(10) ** 50
        for _ in range(500):
            s = mpmath.sqrt(low * high)
            delta = [-s * gi / (1 + s * (ai + m)) for gi, ai in zip(g, values, strict=True)]
            q = q0 + sum(2 * gi * di + ai * di**2 for gi, ai, di in zip(g, values, delta, strict=True))
            low, high = (s, high) if q > 0 else (low, s)
        spent = sum(low * gi**2 / (1 + low * (ai + m)) for gi, ai in zip(g, values, strict=True))
        return mpmath.sqrt(max(low / (1 + m * low) * (q0 - spent), 0))


@pytest.mark.one_fast
@pytest.mark.parametrize("smallness", [1.0, 1e-4, 1e-8, 1e-12])
@pytest.mark.parametrize("offset", [1.0, 1e3, 1e6])
def test_rounding_never_makes_the_bracket_unsound(smallness, offset):
    # Large offsets cancel in W x + b, small lowest eigenvalues vanish against the norm: where digits are lost.
    generator = torch.Generator().manual_seed(round(100 * math.log10(offset) - math.log10(smallness)))
    d, solved = 4, 0
    for _ in range(6):
        basis = torch.linalg.qr(torch.randn(d, d, generator=generator, dtype=torch.float64)).Q
        values = torch.rand(d, generator=generator, dtype=torch.float64)
        values[0] = -smallness
        form = basis @ torch.diag(values) @ basis.T
        form = (form + form.T) / 2
        weight = torch.randn(d, d - 1, generator=generator, dtype=torch.float64)
        shift = offset * torch.randn(d - 1, generator=generator, dtype=torch.float64)
        x = torch.randn(d - 1, generator=generator, dtype=torch.float64)
        bias = torch.randn(d, generator=generator, dtype=torch.float64) - weight @ shift
        x = x + shift
        image = weight @ x + bias
        if image @ form @ image <= 0:
            continue
        near = _solve(form, weight, bias, x)
        if torch.isinf(near.lower).all():
            continue
        solved += 1
        exact = _distance_in_60_digits(form, weight, bias, x)
        assert mpmath.mpf(near.lower.item()) <= exact
        # The witness is a float64 point: its distance is known to a rounding of x.
        assert mpmath.mpf(near.upper.item()) * (1 + 1e-12) + 1e-15 * offset >= exact
    assert solved > 0


def test_bad_maps_are_refused():
    forms, map, x, y = _random(0, 3, 2)
    with pytest.raises(ConditionsError, match="weight 0"):
        nearest_flips(forms, x, y, input_map=AffineMap(torch.zeros(3, 2), torch.ones(3)))
    with pytest.raises(InputError, match="takes 2 features to 2 values"):
        nearest_flips(forms, x, y, input_map=AffineMap(map.weight[:2], map.bias[:2]))
    square = AffineMap(torch.eye(3), -torch.ones(3))
    with pytest.raises(InputError, match="sample 1 once mapped"):
        nearest_flips(forms, torch.tensor([[0.0, 1.0, 2.0], [1.0, 1.0, 1.0]]), y[:2], input_map=square)


def test_rounding_grows_with_the_part_of_the_form_beyond_the_images():
    # On the plane of the images the form is diag(1, -1), beyond it 1e8 as large, which a rounded image still sees.
    for seed in range(12):
        generator = torch.Generator().manual_seed(seed)
        basis = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64)).Q
        plane, beyond, first = basis[:, :2], basis[:, 2], basis[:, 0]
        form = plane @ torch.diag(torch.tensor([1.0, -1.0], dtype=torch.float64)) @ plane.T
        mixed = torch.outer(beyond, first)
        form = form + 1e8 * (torch.outer(beyond, beyond) + mixed + mixed.T)
        form = (form + form.T) / 2
        x = torch.tensor([[1.0, 0.3]], dtype=torch.float64)
        input_map = AffineMap(plane.clone(), torch.zeros(3, dtype=torch.float64))
        flips = nearest_flips(torch.stack([form, 0 * form]), x, torch.tensor([0]), input_map=input_map)
        # The numbers as they are stored, in longer arithmetic: the cone is a pair of lines.
        wide = plane.numpy().astype(np.longdouble)
        (a, b), (_, c) = wide.T @ form.numpy().astype(np.longdouble) @ wide
        root, point = np.sqrt(b * b - a * c), x[0].numpy().astype(np.longdouble)
        lines = [np.array([-b + sign * root, a]) for sign in (1, -1)]
        true = min(abs(line[1] * point[0] - line[0] * point[1]) / np.hypot(*line) for line in lines)
        assert float(flips.lower) <= float(true)
        assert float(flips.lower) >= float(true) * (1 - 1e-4)
