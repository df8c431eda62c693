"""Whether an attack keeps the contract of `counterspin.attacks.Attack`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from torch import Tensor

from counterspin.attacks import Attack
from counterspin.errors import UsageError
from counterspin.evaluation.conformance.attack_checks import BUDGETS, OF_THE_ATTACK, ONCE, PER_THREAT, Case
from counterspin.evaluation.conformance.offers import offered_samples, offered_threats, threat_label
from counterspin.evaluation.conformance.report import Check, ConformanceReport, run_all
from counterspin.evaluation.conformance.watching import Probe
from counterspin.threats import ThreatModel
from counterspin.types import Classifier

__all__ = ["check_attack"]

_SAMPLES = 12
# Values of a discrete feature, so close that every budget allows some.
_VALUES = 21


def check_attack(
    attack: Any,
    *,
    model: Classifier | None = None,
    x: Tensor | None = None,
    y: Tensor | None = None,
    threats: Sequence[ThreatModel] | None = None,
    seed: int = 0,
) -> ConformanceReport:
    """Run an attack on a small model and check everything a user relies on.

    Args:
        attack: what to check, in settings that take seconds.
        model: what to attack; None: a smooth classifier of four features and three classes. Give one that offers what
            the attack requires, for example a circuit.
        x: samples `(batch, features)` in the model's box; None: 12 random ones.
        y: labels `(batch,)`; None: the model's own predictions, but for one sample.
        threats: what to serve; None: two budgets in each norm of the attack, plain, with a mask and on
            discrete features.
        seed: seed of the generators.

    Returns:
        One outcome per check; `report.raise_if_failed()` makes a test of it.

    Raises:
        UsageError: something that is no attack.

    Example:
        >>> from counterspin.attacks import FGSM
        >>> check_attack(FGSM()).passed
        True
    """
    if not isinstance(attack, Attack):
        raise UsageError(f"attack is a {type(attack).__name__}; give an instance of a subclass of Attack.")
    target = Probe() if model is None else model
    points, labels = offered_samples(target, x, y, count=_SAMPLES, seed=seed)
    case = Case(attack=attack, model=target, x=points, y=labels, seed=seed)
    served, refused = _threats(case, threats)
    checks: dict[str, Check] = {name: partial(check, case) for name, check in OF_THE_ATTACK.items()}
    checks["serves the norms it names"] = lambda: "; ".join(refused) or None
    for threat in served:
        checks |= {
            f"{name} ({threat_label(threat)})": partial(check, case, threat) for name, check in PER_THREAT.items()
        }
    if served:
        checks |= {name: partial(check, case, served[0]) for name, check in ONCE.items()}
    return run_all(attack.name, checks)


def _threats(case: Case, given: Sequence[ThreatModel] | None) -> tuple[list[ThreatModel], list[str]]:
    """What the attack serves, and why not where it refuses a norm it names."""
    served, refused = [], []
    for options in [[threat] for threat in given] if given is not None else _offers(case):
        reasons = [case.attack.refusal(case.model, threat) for threat in options]
        fitting = [threat for threat, reason in zip(options, reasons, strict=True) if reason is None]
        if not fitting:
            refused.append(f"{options[0].norm}: {reasons[0]}")
        # With a box or without says the same twice.
        served += [threat for threat in fitting if threat.constraints or threat == fitting[0]]
    return served, refused


def _offers(case: Case) -> list[list[ThreatModel]]:
    """The threats offered in each norm of the attack."""
    return [offered_threats(case.model, norm, BUDGETS[norm], _VALUES) for norm in case.attack.norms]
