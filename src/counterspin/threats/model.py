"""Threat models: what an attacker may do, as a frozen value."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypedDict, Unpack, get_args

import torch
from torch import Tensor

from counterspin.errors import UsageError
from counterspin.threats.budget import QueryBudget
from counterspin.threats.constraints import Constraints, Group
from counterspin.types import Box

__all__ = ["L0", "L1", "L2", "Linf", "Norm", "ThreatModel", "Units", "check_words"]

Norm = Literal["linf", "l2", "l1", "l0"]
Units = Literal["feature", "relative"]
BoxRule = Literal["data", "none"]

# Attacks square budgets in float32, which overflows beyond 1.8e19.
_LARGEST = 1e15

_ORDER: dict[str, float] = {"linf": math.inf, "l2": 2.0, "l1": 1.0, "l0": 0.0}


class _Options(TypedDict, total=False):
    """What every factory takes besides the budgets; see `ThreatModel`."""

    units: str
    box: str
    target: int | tuple[int, ...] | None
    mask: tuple[bool, ...] | None
    groups: tuple[Group, ...]
    tied: tuple[tuple[int, ...], ...]
    budget: QueryBudget | None


@dataclass(frozen=True, kw_only=True)
class ThreatModel:
    r"""An attacker who moves each input inside a norm ball.

    .. math:: \{x + \delta : \|\delta\|_p \le \varepsilon\ (\text{or } \varepsilon\|x\|_p),\ x + \delta \in \text{box}\}

    In L0 the norm is the number of changed features; a group or a tied set counts once.

    Args:
        norm: `"linf"`, `"l2"`, `"l1"` or `"l0"`.
        eps: budgets, strictly ascending and positive; whole numbers in L0.
        units: `"feature"`: in units of the features; `"relative"`: as a share of the norm of each input.
        box: `"data"`: adversarial inputs stay in the model's box; `"none"`: they may leave it.
        target: the class the attacker wants, one for all samples or one per sample; None: any wrong class will do.
        mask: True for each feature the attacker may change; None: all of them.
        groups: discrete features and the only joint values they may take.
        tied: sets of continuous features that move by the same amount.
        budget: how often the attacker may ask the model; None: as often as the attack likes.

    Raises:
        UsageError: an unknown name; budgets that are empty, negative, not finite, not ascending, or in L0 not whole;
            L0 with relative units, or without a box where features are continuous; constraints that contradict
            themselves (see `Constraints`).

    Example:
        >>> Linf(0.1, 0.2) == ThreatModel(norm="linf", eps=(0.1, 0.2))
        True
        >>> L0(2, mask=(True, True, False)).constraints.mask
        (True, True, False)
    """

    norm: str
    eps: tuple[float, ...]
    units: str = "feature"
    box: str = "data"
    target: int | tuple[int, ...] | None = None
    mask: tuple[bool, ...] | None = None
    groups: tuple[Group, ...] = ()
    tied: tuple[tuple[int, ...], ...] = ()
    budget: QueryBudget | None = None

    def __post_init__(self) -> None:
        """Refuse what makes no threat."""
        check_words(norm=self.norm, units=self.units, box=self.box)
        if not self.eps:
            raise UsageError("eps is empty; give at least one budget, for example eps=(0.1,).")
        if not all(0 < e <= _LARGEST for e in self.eps):
            raise UsageError(f"eps is {self.eps}; every budget must be finite, above 0 and at most {_LARGEST:g}.")
        if any(a >= b for a, b in zip(self.eps, self.eps[1:], strict=False)):
            raise UsageError(f"eps is {self.eps}; give the budgets in ascending order, each once.")
        wanted = self.target if isinstance(self.target, tuple) else () if self.target is None else (self.target,)
        if any(target < 0 for target in wanted):
            raise UsageError(f"target is {self.target}; classes count from 0.")
        constraints = self.constraints
        if self.norm == "l0":
            self._check_counts(constraints)

    def _check_counts(self, constraints: Constraints) -> None:
        if any(e != int(e) for e in self.eps):
            raise UsageError(f"eps is {self.eps}; budgets in L0 count changed features, give whole numbers from 1.")
        if self.units == "relative":
            raise UsageError("units is 'relative'; budgets in L0 count changed features, use units='feature'.")
        if self.box == "none" and not constraints.groups:
            raise _unbounded()

    @cached_property
    def constraints(self) -> Constraints:
        """Mask, groups and tied sets."""
        return Constraints(mask=self.mask, groups=self.groups, tied=self.tied)

    def check(self, bounds: Box) -> None:
        """Refuse a threat that does not fit a model; clean inputs need no check, as staying put is always admissible.

        Args:
            bounds: the model's box.

        Raises:
            UsageError: constraints on features the model has not, values outside its box (see `Constraints.check`), or
                L0 without a box where a feature is continuous.
        """
        self.constraints.check(bounds, inside=self.box == "data")
        if self.box == "data":
            unlimited = torch.isinf(bounds.lower) | torch.isinf(bounds.upper)
        else:
            unlimited = torch.ones(bounds.features, dtype=torch.bool)
        free = self.constraints.movable(bounds.features) & ~self.constraints.discrete(bounds.features)
        if self.norm == "l0" and bool((free & unlimited).any()):
            raise _unbounded()

    @property
    def order(self) -> float:
        """The p of the norm."""
        return _ORDER[self.norm]

    def size(self, delta: Tensor) -> Tensor:
        """Norm of each perturbation `(..., features)`, in feature units; in L0 the number of changes."""
        if self.norm == "l0":
            return self.constraints.count(delta)
        return torch.linalg.vector_norm(delta, ord=self.order, dim=-1)

    def scale(self, x: Tensor) -> Tensor:
        """What one unit of ε means for each sample `(batch,)`, in feature units: 1, or the norm of the input."""
        return self.size(x) if self.units == "relative" else torch.ones(x.shape[0], dtype=x.dtype, device=x.device)

    def radii(self, x: Tensor) -> Tensor:
        """Budgets in feature units, `(budgets, batch)`."""
        return torch.tensor(self.eps, dtype=x.dtype, device=x.device)[:, None] * self.scale(x)

    def targets(self, y: Tensor) -> Tensor | None:
        """The attacker's class per sample `(batch,)`, or None for an untargeted attack.

        Raises:
            UsageError: another number of targets than samples.
        """
        if self.target is None:
            return None
        if isinstance(self.target, int):
            return torch.full_like(y, self.target)
        if len(self.target) != len(y):
            raise UsageError(
                f"target holds {len(self.target)} classes for {len(y)} samples; give one per sample or one class."
            )
        return torch.tensor(self.target, dtype=y.dtype, device=y.device)

    def to_json(self) -> dict[str, Any]:
        """The threat as JSON values, for records and hashes."""
        return {
            "norm": self.norm,
            "eps": list(self.eps),
            "units": self.units,
            "box": self.box,
            "target": list(self.target) if isinstance(self.target, tuple) else self.target,
            **self.constraints.to_json(),
            "budget": None if self.budget is None else self.budget.to_json(),
        }


def check_words(*, norm: str | None = None, units: str | None = None, box: str | None = None) -> None:
    """Refuse a norm, units or a box rule that no threat has; None is not looked at.

    Raises:
        UsageError: an unknown name.
    """
    for name, value, allowed in (
        ("norm", norm, get_args(Norm)),
        ("units", units, get_args(Units)),
        ("box", box, get_args(BoxRule)),
    ):
        if value is not None and value not in allowed:
            raise UsageError(f"{name} is {value!r}; allowed: {', '.join(allowed)}.")


def Linf(*eps: float, **options: Unpack[_Options]) -> ThreatModel:
    """An L∞ threat at the given budgets; the keywords are those of `ThreatModel`."""
    return ThreatModel(norm="linf", eps=_budgets(eps), **options)


def L2(*eps: float, **options: Unpack[_Options]) -> ThreatModel:
    """An L2 threat at the given budgets; the keywords are those of `ThreatModel`."""
    return ThreatModel(norm="l2", eps=_budgets(eps), **options)


def L1(*eps: float, **options: Unpack[_Options]) -> ThreatModel:
    """An L1 threat at the given budgets; the keywords are those of `ThreatModel`."""
    return ThreatModel(norm="l1", eps=_budgets(eps), **options)


def L0(*eps: float, **options: Unpack[_Options]) -> ThreatModel:
    """An L0 threat: at most so many changed features; the keywords are those of `ThreatModel`."""
    return ThreatModel(norm="l0", eps=_budgets(eps), **options)


def _unbounded() -> UsageError:
    return UsageError(
        "norm is 'l0' and a continuous feature has no bounds, so one change could do anything; use box='data' and a "
        "model with bounds, or list the feature's values in groups."
    )


def _budgets(eps: tuple[Any, ...]) -> tuple[float, ...]:
    try:
        return tuple(float(e) for e in eps)
    except (TypeError, ValueError):
        raise UsageError(f"eps is {eps!r}; give the budgets as numbers, for example Linf(0.05, 0.1).") from None
