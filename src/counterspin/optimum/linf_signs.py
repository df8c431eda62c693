"""Quadratic forms that are positive on a box because of its signs."""

import torch
from torch import Tensor

__all__ = ["positive_by_signs"]


def positive_by_signs(form: Tensor, low: Tensor, high: Tensor) -> bool:
    r"""Whether :math:`z^T A z > 0` for all `z` of the box but 0 is proved by a split of the form.

    Where no two features `i`, `j` of the box can differ in sign from :math:`\sigma_i \sigma_j`, entries
    :math:`N_{ij} = \sigma_i \sigma_j \max(\sigma_i \sigma_j A_{ij}, 0)` off the diagonal contribute at least 0, and
    positive definiteness of :math:`A - N` suffices (a sum of a positive definite and a non-negative form is strictly
    copositive).

    Args:
        form: symmetric `A` `(d, d)` float64.
        low: lower ends of the box `(d,)`.
        high: upper ends `(d,)`.

    Example:
        >>> form, one = torch.tensor([[1.0, 5.0], [5.0, 1.0]]).double(), torch.ones(2).double()
        >>> positive_by_signs(form, 0 * one, one), positive_by_signs(form, -one, one)
        (True, False)
    """
    if bool((form.diagonal() <= 0).any()):
        return False
    sign = torch.where(low >= 0, 1.0, torch.where(high <= 0, -1.0, 0.0)).to(form)
    both = sign[:, None] * sign
    helpful = both * (both * form).clamp(min=0)
    helpful.fill_diagonal_(0.0)
    values = torch.linalg.eigvalsh(form - helpful)
    slack = 8 * (len(values) + 8) * torch.finfo(values.dtype).eps * float(values.abs().max())
    return float(values[0]) > slack
