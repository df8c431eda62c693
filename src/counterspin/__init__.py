"""counterspin: attack, certify and audit quantum machine-learning classifiers.

Names are loaded when they are first used: `import counterspin` takes no time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from counterspin import attacks, certificates, circuits, datasets, models, recipes
    from counterspin.api import AuditReport, audit
    from counterspin.errors import CounterspinError
    from counterspin.noise import NoiseModel
    from counterspin.threats import L2, Linf, ThreatModel
    from counterspin.types import Box

__all__ = [
    "L2",
    "AuditReport",
    "Box",
    "CounterspinError",
    "Linf",
    "NoiseModel",
    "ThreatModel",
    "attacks",
    "audit",
    "certificates",
    "circuits",
    "datasets",
    "models",
    "recipes",
]

_HOMES = {
    "L2": "threats",
    "Linf": "threats",
    "ThreatModel": "threats",
    "AuditReport": "api",
    "audit": "api",
    "Box": "types",
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
