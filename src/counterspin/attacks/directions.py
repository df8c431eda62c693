"""The direction of unit norm along which a linear function grows most, for each norm."""

from __future__ import annotations

import torch
from torch import Tensor

from counterspin.attacks.structure import Structure

__all__ = ["fullest", "normalised", "sparse_signs", "vertex"]


def normalised(gradient: Tensor) -> Tensor:
    """`gradient` `(rows, features)` at L2 length 1; 0 where it is 0."""
    # Scaled first: squares of tiny float32 gradients underflow.
    peak = gradient.abs().amax(dim=1, keepdim=True)
    scaled = torch.where(peak > 0, gradient / peak, 0.0)
    length = torch.linalg.vector_norm(scaled, dim=1, keepdim=True)
    return torch.where(length > 0, scaled / length, 0.0)


def sparse_signs(gradient: Tensor, change: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
    r"""Signs of the largest entries, at L1 length 1 (after arXiv:2103.01208); 0 where nothing can move.

    .. math:: d_i \propto \operatorname{sign}(g_i) \quad \text{for the } k \text{ largest } |g_i| \text{ that can move},
        \quad k = \max(1, \lfloor \|\delta\|_0 / 1.5 \rfloor)

    The single largest entry would be the steepest direction, but makes ascents of curved losses go round in circles.
    The paper thins out :math:`k` at checkpoints from the changes of the best point; here each point sets its own by the
    changes that are not at their bound, and a point without changes starts with a fifth of the features. Entries at
    their bound that are at least as large are pushed against it, or the projection would take back from them what the
    others gain; so the optimum of a linear function is a fixed point of ascent.

    Args:
        gradient: `(rows, features)`.
        change: the point the step starts from, minus the clean input `(rows, features)`.
        lower: lowest change, at most 0, `(rows, features)`.
        upper: highest change, at least 0, `(rows, features)`.
    """
    size = gradient.abs()
    stuck = torch.where(gradient > 0, change >= upper, change <= lower) & (gradient != 0)
    reach = size.masked_fill(stuck, 0.0)
    free = ((change != 0) & ~stuck).sum(dim=1, keepdim=True)
    moved = (change != 0).any(dim=1, keepdim=True)
    count = torch.where(moved, (free / 1.5).floor().clamp_min(1.0), -(-change.shape[1] // 5))
    chosen = (_rank(reach) < count) & (reach > 0)
    least = reach.masked_fill(~chosen, torch.inf).amin(dim=1, keepdim=True)
    pushed = chosen | (stuck & (size >= least))
    return torch.where(pushed, gradient.sign(), 0.0) / pushed.sum(dim=1, keepdim=True).clamp_min(1)


def fullest(gradient: Tensor, center: Tensor, radius: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
    """From the centre to the point of box and L1 ball that a linear function likes best, divided by the radius.

    The features with the largest gradients go to their bounds until the radius is used up.
    """
    # No feature goes farther than the radius; without the limit, bounds that are infinite would not add up.
    room = torch.minimum(torch.where(gradient > 0, upper - center, center - lower), radius)
    order = gradient.abs().argsort(dim=1, descending=True, stable=True)
    ordered = room.gather(1, order)
    taken = torch.minimum(ordered, (radius - (ordered.cumsum(dim=1) - ordered)).clamp_min(0.0))
    taken = torch.zeros_like(room).scatter(1, order, taken)
    return torch.where(radius > 0, gradient.sign() * taken / radius, 0.0)


def vertex(
    gradient: Tensor, center: Tensor, radius: Tensor, lower: Tensor, upper: Tensor, structure: Structure | None
) -> Tensor:
    """From the centre to the point of box and L0 ball that a linear function likes best, divided by the radius.

    Each unit goes where it gains most (a discrete group to one of its values), and the units that gain most go.
    """
    down, up = lower - center, upper - center
    move = torch.where(gradient > 0, up, torch.where(gradient < 0, down, 0.0))
    if structure is None:
        gain = gradient * move
    else:
        for block in structure.blocks:
            values = block.candidates(center)
            steps = values - values[:, :, :1]
            best = (steps * gradient[:, block.features][:, :, None]).sum(dim=3).argmax(dim=2)
            move[:, block.features] = steps.gather(2, best[:, :, None, None].expand(-1, -1, 1, steps.shape[3])).squeeze(
                2
            )
        gain = structure.sums(gradient * move)
    goes = (_rank(gain) + 1 <= radius) & (gain > 0)
    goes = goes if structure is None else goes[:, structure.unit]
    return torch.where(goes, move, 0.0) / radius.clamp_min(1.0)


def _rank(values: Tensor) -> Tensor:
    """Place of each value in its row, 0 for the largest."""
    return values.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
