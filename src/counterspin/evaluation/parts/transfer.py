"""What no transferred input can change: every certificate of the inputs holds, wherever the point was made."""

from __future__ import annotations

import torch
from torch import Tensor

from counterspin.attacks.quantum import QuantumAttack
from counterspin.attacks.transfer import Transfer
from counterspin.certificates.registry import methods
from counterspin.errors import CapabilityError, ConditionsError
from counterspin.evaluation.parts.matched import Certified
from counterspin.types import Classifier

__all__ = ["certified"]


def certified(
    attack: QuantumAttack, model: Classifier, x: Tensor, y: Tensor, budgets: tuple[float, ...]
) -> Certified | None:
    """Which decisions stand against inputs made on surrogates; None where no certificate of the inputs holds.

    Args:
        attack: says norm, units and box.
        model: the classifier.
        x: inputs float64 `(batch, features)`.
        y: labels `(batch,)`.
        budgets: ascending, in the unit of the attack.
    """
    if not isinstance(attack, Transfer):
        return None
    threat = attack.threat(*budgets)
    results = []
    for certificate in methods("quick"):
        try:
            results.append(certificate(model, x, y, threat))
        except (CapabilityError, ConditionsError):
            continue
    if not results:
        return None
    radius = torch.stack([result.radius_lower for result in results])
    best = radius.argmax(dim=0).tolist()
    # A flip exactly at the budget is within reach, so the proof must reach beyond it.
    return Certified(
        holds=radius.amax(dim=0) > threat.radii(x),
        method=", ".join(dict.fromkeys(results[place].method for place in best)),
        exact=bool(torch.stack([result.exact for result in results]).any(dim=0).all()),
    )
