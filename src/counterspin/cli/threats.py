"""What `audit` and `certify` start from: the samples of a model, and the threat of recipe and options together."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from counterspin.cli.targets import Target, audit_target
from counterspin.cli.values import numbers
from counterspin.errors import UsageError
from counterspin.models import set_engine
from counterspin.simulation import check_engine
from counterspin.threats import ThreatModel, check_words
from counterspin.threats.states import check_threat_to_states

__all__ = ["chosen_threat", "target_and_threat"]


def target_and_threat(
    model: str,
    data: Path | None,
    *,
    norm: str | None,
    eps: str | None,
    units: str | None,
    box: str | None,
    engine: str,
    samples: int,
    bounds: tuple[float, float] | None = None,
    above: int | None = None,
    gradient: str = "auto",
) -> tuple[Target, ThreatModel]:
    """The first samples of a model that runs on an engine, and the threat to them.

    Raises:
        UsageError: no such model, words or budgets that mean nothing, or budgets missing.
        InputError: a data file that cannot be read.
        ModelError: a saved model that cannot be read.
    """
    # Words and numbers first: a recipe may take long to load, and a missing budget would hide a misspelt norm.
    check_words(norm=norm, units=units, box=box)
    check_engine(engine)
    if eps is not None:
        numbers("--eps", eps)
    target = audit_target(model, data, bounds=bounds, above=above, gradient=gradient)
    threat = chosen_threat(target, norm, eps, units, box)
    if threat.box == "data" and target.model.bounds.is_unbounded:
        low, high = float(target.x.min()), float(target.x.max())
        raise UsageError(
            f"{model} has no bounds, and --box data keeps attacks inside them; give the lowest and highest value a "
            f"feature may take (the samples span --bounds {low:g} {high:g}), or --box none."
        )
    set_engine(target.model, engine)
    return replace(target, x=target.x[:samples], y=target.y[:samples]), threat


def chosen_threat(target: Target, norm: str | None, eps: str | None, units: str | None, box: str | None) -> ThreatModel:
    """The recipe's threat with what the user changed; budgets of one norm mean nothing in another.

    The box is that of the recipe too, or else that of the data.

    Raises:
        UsageError: no budgets, or options that make no threat.
    """
    default = target.threat
    box = box or ("data" if default is None else default.box)
    changed = default is None or norm not in (None, default.norm) or units not in (None, default.units)
    if changed and (eps is None or norm is None):
        needed = " and ".join(flag for flag, value in (("--norm", norm), ("--eps", eps)) if value is None)
        raise UsageError(
            f"{needed} must be given here, for example --norm linf --eps 0.05,0.1: {target.name} has no default "
            "budgets for this norm and these units."
        )
    budgets = numbers("--eps", eps) if eps is not None else (default.eps if default is not None else ())
    if default is not None and not changed:
        threat = replace(default, eps=budgets, box=box)
    else:
        # What the attacker may touch is a matter of the data, whatever the norm.
        kept: dict[str, Any] = {} if default is None else {k: getattr(default, k) for k in ("mask", "groups", "tied")}
        threat = ThreatModel(norm=str(norm), eps=budgets, units=units or "feature", box=box, **kept)
    if target.quantum:
        check_threat_to_states(threat, target.name)
    return threat
