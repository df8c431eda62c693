"""From the relaxed set to the discrete one: the admissible joint values next to a point, and all there are."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from counterspin.attacks.projections import clip, largest_changes, norm_of
from counterspin.attacks.structure import Block, Structure

__all__ = ["given_back", "joint_values", "replaced", "rounded", "spending"]


def rounded(
    x: Tensor, center: Tensor, radius: Tensor, norm: str, lower: Tensor, upper: Tensor, structure: Structure
) -> Tensor:
    """An admissible point next to each row of `x` `(rows, features)`, which lies in the relaxed ball (in L0: anywhere).

    L-infinity and L0: the nearest one. L2 and L1: the nearest joint value group by group; where they lie outside the
    ball, changes go back to the clean value until the rest fits, those first that bring least squared distance to `x`
    for what they spend of the budget (a knapsack, solved greedily).
    """
    if norm == "l0":
        nearest = [_nearest(x, block, block.candidates(center)) for block in structure.blocks]
        snapped = replaced(clip(x, lower, upper), structure, nearest)
        return torch.where(largest_changes(x, snapped, center, radius, structure), snapped, center)
    chosen, worth = [], []
    for block in structure.blocks:
        values = block.candidates(center)
        fits = spending(values - values[:, :, :1], norm) <= _budget(radius, norm)[:, :, None]
        best = _nearest(x, block, values, fits)
        chosen.append(best)
        part = x[:, block.features]
        gain = (part - values[:, :, 0]).square().sum(dim=2) - (part - best).square().sum(dim=2)
        spent = spending(best - values[:, :, 0], norm)
        worth.append(torch.where(spent > 0, gain / spent, torch.inf))
    point = replaced(x, structure, chosen)
    if norm == "linf":
        return point
    return given_back(point, center, radius, norm, structure, torch.cat(worth, dim=1))


def given_back(point: Tensor, center: Tensor, radius: Tensor, norm: str, structure: Structure, worth: Tensor) -> Tensor:
    """`point` with groups set back to their clean value, least `worth` `(rows, groups)` first, until it is inside."""
    spent = torch.cat([spending((point - center)[:, block.features], norm) for block in structure.blocks], dim=1)
    rest = spending((point - center).masked_fill(structure.discrete, 0.0), norm)[:, None]
    order = worth.argsort(dim=1, descending=True, stable=True)
    fits = rest + spent.gather(1, order).cumsum(dim=1) <= _budget(radius, norm)
    kept = torch.zeros_like(fits).scatter(1, order, fits)
    # Sums in another order may differ in the last digit.
    kept &= norm_of(_kept(point, center, structure, kept) - center, norm) <= radius
    return _kept(point, center, structure, kept)


def joint_values(
    center: Tensor, radius: Tensor, norm: str, structure: Structure
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Of each group the joint values that are admissible as the only change, the clean one first.

    Yields:
        Features `(width,)`, values `(rows, most, width)` and how many of these each row has `(rows,)`; what follows
        them in a row is not admissible.
    """
    for block in structure.blocks:
        values = block.candidates(center)
        if norm == "l0":
            usable = torch.ones_like(values[..., 0], dtype=torch.bool)
        else:
            usable = spending(values - values[:, :, :1], norm) <= _budget(radius, norm)[:, :, None]
        same = (values[:, :, :, None] == values[:, :, None]).all(dim=4)
        usable &= ~same.tril(-1).any(dim=3)
        order = usable.to(torch.int8).argsort(dim=2, descending=True, stable=True)
        values = values.gather(2, order[..., None].expand_as(values))
        for group, (features, number) in enumerate(zip(block.features, usable.sum(dim=2).unbind(dim=1), strict=True)):
            yield features, values[:, group, : int(number.max())], number


def spending(delta: Tensor, norm: str) -> Tensor:
    """What changes `(..., width)` take of the budget, `(...)`: the largest (L-infinity), sum (L1) or sum of squares."""
    if norm == "linf":
        return delta.abs().amax(dim=-1)
    return delta.abs().sum(dim=-1) if norm == "l1" else delta.square().sum(dim=-1)


def replaced(x: Tensor, structure: Structure, values: list[Tensor]) -> Tensor:
    """`x` with the values `(rows, groups, width)` of each block in place."""
    x = x.clone()
    for block, new in zip(structure.blocks, values, strict=True):
        x[:, block.features] = new
    return x


def _budget(radius: Tensor, norm: str) -> Tensor:
    return radius.square() if norm == "l2" else radius


def _nearest(x: Tensor, block: Block, values: Tensor, fits: Tensor | None = None) -> Tensor:
    """The nearest of `values` `(rows, groups, values, width)` that fits, `(rows, groups, width)`."""
    distance = (values - x[:, block.features][:, :, None]).square().sum(dim=3)
    distance = distance if fits is None else distance.masked_fill(~fits, torch.inf)
    index = distance.argmin(dim=2)[:, :, None, None].expand(-1, -1, 1, values.shape[3])
    return values.gather(2, index)[:, :, 0]


def _kept(point: Tensor, center: Tensor, structure: Structure, kept: Tensor) -> Tensor:
    """`point` where `kept` `(rows, groups)`, the clean values in the other groups."""
    result, position = point.clone(), 0
    for block in structure.blocks:
        part = kept[:, position : position + len(block.features), None]
        result[:, block.features] = torch.where(part, point[:, block.features], center[:, block.features])
        position += len(block.features)
    return result
