"""Rounding safety and degenerate forms of the single-cone solver."""

import math

import mpmath
import pytest
import torch

from counterspin.optimum import nearest_on_cone


def _solve(form, x):
    form = torch.as_tensor(form, dtype=torch.float64)
    x = torch.atleast_2d(torch.as_tensor(x, dtype=torch.float64))
    unit = x / x.norm(dim=1, keepdim=True)
    eigenvalues, vectors = torch.linalg.eigh(form)
    return nearest_on_cone(
        form, eigenvalues, vectors, unit, torch.full((len(x),), torch.inf, dtype=torch.float64)
    ), unit


@pytest.mark.parametrize("d", [2, 4, 16, 64, 256])
def test_stated_slack_covers_the_error_of_the_decomposition(d):
    generator = torch.Generator().manual_seed(d)
    form = torch.randn(d, d, generator=generator, dtype=torch.float64)
    form = form + form.T
    eigenvalues, vectors = torch.linalg.eigh(form)
    unit_roundoff = torch.finfo(torch.float64).eps
    residual = torch.linalg.matrix_norm(form @ vectors - vectors * eigenvalues, ord=2)
    skew = torch.linalg.matrix_norm(vectors.T @ vectors - torch.eye(d, dtype=torch.float64), ord=2)
    assert residual + 2 * skew * eigenvalues.abs().max() <= 8 * (d + 8) * unit_roundoff * eigenvalues.abs().max() / 2


@pytest.mark.parametrize("lowest", [[-1.0], [-1.0, -1.0], [-1.0, -1.0, -1.0]])
def test_hard_case_with_repeated_lowest_eigenvalue(lowest):
    # x has no weight on the lowest eigenspace. On the cone diag(-1.., 1, 3): stationarity at the pole gives
    # z_i = x_i / (1 + a_i) and the eigenvector makes up the rest; r^2 = sum a_i x_i^2 / (1 + a_i).
    rest = torch.tensor([1.0, 3.0], dtype=torch.float64)
    form = torch.diag(torch.cat([torch.tensor(lowest, dtype=torch.float64), rest]))
    weights = torch.tensor([0.36, 0.64], dtype=torch.float64)
    near, unit = _solve(form, torch.cat([torch.zeros(len(lowest), dtype=torch.float64), weights.sqrt()]))
    expected = (rest / (1 + rest) * weights).sum().sqrt().item()
    assert near.lower.item() == pytest.approx(expected, rel=1e-9)
    assert near.upper.item() == pytest.approx(expected, rel=1e-9)
    assert near.lower <= near.upper
    assert near.points[0] @ form @ near.points[0] <= 0
    torch.testing.assert_close((near.points - unit).norm(dim=1), near.upper)


def test_sample_that_is_an_eigenvector():
    # x on the eigenvector of a > 0 only: hard case for every other direction, r^2 = a / (a - a_min).
    near, _ = _solve(torch.diag(torch.tensor([-0.5, 0.2, 1.5])), [0.0, 0.0, 1.0])
    assert near.lower.item() == pytest.approx((1.5 / 2.0) ** 0.5, rel=1e-9)
    assert near.upper.item() == pytest.approx((1.5 / 2.0) ** 0.5, rel=1e-9)


def test_hard_case_in_a_rotated_basis():
    generator = torch.Generator().manual_seed(1)
    basis = torch.linalg.qr(torch.randn(6, 6, generator=generator, dtype=torch.float64)).Q
    values = torch.tensor([-1.0, -1.0, 0.1, 0.5, 1.0, 2.0], dtype=torch.float64)
    c = torch.tensor([0.0, 0.0, 0.5, 0.5, 0.5, 0.5], dtype=torch.float64)
    form = basis @ torch.diag(values) @ basis.T
    near, _ = _solve((form + form.T) / 2, basis @ c)
    expected = (values[2:] / (1 + values[2:]) * 0.25).sum().sqrt().item()
    assert near.lower.item() == pytest.approx(expected, rel=1e-9)
    assert near.upper.item() == pytest.approx(expected, rel=1e-7)
    assert near.lower <= near.upper


def test_definite_form_has_an_empty_cone():
    near, unit = _solve(torch.diag(torch.tensor([0.1, 1.0])), [1.0, 1.0])
    assert torch.isinf(near.lower).all()
    assert torch.isinf(near.upper).all()
    assert torch.equal(near.points, unit)


def test_tie_in_the_null_space_of_a_semidefinite_form():
    # Only z = (t, 0) ties; the certificate must not claim infinity.
    near, _ = _solve(torch.diag(torch.tensor([0.0, 1.0])), [0.6, 0.8])
    assert near.upper.item() == pytest.approx(0.8, abs=1e-12)
    assert 0.8 - 1e-5 <= near.lower.item() <= 0.8


def test_null_space_without_weight_has_no_point():
    # z = (t, 0) with t -> 0 comes arbitrarily close to 1 away, but z = 0 itself is no input.
    near, _ = _solve(torch.diag(torch.tensor([0.0, 1.0])), [0.0, 1.0])
    assert near.lower.item() <= 1
    assert torch.isinf(near.upper).all()


def test_points_are_only_looked_for_below_the_ceiling():
    form = torch.diag(torch.tensor([-1.0, 1.0], dtype=torch.float64))
    unit = torch.tensor([[0.0, 1.0], [0.0, 1.0]], dtype=torch.float64)
    near = nearest_on_cone(form, *torch.linalg.eigh(form), unit, torch.tensor([0.1, 1.0], dtype=torch.float64))
    assert torch.isinf(near.upper).tolist() == [True, False]
    assert near.multiplier[0] == 0


def _distance_in_80_digits(form, unit) -> float:
    """Reference: the secular root by bisection in 80-digit arithmetic, from the same float64 form."""
    with mpmath.workdps(80):
        matrix = mpmath.matrix(form.tolist())
        values, vectors = mpmath.eigsy(matrix)
        c = vectors.T * mpmath.matrix(unit.tolist())
        scale = -min(values)
        alpha = [v / scale for v in values]
        low, high = mpmath.mpf(10) ** -60, mpmath.mpf(10) ** 60
        for _ in range(500):
            s = mpmath.sqrt(low * high)
            h = sum(a * w**2 / (1 + s * (1 + a)) ** 2 for a, w in zip(alpha, c, strict=True))
            low, high = (s, high) if h > 0 else (low, s)
        squared = sum(low * a / (1 + low * (1 + a)) * w**2 for a, w in zip(alpha, c, strict=True))
        return mpmath.sqrt(max(squared, 0))


@pytest.mark.one_fast
@pytest.mark.parametrize("smallness", [1.0, 1e-4, 1e-8, 1e-12])
@pytest.mark.parametrize("weight", [0.3, 1e-4, 1e-9, 0.0])
def test_rounding_never_makes_the_bracket_unsound(smallness, weight):
    # Lowest eigenvalue small against the norm, and x with little weight on its eigenvector: where digits are lost.
    generator = torch.Generator().manual_seed(round(-10 * math.log10(smallness * max(weight, 1e-20))))
    d, solved = 4, 0
    for _ in range(6):
        basis = torch.linalg.qr(torch.randn(d, d, generator=generator, dtype=torch.float64)).Q
        values = torch.rand(d, generator=generator, dtype=torch.float64) - 0.2
        values[0] = -smallness
        values[1:] = torch.where(values[1:] < 0, values[1:] * smallness, values[1:])
        form = basis @ torch.diag(values) @ basis.T
        form = (form + form.T) / 2
        c = torch.rand(d, generator=generator, dtype=torch.float64)
        c[0] = weight
        x = basis @ c
        if x @ form @ x <= 0:
            continue
        solved += 1
        near, unit = _solve(form, x)
        # The row is a unit vector only to rounding, so its distance is that of a point 2.2e-16 away at most.
        exact = _distance_in_80_digits(form, unit[0])
        assert mpmath.mpf(near.lower.item()) <= exact
        assert mpmath.mpf(near.upper.item()) * (1 + 1e-15) >= exact
    assert solved > 0
