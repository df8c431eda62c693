"""What an attacker may change besides the norm: a mask, discrete features and tied features."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from counterspin.errors import UsageError
from counterspin.types import Box

__all__ = ["Constraints", "Group"]


@dataclass(frozen=True, kw_only=True)
class Group:
    """Features that take one of the listed joint values and nothing else.

    One feature makes a binary, integer or categorical feature, several a one-hot group. A sample whose clean values are
    not in the list may keep them: staying put is always admissible. A discrete feature has no period.

    Args:
        features: indices of the features.
        values: the joint values, each with one number per feature.

    Raises:
        UsageError: no feature, a feature twice, no value, a value of another width, twice, or not finite.

    Example:
        >>> colour = Group(features=(3, 4, 5), values=((1, 0, 0), (0, 1, 0), (0, 0, 1)))
        >>> level = Group(features=(0,), values=((0,), (0.5,), (1,)))
    """

    features: tuple[int, ...]
    values: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        """Refuse what makes no list of values."""
        _check_indices("a group", self.features, least=1)
        if not self.values:
            raise UsageError(f"group {self.features} lists no values; give the joint values its features may take.")
        wrong = [value for value in self.values if len(value) != len(self.features)]
        if wrong:
            raise UsageError(
                f"group {self.features} lists the value {wrong[0]} with {len(wrong[0])} entries; each value needs one "
                f"entry per feature, {len(self.features)}."
            )
        for value in self.values:
            if not all(math.isfinite(entry) for entry in value):
                raise UsageError(f"group {self.features} lists the value {value}; every entry must be finite.")
        if len({tuple(map(float, value)) for value in self.values}) != len(self.values):
            raise UsageError(f"group {self.features} lists a value twice; give each joint value once.")

    def to_json(self) -> dict[str, Any]:
        """The group as JSON values."""
        values = [[float(entry) for entry in value] for value in self.values]
        return {"features": list(self.features), "values": values}


@dataclass(frozen=True, kw_only=True)
class Constraints:
    """What limits an attacker besides norm and box.

    Args:
        mask: True for each feature the attacker may change; None: all of them.
        groups: discrete features, see `Group`.
        tied: sets of continuous features that move by the same amount.

    Raises:
        UsageError: a mask that forbids everything, a feature in two groups or tied sets, a group or tied set that is
            masked in part, or a tied set of one feature.

    Example:
        >>> Constraints(mask=(True, True, True), tied=((0, 2),)).units(3).tolist()
        [0, 1, 0]
    """

    mask: tuple[bool, ...] | None = None
    groups: tuple[Group, ...] = ()
    tied: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        if self.mask is not None and not any(self.mask):
            raise UsageError("mask forbids every feature; leave True at least one the attacker may change.")
        owner: dict[int, str] = {}
        for name, features in self._sets():
            for feature in features:
                if feature in owner:
                    raise UsageError(
                        f"feature {feature} belongs to {owner[feature]} and to {name}; a feature is in one group or "
                        "one tied set."
                    )
                owner[feature] = name
            if self.mask is not None and max(features) < len(self.mask):
                allowed = {self.mask[feature] for feature in features}
                if len(allowed) == 2:
                    raise UsageError(f"mask forbids a part of {name}; allow or forbid its features together.")

    def __bool__(self) -> bool:
        """Whether anything is constrained."""
        return self.mask is not None or bool(self.groups or self.tied)

    def check(self, box: Box, *, inside: bool = True) -> None:
        """Refuse constraints that do not fit the features of a model.

        Args:
            box: where the model's inputs live.
            inside: whether adversarial inputs must stay in it.

        Raises:
            UsageError: a mask of another length, a feature the model has not, a group value outside the box, or tied
                features of unequal periods.
        """
        features = box.features
        if self.mask is not None and len(self.mask) != features:
            raise UsageError(
                f"mask has {len(self.mask)} entries; the model takes {features} features, give one entry each."
            )
        for name, members in self._sets():
            if max(members) >= features:
                raise UsageError(f"{name} names feature {max(members)}; the model's are 0 to {features - 1}.")
        for group in self.groups if inside else ():
            index = list(group.features)
            values = torch.tensor(group.values, dtype=torch.float64)
            outside = (values < box.lower[index].double()) | (values > box.upper[index].double())
            if bool(outside.any()):
                bad = group.values[int(outside.any(dim=1).nonzero()[0])]
                raise UsageError(
                    f"group {group.features} lists the value {bad}, which lies outside the model's box; list values "
                    "inside, or pass box='none'."
                )
        for members in self.tied:
            if len(set(_periods(box)[list(members)].tolist())) > 1:
                raise UsageError(f"tied features {members} have unequal periods; tie features of one period, or none.")

    def movable(self, features: int) -> Tensor:
        """Features the attacker may change, `(features,)` bool."""
        return torch.ones(features, dtype=torch.bool) if self.mask is None else torch.tensor(self.mask)

    def discrete(self, features: int) -> Tensor:
        """Features that take listed values only, `(features,)` bool."""
        found = torch.zeros(features, dtype=torch.bool)
        found[[feature for group in self.groups for feature in group.features]] = True
        return found

    def units(self, features: int) -> Tensor:
        """For each feature the number of the unit it changes with, `(features,)`: its group, its tied set or itself."""
        unit = torch.arange(features)
        for _, members in self._sets():
            unit[list(members)] = min(members)
        return torch.unique(unit, return_inverse=True)[1]

    def count(self, delta: Tensor) -> Tensor:
        """Number of changed units of each perturbation `(..., features)`: a group or tied set counts once."""
        changed = (delta != 0).to(delta)
        if not self.groups and not self.tied:
            return changed.sum(dim=-1)
        unit = self.units(delta.shape[-1]).to(delta.device)
        each = changed.new_zeros(*delta.shape[:-1], int(unit.max()) + 1).index_add(-1, unit, changed)
        return (each > 0).to(delta).sum(dim=-1)

    def to_json(self) -> dict[str, Any]:
        """The constraints as JSON values."""
        return {
            "mask": None if self.mask is None else [bool(allowed) for allowed in self.mask],
            "groups": [group.to_json() for group in self.groups],
            "tied": [list(members) for members in self.tied],
        }

    def _sets(self) -> Iterable[tuple[str, tuple[int, ...]]]:
        for group in self.groups:
            yield f"group {group.features}", group.features
        for members in self.tied:
            _check_indices("a tied set", members, least=2)
            yield f"tied set {members}", members


def _check_indices(what: str, features: tuple[int, ...], *, least: int) -> None:
    if len(set(features)) != len(features) or len(features) < least or any(feature < 0 for feature in features):
        raise UsageError(
            f"{what} has features {features}; give at least {least} different indices, each counted from 0."
        )


def _periods(box: Box) -> Tensor:
    return (box.upper - box.lower).double().masked_fill(~box.periodic, torch.inf)
