"""Known answers: thresholds against drawn shots, and shots needed against what is then caught."""

import pytest
import torch

from counterspin.errors import InputError, UsageError
from counterspin.evaluation.parts.known_answers import caught, noise_threshold, shots_needed

P = torch.tensor([[0.4, 0.3, 0.2, 0.1], [0.97, 0.01, 0.01, 0.01]], dtype=torch.float64)
Q = torch.tensor([[0.3, 0.3, 0.2, 0.2], [0.97, 0.01, 0.01, 0.01]], dtype=torch.float64)


def drawn(distribution, shots, generator):
    counts = [torch.multinomial(row, shots, replacement=True, generator=generator) for row in distribution]
    return torch.stack([torch.bincount(row, minlength=4) for row in counts])


def test_the_threshold_is_above_the_mean_and_its_quantile_of_drawn_shots():
    generator = torch.Generator().manual_seed(0)
    draws = torch.stack([drawn(P, 200, generator) for _ in range(2000)])
    distance = (draws / 200 - P).abs().sum(dim=-1) / 2
    quantile = distance.quantile(0.95, dim=0)
    threshold = noise_threshold(P, 200, 0.05)
    assert bool((threshold >= quantile).all())
    # Tight within a factor of 2 where no outcome is nearly certain.
    assert float(threshold[0]) < 2 * float(quantile[0])


def test_false_alarms_are_rare_and_a_tampered_circuit_is_caught_with_the_shots_named():
    generator = torch.Generator().manual_seed(1)
    shots = shots_needed(P, Q, alpha=0.05, beta=0.05)
    alarms = [caught(P, drawn(P, shots, generator), alpha=0.05).tampered for _ in range(200)]
    found = [caught(P, drawn(Q, shots, generator), alpha=0.05).tampered for _ in range(200)]
    # 5 % of 200 and four standard deviations.
    assert sum(alarms) <= 22
    assert sum(found) >= 178


def test_shots_are_the_smallest_that_the_bound_gives():
    """Distance 1/2 from a certain outcome: 1.5174 sqrt2 ... solved by hand, (2 * 1.51743 + 0.5)^2 / 0.25 = 49.98."""
    one, other = torch.tensor([[1.0, 0.0]]).double(), torch.tensor([[0.5, 0.5]]).double()
    assert shots_needed(one, other) == 50
    assert shots_needed(one, one) is None


def test_a_smaller_difference_takes_quadratically_more_shots():
    near = 0.9 * P + 0.1 * Q
    assert shots_needed(P, near) / shots_needed(P, Q) == pytest.approx(100, rel=0.05)


def test_counts_that_do_not_fit_are_named():
    with pytest.raises(InputError, match="do not fit the distributions"):
        caught(P, torch.ones(2, 3, dtype=torch.int64))
    with pytest.raises(InputError, match="same number of shots"):
        caught(P, torch.tensor([[4, 0, 0, 0], [5, 0, 0, 0]]))
    with pytest.raises(UsageError, match="shots and alpha"):
        noise_threshold(P, 0, 0.1)
