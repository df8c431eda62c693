"""Threat models: what an attacker may do, as a frozen value."""

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from counterspin.errors import UsageError

__all__ = ["L2", "Linf", "Norm", "ThreatModel", "Units"]

Norm = Literal["linf", "l2"]
Units = Literal["feature", "relative"]
BoxRule = Literal["data", "none"]

# Attacks square budgets in float32, which overflows beyond 1.8e19.
_LARGEST = 1e15

_ORDER: dict[str, float] = {"linf": math.inf, "l2": 2.0}


@dataclass(frozen=True, kw_only=True)
class ThreatModel:
    r"""An attacker who moves each input inside a norm ball.

    .. math:: \{x + \delta : \|\delta\|_p \le \varepsilon\ (\text{or } \varepsilon\|x\|_p),\ x + \delta \in \text{box}\}

    Args:
        norm: `"linf"` or `"l2"`.
        eps: budgets, strictly ascending and positive.
        units: `"feature"`: in units of the features; `"relative"`: as a share of the norm of each input.
        box: `"data"`: adversarial inputs stay in the model's box; `"none"`: they may leave it.
        target: the class the attacker wants, one for all samples or one per sample; None: any wrong class will do.

    Raises:
        UsageError: an unknown name, or budgets that are empty, negative, not finite or not ascending.

    Example:
        >>> Linf(0.1, 0.2)
        ThreatModel(norm='linf', eps=(0.1, 0.2), units='feature', box='data', target=None)
    """

    norm: str
    eps: tuple[float, ...]
    units: str = "feature"
    box: str = "data"
    target: int | tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        """Refuse what makes no threat."""
        for name, value, allowed in (
            ("norm", self.norm, get_args(Norm)),
            ("units", self.units, get_args(Units)),
            ("box", self.box, get_args(BoxRule)),
        ):
            if value not in allowed:
                raise UsageError(f"{name} is {value!r}; allowed: {', '.join(allowed)}.")
        if not self.eps:
            raise UsageError("eps is empty; give at least one budget, for example eps=(0.1,).")
        if not all(0 < e <= _LARGEST for e in self.eps):
            raise UsageError(f"eps is {self.eps}; every budget must be finite, above 0 and at most {_LARGEST:g}.")
        if any(a >= b for a, b in zip(self.eps, self.eps[1:], strict=False)):
            raise UsageError(f"eps is {self.eps}; give the budgets in ascending order, each once.")
        wanted = self.target if isinstance(self.target, tuple) else () if self.target is None else (self.target,)
        if any(target < 0 for target in wanted):
            raise UsageError(f"target is {self.target}; classes count from 0.")

    @property
    def order(self) -> float:
        """The p of the norm."""
        return _ORDER[self.norm]

    def size(self, delta: Tensor) -> Tensor:
        """Norm of each perturbation `(..., features)`, in feature units."""
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
        target = list(self.target) if isinstance(self.target, tuple) else self.target
        return {"norm": self.norm, "eps": list(self.eps), "units": self.units, "box": self.box, "target": target}


def Linf(
    *eps: float, units: str = "feature", box: str = "data", target: int | tuple[int, ...] | None = None
) -> ThreatModel:
    """An L∞ threat at the given budgets."""
    return ThreatModel(norm="linf", eps=_budgets(eps), units=units, box=box, target=target)


def L2(
    *eps: float, units: str = "feature", box: str = "data", target: int | tuple[int, ...] | None = None
) -> ThreatModel:
    """An L2 threat at the given budgets."""
    return ThreatModel(norm="l2", eps=_budgets(eps), units=units, box=box, target=target)


def _budgets(eps: tuple[Any, ...]) -> tuple[float, ...]:
    try:
        return tuple(float(e) for e in eps)
    except (TypeError, ValueError):
        raise UsageError(f"eps is {eps!r}; give the budgets as numbers, for example Linf(0.05, 0.1).") from None
