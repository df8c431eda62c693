"""What the values of a model that does not say so are: labels, probabilities or logits."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from counterspin.errors import ModelError
from counterspin.models.integrations.reading import Values
from counterspin.models.integrations.wrapped import raw_values

__all__ = ["guessed_values"]

_SUM = 1e-4
_ROWS = 16
# How far from the samples a value that stays in [0, 1] must do so to be a probability, in units of their spread.
_REACH = 10.0


def guessed_values(home: Callable[[Tensor], Tensor], x: Tensor, *, whole_numbers: bool = False) -> Values:
    """Labels are whole numbers; probabilities stay in [0, 1], far from the samples too; anything else is a logit.

    Rows of several values are probabilities where they sum to 1.

    Args:
        home: features -> raw values.
        x: samples `(samples, features)` float64.
        whole_numbers: the model returns integers.

    Example:
        >>> x = torch.linspace(0, 1, 6, dtype=torch.float64).reshape(3, 2)
        >>> [guessed_values(f, x) for f in (lambda x: x.sum(dim=1) / 2, lambda x: torch.softmax(x, dim=1))]
        ['logits', 'probabilities']
    """
    with torch.no_grad():
        near = raw_values(home, x[:_ROWS])
        if near.shape[1] == 1 and (whole_numbers or bool((near == near.round()).all())):
            return "labels"
        if not _in_unit_interval(near):
            return "logits"
        if near.shape[1] > 1:
            return "probabilities" if float((near.sum(dim=1) - 1).abs().max()) <= _SUM else "logits"
        generator = torch.Generator().manual_seed(0)
        spread = (x.amax(dim=0) - x.amin(dim=0)).clamp(min=1.0)
        noise = torch.randn(_ROWS, x.shape[1], generator=generator, dtype=torch.float64)
        try:
            far = raw_values(home, x.mean(dim=0) + _REACH * spread * noise)
        except ModelError:  # it refuses such points: what was seen must do
            far = near
    return "probabilities" if _in_unit_interval(far) else "logits"


def _in_unit_interval(values: Tensor) -> bool:
    return bool(((values >= 0) & (values <= 1)).all())
