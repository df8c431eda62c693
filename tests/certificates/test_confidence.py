"""Joint bounds: coverage by exact enumeration of all outcomes, tightness at the bound itself."""

import itertools
import math

import pytest
import torch
from scipy.stats import binom, multinomial

from counterspin.certificates.confidence import binomial_lower, binomial_upper, pessimistic_probabilities
from counterspin.errors import InputError


@pytest.mark.parametrize("shots", [1, 7, 100, 10_000])
@pytest.mark.parametrize("error", [0.3, 0.05, 1e-3, 1e-9])
def test_the_bound_is_where_the_tail_has_the_stated_weight(shots, error):
    hits = torch.tensor(sorted({1, 2, shots // 2, shots - 1, shots} - {0} & set(range(1, shots + 1))))
    lower, upper = binomial_lower(hits, shots, error), binomial_upper(hits - 1, shots, error)
    for k, low, high in zip(hits.tolist(), lower.tolist(), upper.tolist(), strict=True):
        assert binom.sf(k - 1, shots, low) == pytest.approx(error, rel=5e-3)
        assert binom.sf(k - 1, shots, low) <= error
        assert binom.cdf(k - 1, shots, high) == pytest.approx(error, rel=5e-3)
        assert binom.cdf(k - 1, shots, high) <= error


def test_ends():
    nothing, everything = torch.tensor([0]), torch.tensor([20])
    assert binomial_lower(nothing, 20, 0.05).item() == 0.0
    assert binomial_upper(everything, 20, 0.05).item() == 1.0
    assert binomial_lower(everything, 20, 0.05).item() == pytest.approx(0.05 ** (1 / 20), rel=1e-9)


@pytest.mark.one_fast
@pytest.mark.parametrize("shots", [5, 30])
def test_one_sided_coverage_of_every_probability(shots):
    # Exact: the chance of each number of hits is known. It is never below the level, and reaches it somewhere.
    bounds = binomial_lower(torch.arange(shots + 1), shots, 0.1)
    grid = torch.cat([torch.linspace(0, 1, 501, dtype=torch.float64), bounds * (1 - 1e-6), bounds * (1 + 1e-6)])
    covered = [
        sum(binom.pmf(k, shots, p) for k in range(shots + 1) if bounds[k] <= p) for p in grid.clamp(0, 1).tolist()
    ]
    assert min(covered) >= 0.9 - 1e-9
    assert min(covered) < 0.9 + 1e-4


PROBABILITIES = [(0.5, 0.3, 0.2), (0.34, 0.33, 0.33), (0.97, 0.02, 0.01), (0.1, 0.9, 0.0), (0.2, 0.2, 0.2)]


@pytest.mark.parametrize("p", PROBABILITIES)
@pytest.mark.parametrize("shots", [3, 25])
@pytest.mark.parametrize("y", [0, 1])
def test_joint_coverage_by_enumeration(p, shots, y):
    # The last probabilities leave 0.4 to outcomes of no class.
    true = torch.tensor(p, dtype=torch.float64)
    table = [c for c in itertools.product(range(shots + 1), repeat=3) if sum(c) <= shots]
    counts = torch.tensor(table)
    bounds = pessimistic_probabilities(counts, shots, torch.full((len(table),), y), 0.9)
    others = [j for j in range(3) if j != y]
    holds = (bounds[:, y] <= true[y]) & (bounds[:, others] >= true[others]).all(dim=1)
    whole = torch.cat([counts, shots - counts.sum(dim=1, keepdim=True)], dim=1).numpy()
    weights = multinomial.pmf(whole, shots, [*p, max(0.0, 1 - sum(p))])
    assert weights.sum() == pytest.approx(1.0, abs=1e-9)
    assert weights[holds.numpy()].sum() >= 0.9 - 1e-9


def test_joint_coverage_is_spent():
    # At probabilities just inside the bounds the failures of all three classes add up to nearly 10 %.
    shots, failed = 25, []
    for a in range(1, 26):
        low = binomial_lower(torch.tensor([a]), shots, 0.1 / 3).item()
        failed.append(binom.sf(a - 1, shots, low * (1 - 1e-9)))
    assert max(failed) == pytest.approx(0.1 / 3, rel=1e-3)


def test_two_classes_that_share_all_shots_need_no_correction():
    counts, y = torch.tensor([[90, 10], [10, 90]]), torch.tensor([0, 1])
    both = pessimistic_probabilities(counts, 100, y, 0.95, complete=True)
    alone = binomial_lower(torch.tensor([90]), 100, 0.05).item()
    assert both[0].tolist() == pytest.approx([alone, 1 - alone])
    assert both[1].tolist() == pytest.approx([1 - alone, alone])
    apart = pessimistic_probabilities(counts, 100, y, 0.95)
    assert apart[0, 0].item() == pytest.approx(binomial_lower(torch.tensor([90]), 100, 0.025).item())


def test_upper_bounds_know_that_probabilities_sum_to_one():
    bounds = pessimistic_probabilities(torch.tensor([[500, 499, 0]]), 1000, torch.tensor([0]), 0.99)
    assert bounds[0, 1].item() == pytest.approx(
        min(binomial_upper(torch.tensor(499), 1000, 0.01 / 3).item(), 1 - bounds[0, 0].item())
    )
    certain = pessimistic_probabilities(torch.tensor([[3, 0, 0]]), 3, torch.tensor([0]), 0.99)
    assert bool((certain[0, 1:] <= 1 - certain[0, 0]).all())


@pytest.mark.parametrize(
    ("hits", "shots", "error", "message"),
    [
        (-1, 5, 0.1, "whole numbers"),
        (6, 5, 0.1, "whole numbers"),
        (1.5, 5, 0.1, "whole numbers"),
        (0, 0, 0.1, "at least 1"),
        (1, 5, 0.0, "error is 0"),
        (1, 5, math.nan, "error is nan"),
    ],
)
def test_refusals(hits, shots, error, message):
    with pytest.raises(InputError, match=message):
        binomial_lower(torch.tensor([hits]), shots, error)


def test_counts_and_confidence_are_checked():
    y = torch.tensor([0])
    with pytest.raises(InputError, match="no row sums to more than the shots"):
        pessimistic_probabilities(torch.tensor([[3, 3]]), 5, y, 0.9)
    with pytest.raises(InputError, match="counts have shape"):
        pessimistic_probabilities(torch.tensor([3, 3]), 6, y, 0.9)
    with pytest.raises(InputError, match="confidence is 1"):
        pessimistic_probabilities(torch.tensor([[3, 3]]), 6, y, 1.0)
