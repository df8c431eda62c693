"""Random points of a norm ball under constraints."""

from __future__ import annotations

import torch
from torch import Tensor

from counterspin.attacks.rounding import given_back, joint_values, spending
from counterspin.attacks.structure import Structure

__all__ = ["draw", "draw_sparse"]


def draw(center: Tensor, radius: Tensor, norm: str, structure: Structure | None, generator: torch.Generator) -> Tensor:
    """A draw from each norm ball `(rows, features)`, in L-infinity, L2 or L1; the box is not looked at.

    Continuous features: uniform in the ball of the features that may change; tied ones count once. Discrete groups in
    L-infinity: uniform over the admissible joint values. In L2 and L1 they are drawn alike and given back in random
    order until they take no more than a uniform share of the budget (all of it where nothing is continuous); the
    continuous features share what is left.
    """
    if structure is None:
        return center + _uniform_in_ball(center, radius, norm, center.shape[1], None, generator)
    continuous = structure.movable & ~structure.discrete
    if not structure.blocks:
        return center + _uniform_in_ball(center, radius, norm, _dimension(structure, continuous), structure, generator)
    point = center.clone()
    for features, values, number in joint_values(center, radius, norm, structure):
        point[:, features] = _pick(values, torch.zeros_like(number), number, generator)
    left = radius
    if norm != "linf":
        share = _uniform(center[:, :1], generator) if bool(continuous.any()) else 1.0
        groups = sum(len(block.features) for block in structure.blocks)
        order = _uniform(center[:, :1].expand(-1, groups), generator)
        point = given_back(point, center, radius * share, norm, structure, order)
        spent = spending(point - center, norm)[:, None]
        left = (radius - spent if norm == "l1" else (radius.square() - spent).clamp_min(0.0).sqrt()).clamp_min(0.0)
    if not bool(continuous.any()):
        return point
    step = _uniform_in_ball(center, left, norm, _dimension(structure, continuous), structure, generator)
    return torch.where(continuous, center + step, point)


def draw_sparse(
    center: Tensor,
    radius: Tensor,
    lower: Tensor,
    upper: Tensor,
    structure: Structure | None,
    generator: torch.Generator,
) -> Tensor:
    """A draw from each L0 ball `(rows, features)`: units chosen at random, as many as the budget allows.

    A chosen continuous feature is uniform between its bounds, a discrete group uniform over its other values.
    """
    share = _uniform(center, generator)
    share = share if structure is None else structure.first(share)
    point = lower + share * (upper - lower)
    if structure is None:
        units = (upper > lower).to(center)
    else:
        for features, values, number in joint_values(center, radius, "l0", structure):
            point[:, features] = _pick(values, (number > 1).long(), number, generator)
        units = (structure.sums((upper > lower).to(center)) > 0).to(center)
    # Units that cannot move come last.
    rank = (units + _uniform(units, generator)).argsort(dim=1, descending=True).argsort(dim=1)
    chosen = rank + 1 <= radius
    return torch.where(chosen if structure is None else chosen[:, structure.unit], point, center)


def _dimension(structure: Structure, continuous: Tensor) -> int:
    return int(structure.unit[continuous].unique().numel())


def _uniform_in_ball(
    center: Tensor,
    radius: Tensor,
    norm: str,
    dimension: int,
    structure: Structure | None,
    generator: torch.Generator,
) -> Tensor:
    r"""A uniform step in the ball of the continuous features that may change; 0 for the others.

    A tied set of m features is one coordinate with norm :math:`m^{1/p} |t|`.
    """
    if norm == "linf":
        return radius * _spread(2 * _uniform(center, generator) - 1, 0.0, structure)
    if norm == "l2":
        share = _uniform(center[:, :1], generator) ** (1.0 / max(dimension, 1))
        step = _spread(_normal(center, generator), 0.5, structure)
        return radius * share * (step / _positive(torch.linalg.vector_norm(step, dim=1, keepdim=True)))
    # Exponential draws over their sum are uniform on the simplex; one more of them fills the inside.
    sizes = -torch.log1p(-_uniform(center, generator))
    signs = torch.where(_uniform(center, generator) < 0.5, -1.0, 1.0).to(center)
    step = _spread(sizes * signs, 1.0, structure)
    inside = -torch.log1p(-_uniform(center[:, :1], generator))
    return radius * step / _positive(step.abs().sum(dim=1, keepdim=True) + inside)


def _spread(noise: Tensor, power: float, structure: Structure | None) -> Tensor:
    """Independent `noise` `(rows, features)` as the same step for tied features, 0 where none is continuous."""
    if structure is None:
        return noise
    steps = structure.first(noise) / structure.members[structure.unit] ** power
    return torch.where(structure.movable & ~structure.discrete, steps, 0.0)


def _pick(values: Tensor, first: Tensor, number: Tensor, generator: torch.Generator) -> Tensor:
    """One of the values `first` to `number - 1` of each row, `(rows, width)`, all with the same chance."""
    share = _uniform(values[:, 0, 0], generator)
    index = first + (share * (number - first)).long().clamp(max=number - first - 1)
    return values[torch.arange(len(values), device=values.device), index]


def _positive(length: Tensor) -> Tensor:
    """`length`, and 1 for rows that cannot move."""
    return torch.where(length > 0, length, 1.0)


def _uniform(like: Tensor, generator: torch.Generator) -> Tensor:
    draws = torch.rand(tuple(like.shape), generator=generator, dtype=like.dtype, device=generator.device)
    return draws.to(like.device)


def _normal(like: Tensor, generator: torch.Generator) -> Tensor:
    draws = torch.randn(tuple(like.shape), generator=generator, dtype=like.dtype, device=generator.device)
    return draws.to(like.device)
