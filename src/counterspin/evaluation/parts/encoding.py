r"""What no tampering with the encoding can change: certificates of the inputs, at the size of the tampering.

Gains and offsets move input i of a sample by at most :math:`\varepsilon(|z_i| + w_i)`, truncation by at most
:math:`q\, w_i`. A certified radius of the sample, in L2 or L∞ and without a box, above that size proves the decision;
so it does only for models whose circuit takes the features themselves.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from counterspin.attacks.quantum import QuantumAttack
from counterspin.attacks.quantum.encoding.inputs import input_box
from counterspin.certificates import BernsteinCertificate, BuresCertificate, ExactL2Certificate
from counterspin.errors import CapabilityError, ConditionsError
from counterspin.evaluation.parts.matched import Certified
from counterspin.threats import L2, Linf

__all__ = ["certified"]

# Any budget: what is asked for is the radius.
_THREATS = {"l2": L2(1.0, box="none"), "linf": Linf(1.0, box="none")}
_METHODS = (ExactL2Certificate(), BernsteinCertificate(), BuresCertificate())


def certified(attack: QuantumAttack, model: Any, x: Tensor, y: Tensor, budgets: tuple[float, ...]) -> Certified | None:
    """Which decisions stand against an attack on the encoding; None for attacks and models without a bound.

    Args:
        attack: on the encoding.
        model: the classifier.
        x: inputs float64 `(batch, features)`.
        y: labels `(batch,)`.
        budgets: in the unit of the attack.
    """
    if attack.name not in ("encoding-scale", "precision") or model.circuit_inputs(x) is not x:
        return None
    box = input_box(model, x)
    width = (box.upper - box.lower).expand_as(x)
    size = x.abs() + width if attack.name == "encoding-scale" else width
    holds = torch.zeros(len(budgets), len(x), dtype=torch.bool)
    used = []
    for certificate in _METHODS:
        for norm, threat in _THREATS.items():
            try:
                radius = certificate(model, x, y, threat).radius_lower
            except (CapabilityError, ConditionsError):
                continue
            used.append(certificate.name)
            moved = torch.linalg.vector_norm(size, ord=2 if norm == "l2" else torch.inf, dim=1)
            holds |= torch.stack([radius > level * moved for level in budgets])
    if not used:
        return None
    return Certified(holds=holds, method=f"radius of the inputs ({', '.join(dict.fromkeys(used))}, bound)", exact=False)
