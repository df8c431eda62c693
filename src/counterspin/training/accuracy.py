"""Share of samples a model gets right."""

import torch
from torch import Tensor

from counterspin.datasets import Split
from counterspin.types import Classifier

__all__ = ["accuracy", "margins"]


def margins(scores: Tensor, y: Tensor) -> Tensor:
    r"""Margin :math:`z_y - \max_{j \ne y} z_j` of each sample `(batch,)`; correct where it is above 0.

    Example:
        >>> margins(torch.tensor([[2.0, 0.5], [1.0, 1.0]]), torch.tensor([0, 1])).tolist()
        [1.5, 0.0]
    """
    own = scores.gather(1, y[:, None]).squeeze(1)
    return own - scores.scatter(1, y[:, None], -torch.inf).amax(dim=1)


@torch.no_grad()
def accuracy(model: Classifier, split: Split, *, dtype: torch.dtype = torch.float64, batch_size: int = 1024) -> float:
    """Share of `split` classified correctly in the precision `dtype`; a tie counts as wrong."""
    right = 0
    for x, y in zip(split.x.split(batch_size), split.y.split(batch_size), strict=True):
        right += int((margins(model(x.to(dtype)), y) > 0).sum())
    return right / len(split)
