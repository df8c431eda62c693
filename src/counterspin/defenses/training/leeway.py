"""How far a penalty on certificates may cost accuracy before it lets go."""

import math

from torch import Tensor

from counterspin.errors import UsageError

__all__ = ["TOLERANCE", "check_tolerance", "leeway"]

TOLERANCE = 0.1


def leeway(scores: Tensor, y: Tensor, tolerance: float) -> float:
    r"""Share of its weight that a penalty keeps on a batch, :math:`\max(0, 1 - e/t)` for the batch's error rate e.

    Bounds grow with gates, re-uploads and classes, and the classification loss does not: on a circuit deep enough, a
    penalty of fixed weight is least where the encoding is switched off. Held to what the training fits, it also warms
    up by itself, as the shares of certified training do by a timetable (arXiv:1810.12715).

    Args:
        scores: of a batch `(batch, classes)`.
        y: labels `(batch,)`.
        tolerance: t; infinite: the penalty keeps its weight.

    Example:
        >>> import torch
        >>> scores = torch.eye(4)
        >>> leeway(scores, torch.tensor([0, 1, 2, 2]), 0.5), leeway(scores, torch.tensor([0, 1, 2, 2]), 0.1)
        (0.5, 0.0)
    """
    wrong = float((scores.detach().argmax(dim=1) != y).double().mean())
    return max(0.0, 1 - wrong / tolerance)


def check_tolerance(name: str, tolerance: float) -> None:
    """Refuse what is no error rate to tolerate."""
    if math.isnan(tolerance) or tolerance <= 0:
        raise UsageError(
            f"{name}: tolerance is {tolerance}; give the training error above 0 at which it lets go, or inf for never."
        )
