"""Multinomial sampling against its exact moments."""

import pytest
import torch

from counterspin.simulation.shots import sampled_distribution

P = torch.tensor([0.05, 0.0, 0.25, 0.7], dtype=torch.float64)
ROWS = 40_000
# Drawn shot by shot, and counted outcome by outcome.
WAYS = pytest.mark.parametrize("shots", [12, 50])


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@WAYS
def test_mean_and_covariance_are_multinomial(shots: int) -> None:
    sampled = sampled_distribution(P.expand(ROWS, -1), shots, seeded(0))
    covariance = (torch.diag(P) - torch.outer(P, P)) / shots
    mean_error = torch.sqrt(covariance.diagonal() / ROWS)
    assert bool(((sampled.mean(0) - P).abs() <= 5 * mean_error).all())
    centred = sampled - P
    # Standard error of each entry from the spread of the products themselves.
    products = centred[:, :, None] * centred[:, None, :]
    error = products.std(0) / ROWS**0.5
    assert bool(((products.mean(0) - covariance).abs() <= 5 * error).all())
    assert bool((error.diagonal()[[0, 2, 3]] < 0.02 * covariance.diagonal()[[0, 2, 3]]).all())


@WAYS
def test_impossible_outcomes_never_occur_and_frequencies_add_up(shots: int) -> None:
    sampled = sampled_distribution(P.expand(ROWS, -1), shots, seeded(1))
    assert float(sampled[:, 1].abs().max()) == 0.0
    assert torch.allclose(sampled.sum(1), torch.ones(ROWS, dtype=torch.float64), atol=1e-14)


@pytest.mark.slow
def test_chunks_do_not_change_the_law_and_rows_are_independent() -> None:
    # 3 shots take two chunks of rows.
    sampled = sampled_distribution(P.expand(2**21, -1), 3, seeded(2)).unflatten(0, (4, -1)).mean(dim=1)
    assert bool(((sampled - P).abs() <= 5 * torch.sqrt(P * (1 - P) / (3 * 2**19))).all())
    assert len({tuple(row) for row in sampled.tolist()}) == 4


def test_seed_decides_and_dtype_is_kept() -> None:
    p = P.float().expand(3, -1)
    first, second = (sampled_distribution(p, 10, seeded(5)) for _ in range(2))
    assert torch.equal(first, second)
    assert first.dtype == torch.float32


def test_rounding_below_zero_is_no_error() -> None:
    p = torch.tensor([[1.0 + 1e-17, -1e-17]], dtype=torch.float64)
    assert sampled_distribution(p, 5, seeded(0)).tolist() == [[1.0, 0.0]]


def test_outcomes_behind_the_last_possible_one_take_nothing() -> None:
    p = torch.tensor([[0.3, 0.7, 0.0, 0.0]], dtype=torch.float64).expand(1000, -1)
    assert not bool(sampled_distribution(p, 100, seeded(0))[:, 2:].any())
