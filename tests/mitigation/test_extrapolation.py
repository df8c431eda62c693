"""Extrapolation: closed forms, robustness, gradients, and agreement with mitiq."""

import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from counterspin.errors import ConditionsError, UsageError
from counterspin.mitigation.extrapolation import Exponential, Polynomial, Richardson

FACTORS = [(1.0, 2.0, 3.0), (1.0, 1.5, 2.5, 3.0), (1.0, 3.0, 5.0, 7.0)]


def decays(factors: tuple[float, ...], seed: int = 0, columns: int = 20) -> tuple[Tensor, Tensor]:
    """Values `(factors, columns)` of random exponentials and their values at zero."""
    rng = np.random.default_rng(seed)
    a, rate = rng.uniform(-0.3, 0.3, columns), rng.uniform(0.02, 0.9, columns)
    b = rng.uniform(0.1, 1.0, columns) * rng.choice([-1, 1], columns)
    values = a + b * np.exp(-rate * np.array(factors)[:, None])
    return torch.from_numpy(values), torch.from_numpy(a + b)


@pytest.mark.parametrize("factors", FACTORS)
@pytest.mark.parametrize("order", [1, 2])
def test_polynomial_recovers_polynomials_of_its_order(factors: tuple[float, ...], order: int) -> None:
    scales = torch.tensor(factors, dtype=torch.float64)
    values = 0.7 - 0.2 * scales + (0.03 * scales**2 if order == 2 else 0.0)
    assert float(Polynomial(order=order).extrapolate(factors, values)) == pytest.approx(0.7, abs=1e-12)


@pytest.mark.parametrize("factors", FACTORS)
def test_richardson_is_the_interpolating_polynomial(factors: tuple[float, ...]) -> None:
    scales = torch.tensor(factors, dtype=torch.float64)
    values = torch.stack([0.4 * (-0.75) ** k * scales**k for k in range(len(factors))]).sum(0)
    assert float(Richardson().extrapolate(factors, values)) == pytest.approx(0.4, abs=1e-11)
    assert float(Richardson().coefficients(factors).sum()) == pytest.approx(1.0, abs=1e-12)
    assert torch.allclose(
        Richardson().coefficients(factors), Polynomial(order=len(factors) - 1).coefficients(factors), atol=1e-9
    )


@pytest.mark.parametrize("factors", FACTORS)
def test_exponential_with_fitted_asymptote_recovers_exponentials(factors: tuple[float, ...]) -> None:
    values, truth = decays(factors)
    fit = Exponential()
    assert not bool(fit.fallbacks(factors, values).any())
    assert torch.allclose(fit.extrapolate(factors, values), truth, atol=1e-9)


@pytest.mark.parametrize("factors", FACTORS)
def test_exponential_with_given_asymptote_recovers_exponentials(factors: tuple[float, ...]) -> None:
    scales = torch.tensor(factors, dtype=torch.float64)[:, None]
    b = torch.tensor([0.8, -0.5, 0.05], dtype=torch.float64)
    values = 0.1 + b * torch.exp(-scales * torch.tensor([0.3, 1.5, 0.01], dtype=torch.float64))
    assert torch.allclose(Exponential(asymptote=0.1).extrapolate(factors, values), 0.1 + b, atol=1e-12)


def test_least_squares_beats_every_other_rate_on_data_that_are_no_exponential() -> None:
    factors = (1.0, 2.0, 3.0, 4.0, 6.0)
    scales = torch.tensor(factors, dtype=torch.float64)
    values = 0.2 + 0.6 * torch.exp(-0.4 * scales) + 1e-3 * torch.tensor([1.0, -1.0, 2.0, -1.0, 0.5])
    value = float(Exponential().extrapolate(factors, values[:, None])[0])
    best = (math.inf, 0.0)
    for rate in np.linspace(0.05, 2.0, 20001):
        design = np.stack([np.ones(5), np.exp(-rate * scales.numpy())], axis=1)
        solution, residual, *_ = np.linalg.lstsq(design, values.numpy(), rcond=None)
        best = min(best, (float(residual[0]), float(solution.sum())))
    assert value == pytest.approx(best[1], abs=1e-4)


@pytest.mark.parametrize(
    "values",
    [
        [0.5, 0.6, 0.4],  # not monotone
        [0.5, 0.4, 0.1],  # curved the wrong way
        [0.5, 0.5, 0.5],  # constant
        [0.5, 0.4, 0.3],  # straight: the limit of slow decays
    ],
)
def test_data_that_are_no_decay_fall_back_to_a_line_and_say_so(values: list[float]) -> None:
    factors, data = (1.0, 2.0, 3.0), torch.tensor(values, dtype=torch.float64)[:, None].requires_grad_()
    fit = Exponential()
    found = fit.extrapolate(factors, data)
    assert bool(fit.fallbacks(factors, data).all())
    assert torch.allclose(found, Polynomial().extrapolate(factors, data))
    (gradient,) = torch.autograd.grad(found.sum(), data)
    assert torch.allclose(gradient[:, 0], Polynomial().coefficients(factors))


def test_data_on_both_sides_of_a_given_asymptote_fall_back() -> None:
    factors = (1.0, 2.0, 3.0)
    data = torch.tensor([[0.5, 0.5], [0.2, 0.2], [-0.01, 0.1]], dtype=torch.float64)
    fit = Exponential(asymptote=0.0)
    assert fit.fallbacks(factors, data).tolist() == [True, False]
    assert float(fit.extrapolate(factors, data)[0]) == pytest.approx(
        float(Polynomial().extrapolate(factors, data[:, 0]))
    )


def test_a_sudden_loss_of_all_signal_stays_bounded() -> None:
    # Without a fastest rate, the value at zero would be 0.5 * 0.5 / 1e-9.
    values = torch.tensor([[0.5], [1e-9], [0.0]], dtype=torch.float64, requires_grad=True)
    found = Exponential().extrapolate((1.0, 2.0, 3.0), values)
    assert abs(float(found.detach())) < 3.0
    assert bool(torch.isfinite(torch.autograd.grad(found.sum(), values)[0]).all())


@pytest.mark.parametrize("fit", [Exponential(), Exponential(asymptote=-1.0), Richardson(), Polynomial()])
@pytest.mark.parametrize("factors", FACTORS)
def test_gradients_match_central_differences(fit: Exponential, factors: tuple[float, ...]) -> None:
    values, _ = decays(factors, seed=1, columns=4)
    values = values + 1e-3 * torch.randn(values.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda v: fit.extrapolate(factors, v), values.requires_grad_(), atol=1e-6, rtol=1e-5
    )


@pytest.mark.parametrize("fit", [Exponential(), Exponential(asymptote=0.0), Richardson()])
def test_dtype_and_shape_are_those_of_the_values(fit: Exponential) -> None:
    values = torch.rand(3, 5, 2, generator=torch.Generator().manual_seed(0))
    found = fit.extrapolate((1.0, 2.0, 3.0), values)
    assert found.shape == (5, 2)
    assert found.dtype == torch.float32
    double = fit.extrapolate((1.0, 2.0, 3.0), values.double())
    assert torch.allclose(found.double(), double, atol=1e-5, rtol=1e-5)


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=3))
@settings(max_examples=30, deadline=None)
def test_exponential_is_finite_with_finite_gradients_whatever_the_data(values: list[float]) -> None:
    data = torch.tensor(values, dtype=torch.float64)[:, None].requires_grad_()
    for fit in (Exponential(), Exponential(asymptote=0.0)):
        found = fit.extrapolate((1.0, 2.0, 3.0), data)
        assert bool(torch.isfinite(found).all())
        assert bool(torch.isfinite(torch.autograd.grad(found.sum(), data)[0]).all())


def test_bad_configurations_are_refused() -> None:
    with pytest.raises(UsageError, match="order is 0"):
        Polynomial(order=0)
    with pytest.raises(UsageError, match="asymptote is nan"):
        Exponential(asymptote=math.nan)
    with pytest.raises(ConditionsError, match="not linear"):
        Exponential().coefficients((1.0, 2.0))


@pytest.mark.slow
@pytest.mark.parametrize("factors", FACTORS)
def test_agrees_with_mitiq_on_the_same_data(factors: tuple[float, ...]) -> None:
    from mitiq.zne.inference import ExpFactory, LinearFactory, PolyFactory, RichardsonFactory

    values, _ = decays(factors, seed=2)
    scales = list(factors)
    positive = values.abs().sort(dim=0, descending=True).values + 0.01
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # mitiq warns of fits without spare points
        for column, shifted in zip(values.T, positive.T, strict=True):
            data, decaying = column.tolist(), shifted.tolist()
            for ours, theirs in [
                (Polynomial(), LinearFactory.extrapolate(scales, data)),
                (Polynomial(order=2), PolyFactory.extrapolate(scales, data, order=2)),
                (Richardson(), RichardsonFactory.extrapolate(scales, data)),
            ]:
                assert float(ours.extrapolate(factors, column)) == pytest.approx(theirs, abs=1e-10)
            assert float(Exponential(asymptote=0.0).extrapolate(factors, shifted)) == pytest.approx(
                ExpFactory.extrapolate(scales, decaying, asymptote=0.0), abs=1e-10
            )
            # mitiq's own fit of the asymptote stops at the tolerance of scipy's curve_fit.
            assert float(Exponential().extrapolate(factors, column)) == pytest.approx(
                ExpFactory.extrapolate(scales, data), abs=1e-6
            )
