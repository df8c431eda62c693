"""Fits of trigonometric polynomials of several variables and their derivatives."""

import pytest
import torch

from counterspin.optimum.multivariate import fitted, product_nodes, taylor

SPECTRA = [(1.0, 2.0), (0.7,), (0.5, 1.3)]


def wave(x):
    """Two functions in the span, one of them with mixed terms."""
    a, b, c = x.unbind(dim=-1)
    return torch.stack([0.3 + (2 * a - 0.7 * b).cos() - (a + 1.3 * c).sin(), (0.5 * c).cos() * (0.7 * b).sin()], dim=-1)


def fit():
    nodes = product_nodes(SPECTRA, at_most=75)
    grid = torch.cartesian_prod(*nodes)
    return fitted(SPECTRA, nodes, wave(grid).reshape(5, 3, 5, 2))


def points(count=20):
    return 6 * torch.rand(count, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 3


def test_a_function_in_the_span_is_met_within_its_rounding():
    polynomials, x = fit(), points()
    error = (polynomials.values(x) - wave(x)).abs().amax(dim=0)
    assert bool((error <= polynomials.rounding).all())
    assert float(polynomials.rounding.max()) < 1e-9
    # cos(2a - 0.7b), sin(a + 1.3c) and the two terms of the product: nothing else is kept.
    assert polynomials.frequencies.shape == (4, 3)
    assert polynomials.amplitude.sum(dim=1).tolist() == pytest.approx([2.0, 1.0], rel=1e-9)


def test_derivatives_against_autograd():
    polynomials, x = fit(), points(5)
    found = taylor(polynomials, x)
    torch.testing.assert_close(found.value, wave(x), rtol=0, atol=1e-10)
    for row in range(3):
        for k in range(2):
            gradient = torch.autograd.functional.jacobian(lambda z, k=k: wave(z)[k], x[row])
            hessian = torch.autograd.functional.hessian(lambda z, k=k: wave(z)[k], x[row])
            torch.testing.assert_close(found.gradient[row, k], gradient, rtol=0, atol=1e-10)
            torch.testing.assert_close(found.hessian[row, k], hessian, rtol=0, atol=1e-9)


def test_differences():
    polynomials, x = fit(), points(4)
    pair = polynomials.differences(torch.tensor([1]), torch.tensor([0]))
    torch.testing.assert_close(pair.values(x)[:, 0], wave(x)[:, 1] - wave(x)[:, 0], rtol=0, atol=1e-10)
    assert pair.rounding.item() == pytest.approx(polynomials.rounding.sum().item())


def test_grids_that_are_not_worth_having():
    assert product_nodes(SPECTRA, at_most=74) is None
    # Frequencies next to each other ask for nodes too far away.
    assert product_nodes([(1.0, 1.0 + 1e-9)], at_most=100) is None
    assert [len(nodes) for nodes in product_nodes([(), (1.0,)], at_most=3)] == [1, 3]
