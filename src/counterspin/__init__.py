"""counterspin: attack, certify and audit quantum machine-learning classifiers.

Names are loaded when they are first used: `import counterspin` takes no time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from counterspin import attacks, certificates, circuits, datasets, defenses, models, recipes
    from counterspin.api import (
        AttackReport,
        AuditReport,
        Certification,
        HardenReport,
        Plan,
        attack,
        audit,
        certify,
        harden,
        plan,
    )
    from counterspin.datasets import load_adversarials
    from counterspin.errors import CounterspinError
    from counterspin.evaluation.compare import compare_runs
    from counterspin.evaluation.conformance import check_attack, check_certifier, check_classifier, check_defense
    from counterspin.models.integrations import Adopted, accelerate, adopt, wrap
    from counterspin.models.integrations.backends import OnDevice
    from counterspin.noise import NoiseModel
    from counterspin.threats import L0, L1, L2, ExecutionBudget, Group, Linf, QueryBudget, ThreatModel
    from counterspin.types import Box

__all__ = [
    "L0",
    "L1",
    "L2",
    "Adopted",
    "AttackReport",
    "AuditReport",
    "Box",
    "Certification",
    "CounterspinError",
    "ExecutionBudget",
    "Group",
    "HardenReport",
    "Linf",
    "NoiseModel",
    "OnDevice",
    "Plan",
    "QueryBudget",
    "ThreatModel",
    "accelerate",
    "adopt",
    "attack",
    "attacks",
    "audit",
    "certificates",
    "certify",
    "check_attack",
    "check_certifier",
    "check_classifier",
    "check_defense",
    "circuits",
    "compare_runs",
    "datasets",
    "defenses",
    "harden",
    "load_adversarials",
    "models",
    "plan",
    "recipes",
    "wrap",
]

_HOMES = {
    "L0": "threats",
    "L1": "threats",
    "L2": "threats",
    "ExecutionBudget": "threats",
    "Group": "threats",
    "Linf": "threats",
    "QueryBudget": "threats",
    "ThreatModel": "threats",
    "AttackReport": "api",
    "AuditReport": "api",
    "attack": "api",
    "audit": "api",
    "Certification": "api",
    "HardenReport": "api",
    "Plan": "api",
    "harden": "api",
    "plan": "api",
    "OnDevice": "models.integrations.backends",
    "certify": "api",
    "Box": "types",
    "Adopted": "models.integrations",
    "accelerate": "models.integrations",
    "adopt": "models.integrations",
    "wrap": "models.integrations",
    "check_attack": "evaluation.conformance",
    "check_certifier": "evaluation.conformance",
    "check_classifier": "evaluation.conformance",
    "check_defense": "evaluation.conformance",
    "compare_runs": "evaluation.compare",
    "load_adversarials": "datasets",
    "CounterspinError": "errors",
    "NoiseModel": "noise",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'counterspin' has no attribute {name!r}")
    if name in _HOMES:
        return getattr(import_module(f"counterspin.{_HOMES[name]}"), name)
    return import_module(f"counterspin.{name}")


def __dir__() -> list[str]:
    return sorted(__all__)
