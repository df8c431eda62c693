"""Constraints as tensors: which features move, which move together, and the values discrete ones may take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.threats import Constraints
from counterspin.types import Box

__all__ = ["Block", "Structure"]

# Equal steps of tied features differ by the rounding of center + step; this many roundings are allowed.
_ROUNDINGS = 4


@dataclass(frozen=True, eq=False, kw_only=True)
class Block:
    """All discrete groups of one width, side by side.

    Args:
        features: indices `(groups, width)`.
        values: admissible joint values `(groups, values, width)`; shorter lists are filled up with their first value.
    """

    features: Tensor
    values: Tensor

    def candidates(self, center: Tensor) -> Tensor:
        """The values each group may take around `center` `(rows, features)`, the clean one first.

        Returns:
            `(rows, groups, 1 + values, width)`.
        """
        clean = center[:, self.features][:, :, None]
        return torch.cat([clean, self.values.expand(len(center), -1, -1, -1)], dim=2)


@dataclass(frozen=True, eq=False, kw_only=True)
class Structure:
    """What `Constraints` mean for one number of features, device and dtype.

    Args:
        movable: features that may change `(features,)` bool.
        unit: number of the unit each feature changes with `(features,)`.
        members: size of each unit `(units,)`.
        tied: features of tied sets `(features,)` bool.
        period: period of each feature, infinite on a line `(features,)`.
        blocks: discrete groups that may change.
    """

    movable: Tensor
    unit: Tensor
    members: Tensor
    tied: Tensor
    period: Tensor
    blocks: tuple[Block, ...]

    @classmethod
    def of(cls, constraints: Constraints, box: Box, like: Tensor) -> Structure:
        """The structure of `constraints` on the features of `box`, for points of the dtype and device of `like`."""
        features = box.features
        movable, discrete = constraints.movable(features), constraints.discrete(features)
        unit = constraints.units(features)
        tied = torch.zeros(features, dtype=torch.bool)
        tied[[feature for members in constraints.tied for feature in members]] = True
        # Discrete values are a list, not a circle.
        period = (box.upper - box.lower).to(like).cpu().masked_fill(~box.periodic.cpu() | discrete, torch.inf)
        return cls(
            movable=movable.to(like.device),
            unit=unit.to(like.device),
            members=torch.bincount(unit).to(like),
            tied=tied.to(like.device),
            period=period.to(like.device),
            blocks=tuple(_blocks(constraints, movable, like)),
        )

    @property
    def ties(self) -> bool:
        """Whether some features are tied."""
        return bool(self.tied.any())

    @property
    def discrete(self) -> Tensor:
        """Discrete features that may change `(features,)` bool."""
        found = torch.zeros_like(self.movable)
        for block in self.blocks:
            found[block.features.flatten()] = True
        return found

    def bounds(self, center: Tensor, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
        """Bounds `(rows, features)` narrowed to what the constraints leave around `center`."""
        for block in self.blocks:
            values = block.candidates(center)
            lower[:, block.features], upper[:, block.features] = values.amin(dim=2), values.amax(dim=2)
        if self.ties:
            # The set goes as far as its first member that meets a bound.
            down, up = self._widest(lower - center, "amax"), self._widest(upper - center, "amin")
            lower = torch.where(self.tied, torch.maximum(lower, center + down), lower)
            upper = torch.where(self.tied, torch.minimum(upper, center + up), upper)
        return torch.where(self.movable, lower, center), torch.where(self.movable, upper, center)

    def sums(self, values: Tensor) -> Tensor:
        """Sum of `values` `(rows, features)` over each unit, `(rows, units)`."""
        return values.new_zeros(len(values), len(self.members)).index_add(1, self.unit, values)

    def averaged(self, values: Tensor) -> Tensor:
        """`values` `(rows, features)` with those of each tied set replaced by their mean."""
        if not self.ties:
            return values
        return torch.where(self.tied, (self.sums(values) / self.members)[:, self.unit], values)

    def together(self, x: Tensor, center: Tensor) -> Tensor:
        """The nearest point to each row of `x` whose tied features move by the same amount; such points are kept."""
        if not self.ties:
            return x
        step = x - center
        first = self.first(step)
        circular = torch.isfinite(self.period) & self.tied
        # On a circle two steps may be equal in different representatives: all are read next to the first one.
        step = torch.where(circular, first + _wrapped(step - first, self.period), step)
        mean = self.averaged(step)
        mean = torch.where(circular, _wrapped(mean, self.period), mean)
        moved = torch.where(self.tied, center + mean, x)
        return torch.where(self.moves_together(x, center)[:, None], x, moved)

    def moves_together(self, x: Tensor, center: Tensor, slack: Tensor | float = 0.0) -> Tensor:
        """Rows `(rows,)` of `x` whose tied features moved alike, up to rounding and `slack` `(rows, 1)`."""
        if not self.ties:
            return torch.ones(len(x), dtype=torch.bool, device=x.device)
        step = x - center
        scale = self._widest(center.abs() + step.abs(), "amax")
        allowed = _ROUNDINGS * torch.finfo(x.dtype).eps * scale + slack
        return (~self.tied | ((step - self.averaged(step)).abs() <= allowed)).all(dim=1)

    def listed(self, x: Tensor, center: Tensor, slack: Tensor | float = 0.0) -> Tensor:
        """Rows `(rows,)` of `x` whose discrete features hold a listed or clean value, up to `slack` `(rows, 1)`."""
        found = torch.ones(len(x), dtype=torch.bool, device=x.device)
        allowed = torch.as_tensor(slack, dtype=x.dtype, device=x.device).reshape(-1, 1, 1, 1)
        for block in self.blocks:
            off = (block.candidates(center) - x[:, block.features][:, :, None]).abs()
            found &= (off <= allowed).all(dim=3).any(dim=2).all(dim=1)
        return found

    def first(self, values: Tensor) -> Tensor:
        """For each feature the value of the first feature of its unit."""
        index = torch.arange(len(self.unit), device=self.unit.device)
        first = torch.full_like(self.members, len(self.unit), dtype=torch.long).scatter_reduce(
            0, self.unit, index, "amin"
        )
        return values[:, first[self.unit]]

    def _widest(self, values: Tensor, reduce: str) -> Tensor:
        """The largest (`amax`) or smallest (`amin`) value of each unit, for each of its features."""
        index = self.unit.expand_as(values)
        empty = values.new_zeros(len(values), len(self.members))
        return empty.scatter_reduce(1, index, values, reduce, include_self=False)[:, self.unit]


def _blocks(constraints: Constraints, movable: Tensor, like: Tensor) -> Iterator[Block]:
    groups = [group for group in constraints.groups if bool(movable[list(group.features)].all())]
    for width in sorted({len(group.features) for group in groups}):
        same = [group for group in groups if len(group.features) == width]
        most = max(len(group.values) for group in same)
        values = [[*group.values, *[group.values[0]] * (most - len(group.values))] for group in same]
        yield Block(
            features=torch.tensor([group.features for group in same], device=like.device),
            values=torch.tensor(values, dtype=torch.float64).to(like),
        )


def _wrapped(step: Tensor, period: Tensor) -> Tensor:
    """Steps `(rows, features)` brought to within half a period either way; on a line they stay as they are."""
    half = torch.where(torch.isfinite(period), period, 1.0) / 2
    around = torch.remainder(step + half, 2 * half) - half
    return torch.where(torch.isfinite(period) & (step.abs() > half), around, step)
