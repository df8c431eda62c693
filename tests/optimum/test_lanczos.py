"""Brackets from products alone: closed forms, the dense solver, and what no basis can make unsound."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterspin.optimum import nearest_flips
from counterspin.optimum.affine_map import AffineMap
from counterspin.optimum.lanczos import QuadraticFunctions, krylov_bracket
from counterspin.optimum.matrix_free import FormProducts, nearest_flips_by_products


def _form(seed, d, low=-1.0, high=1.0):
    generator = torch.Generator().manual_seed(seed)
    basis = torch.linalg.qr(torch.randn(d, d, generator=generator, dtype=torch.float64)).Q
    values = low + (high - low) * torch.rand(d, generator=generator, dtype=torch.float64)
    values[0], values[-1] = low, high
    return basis @ torch.diag(values) @ basis.T


def _standing(form, seed, rows):
    d = len(form)
    x = torch.randn(40 * rows, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    x = x / x.norm(dim=1, keepdim=True)
    return x[((x @ form) * x).sum(dim=1) > 1e-3][:rows]


def _functions(form, x, *, floor=None, rounding=1e-14):
    product = x @ form
    return QuadraticFunctions(
        times=lambda rows: rows @ form,
        value=(product * x).sum(dim=1),
        gradient=product,
        floor=float(torch.linalg.eigvalsh(form)[0]) if floor is None else floor,
        norm=float(torch.linalg.eigvalsh(form).abs().max()),
        rounding=rounding,
        size=torch.ones(len(x), dtype=torch.float64),
    )


def _dense(form, x):
    forms = torch.stack([form, torch.zeros_like(form)])
    return nearest_flips(forms, x, torch.zeros(len(x), dtype=torch.int64))


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), d=st.integers(4, 80))
def test_equals_the_dense_solver(seed, d):
    form = _form(seed, d)
    x = _standing(form, seed, 6)
    if len(x) == 0:
        return
    found, dense = krylov_bracket(_functions(form, x)), _dense(form, x)
    assert bool((found.lower <= dense.upper).all())
    assert bool((found.upper >= dense.lower).all())
    easy = found.multiplier < 0.95
    torch.testing.assert_close(found.lower[easy], dense.lower[easy], rtol=1e-7, atol=0)
    torch.testing.assert_close(found.upper[easy], dense.upper[easy], rtol=1e-7, atol=0)


@pytest.mark.parametrize("steps", [1, 2, 4, 8])
def test_a_basis_too_small_is_loose_and_never_wrong(steps):
    form = _form(3, 60)
    x = _standing(form, 3, 10)
    found, dense = krylov_bracket(_functions(form, x), steps=steps), _dense(form, x)
    assert bool((found.lower <= dense.upper).all())
    assert bool((found.upper >= dense.lower).all())
    if steps == 8:
        assert bool((found.lower >= 0.99 * dense.lower).all())


def test_wrong_products_of_the_basis_are_caught_by_the_residual():
    # The basis is built from products that are off by 5 %: bounds are taken at the point, from exact products.
    form = _form(5, 40)
    x = _standing(form, 5, 8)
    exact = _functions(form, x)
    calls = []

    def every_second(rows):
        calls.append(len(rows))
        return rows @ form * (1.05 if len(calls) < 4 else 1.0)

    found = krylov_bracket(
        QuadraticFunctions(
            times=every_second,
            value=exact.value,
            gradient=exact.gradient,
            floor=exact.floor,
            norm=exact.norm,
            rounding=exact.rounding,
            size=exact.size,
        ),
        steps=8,
    )
    assert bool((found.lower <= _dense(form, x).upper).all())


def test_a_floor_below_the_spectrum_leaves_far_rows_open_and_near_rows_closed():
    form = _form(7, 30)
    x = _standing(form, 7, 40)
    towards_the_top = x + x @ form * torch.linspace(0, 40, len(x), dtype=torch.float64)[:, None]
    x = towards_the_top / towards_the_top.norm(dim=1, keepdim=True)
    tight, loose = krylov_bracket(_functions(form, x)), krylov_bracket(_functions(form, x, floor=-2.0))
    dense = _dense(form, x)
    near = dense.multiplier < 0.45
    assert bool(near.any())
    assert bool((~near).any())
    torch.testing.assert_close(loose.lower[near], tight.lower[near], rtol=1e-7, atol=0)
    far = dense.multiplier > 0.55
    assert bool((loose.lower[far] < tight.lower[far] * (1 - 1e-6)).all())
    assert bool((loose.lower <= dense.upper).all())
    torch.testing.assert_close(loose.upper, tight.upper, rtol=1e-7, atol=0)


def test_rounding_of_products_is_paid_for():
    form = _form(9, 20)
    x = _standing(form, 9, 5)
    fine, coarse = krylov_bracket(_functions(form, x)), krylov_bracket(_functions(form, x, rounding=1e-6))
    assert bool((coarse.lower < fine.lower).all())
    assert bool((coarse.upper > fine.upper).all())


def test_disc_around_the_origin():
    # q(δ) = |x + δ|² - 1 with |x| = 3: P = 1 has no negative eigenvalue, the distance is 2.
    x = torch.tensor([[3.0, 0.0, 0.0], [0.0, -1.8, 2.4]], dtype=torch.float64)
    q = QuadraticFunctions(
        times=lambda rows: rows,
        value=x.square().sum(dim=1) - 1,
        gradient=x,
        floor=1.0,
        norm=1.0,
        rounding=1e-15,
        size=x.norm(dim=1),
    )
    found = krylov_bracket(q)
    torch.testing.assert_close(found.lower, torch.full((2,), 2.0, dtype=torch.float64), rtol=1e-8, atol=0)
    torch.testing.assert_close(found.upper, torch.full((2,), 2.0, dtype=torch.float64), rtol=1e-8, atol=0)
    torch.testing.assert_close(found.step, -2 / 3 * x, rtol=1e-7, atol=1e-9)


def _products(forms):
    return FormProducts(
        classes=len(forms),
        times=lambda c, rows: rows @ torch.einsum("k,kij->ij", c, forms),
        spectrum=lambda c: tuple(torch.linalg.eigvalsh(torch.einsum("k,kij->ij", c, forms))[[0, -1]].tolist()),
        rounding=1e-14,
    )


@pytest.mark.one_fast(2)
@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("targeted", [False, True])
def test_several_classes_equal_the_dense_solver(mapped, targeted):
    generator = torch.Generator().manual_seed(1)
    forms = torch.stack([_form(seed, 24) for seed in range(4)])
    input_map = None
    x = torch.randn(30, 24, generator=generator, dtype=torch.float64)
    if mapped:
        weight = torch.randn(24, 10, generator=generator, dtype=torch.float64)
        input_map = AffineMap(weight, torch.randn(24, generator=generator, dtype=torch.float64))
        x = x[:, :10]
    products = _products(forms)
    y = products.scores(x if input_map is None else input_map(x)).argmax(dim=1)
    target = (y + 1) % 4 if targeted else None
    found = nearest_flips_by_products(products, x, y, target, input_map=input_map)
    dense = nearest_flips(forms, x, y, target, input_map=input_map)
    assert bool((found.lower <= dense.upper).all())
    closed = found.gap < 1e-6
    # Behind a map the floor lies well below the spectrum; a target passed by another class is no flip.
    assert closed.double().mean() > (0.2 if targeted else 0.5 if mapped else 0.8)
    torch.testing.assert_close(found.lower[closed], dense.lower[closed], rtol=1e-6, atol=0)
    if not targeted:
        assert torch.equal(found.rival[closed], dense.rival[closed])
        torch.testing.assert_close(found.points[closed], dense.points[closed], rtol=1e-4, atol=1e-5)
    else:
        assert torch.equal(torch.isfinite(found.upper), torch.isfinite(dense.upper))
        scores = products.scores(found.points if input_map is None else input_map(found.points))
        assert torch.equal(scores.argmax(dim=1)[torch.isfinite(found.upper)], target[torch.isfinite(found.upper)])


def test_misclassified_rows_and_unflippable_pairs():
    one = torch.eye(3, dtype=torch.float64)
    products = _products(torch.stack([2 * one, one]))
    x = torch.ones(2, 3, dtype=torch.float64)
    found = nearest_flips_by_products(products, x, torch.tensor([0, 1]))
    assert torch.isinf(found.lower).tolist() == [True, False]
    assert found.lower[1] == 0
    assert found.upper[1] == 0
