"""The threat that a recipe's defaults and the options of a command make together."""

from dataclasses import replace
from typing import Any

from counterspin.cli.targets import Target
from counterspin.cli.values import numbers
from counterspin.errors import UsageError
from counterspin.threats import ThreatModel

__all__ = ["chosen_threat"]


def chosen_threat(target: Target, norm: str | None, eps: str | None, units: str | None, box: str) -> ThreatModel:
    """The recipe's threat with what the user changed; budgets of one norm mean nothing in another.

    Raises:
        UsageError: no budgets, or options that make no threat.
    """
    default = target.threat
    changed = default is None or norm not in (None, default.norm) or units not in (None, default.units)
    if changed and (eps is None or norm is None):
        needed = " and ".join(flag for flag, value in (("--norm", norm), ("--eps", eps)) if value is None)
        raise UsageError(
            f"{needed} must be given here, for example --norm linf --eps 0.05,0.1: {target.name} has no default "
            "budgets for this norm and these units."
        )
    budgets = numbers("--eps", eps) if eps is not None else (default.eps if default is not None else ())
    if default is not None and not changed:
        return replace(default, eps=budgets, box=box)
    # What the attacker may touch is a matter of the data, whatever the norm.
    kept: dict[str, Any] = {} if default is None else {k: getattr(default, k) for k in ("mask", "groups", "tied")}
    return ThreatModel(norm=str(norm), eps=budgets, units=units or "feature", box=box, **kept)
