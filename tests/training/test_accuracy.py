"""Accuracy by hand, ties included."""

import torch

from counterspin.datasets import Split
from counterspin.training import accuracy
from counterspin.training.accuracy import margins
from counterspin.types import Box


class Echo:
    """Scores are the features."""

    bounds = Box.unbounded(3)
    classes = 3
    outputs = "logits"
    stochastic = False

    def __init__(self) -> None:
        self.dtypes: set[torch.dtype] = set()

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        self.dtypes.add(x.dtype)
        return x


SCORES = torch.tensor([[3, 1, 2], [0, 5, 5], [1, 4, 0], [2, 2, 9], [-1, -2, -3]], dtype=torch.float64)
LABELS = torch.tensor([0, 1, 1, 0, 0])


def test_margins() -> None:
    assert margins(SCORES, LABELS).tolist() == [1.0, 0.0, 3.0, -7.0, 1.0]


def test_a_tie_counts_as_wrong_and_batches_do_not_matter() -> None:
    split = Split(SCORES, LABELS)
    for batch_size in (1, 2, 5, 100):
        assert accuracy(Echo(), split, batch_size=batch_size) == 3 / 5


def test_precision_is_the_one_asked_for() -> None:
    model = Echo()
    accuracy(model, Split(SCORES, LABELS))
    assert model.dtypes == {torch.float64}
    accuracy(model, Split(SCORES, LABELS), dtype=torch.float32)
    assert model.dtypes == {torch.float64, torch.float32}
