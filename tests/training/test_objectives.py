"""Cross-entropy against its definition."""

import math

import pytest
import torch

from counterspin.errors import UsageError
from counterspin.training import CrossEntropyObjective
from counterspin.types import Box


class Fixed:
    """Scores are the features; what they mean is said by `outputs`."""

    bounds = Box.unbounded(2)
    classes = 2
    stochastic = False

    def __init__(self, outputs: str) -> None:
        self.outputs = outputs

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return x


LABELS = torch.tensor([0, 1])


def test_logits() -> None:
    logits = torch.tensor([[2.0, 0.0], [1.0, 4.0]], dtype=torch.float64)
    expected = (math.log1p(math.exp(-2)) + math.log1p(math.exp(-3))) / 2
    assert float(CrossEntropyObjective()(Fixed("logits"), logits, LABELS)) == pytest.approx(expected, abs=1e-15)


def test_probabilities_need_not_sum_to_one() -> None:
    probabilities = torch.tensor([[0.5, 0.1], [0.3, 0.2]], dtype=torch.float64)
    expected = -(math.log(0.5) + math.log(0.2)) / 2
    assert float(CrossEntropyObjective()(Fixed("probabilities"), probabilities, LABELS)) == pytest.approx(expected)


def test_an_impossible_outcome_stays_finite() -> None:
    probabilities = torch.tensor([[0.0, 1.0], [0.0, 1.0]], requires_grad=True)
    loss = CrossEntropyObjective()(Fixed("probabilities"), probabilities, LABELS)
    loss.backward()
    assert probabilities.grad is not None
    assert bool(torch.isfinite(loss))
    assert bool(torch.isfinite(probabilities.grad).all())


def test_refuses_expectations() -> None:
    with pytest.raises(UsageError, match="linear head or a logit scale"):
        CrossEntropyObjective()(Fixed("expectations"), torch.zeros(2, 2), LABELS)
