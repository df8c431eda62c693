"""What attacks on gate angles share: the site they act on, and what they say of what they did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from counterspin.attacks.projections import norm_of
from counterspin.attacks.quantum.base import QuantumAttack
from counterspin.attacks.quantum.parameters.ascent import Found
from counterspin.attacks.quantum.parameters.gate_errors import GateErrors, check_gate_angles
from counterspin.attacks.quantum.results import Situation
from counterspin.circuits import Circuit
from counterspin.types import Classifier

__all__ = ["AngleNorm", "ParameterAttack", "Tampering", "evidence", "steepest_columns"]

AngleNorm = Literal["linf", "l2"]

_NAMED = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class Tampering:
    """Errors of gate angles, and the circuit that takes them.

    Args:
        circuit: the model's circuit with one more input per gate angle, behind its own, which is added to the angle.
        errors: in radians, `(angles,)` for all samples or `(batch, angles)`.
        factors: relative errors from which these follow, where they do.
    """

    circuit: Circuit
    errors: Tensor
    factors: Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class ParameterAttack(QuantumAttack):
    """Template: an attack on the gate angles of a circuit."""

    where: ClassVar[str] = "parameters"

    def check(self, model: Classifier) -> None:
        """Needs gate angles.

        Raises:
            CapabilityError: a stochastic model, or one that does not end in one circuit.
            ConditionsError: no gate with an angle, or mitigated scores.
        """
        super().check(model)
        check_gate_angles(model)


def evidence(circuit: Circuit, errors: Tensor) -> dict[str, Any]:
    """What a report says of errors `(angles,)` that all samples share: sizes, gates touched, and the largest."""
    gates = [(place, str(gate.kind), gate.qubits) for place, gate in enumerate(circuit.gates) for _ in gate.angles]
    largest = [index for index in errors.abs().argsort(descending=True, stable=True)[:_NAMED].tolist() if errors[index]]
    return {
        "angles": len(errors),
        "linf": float(errors.abs().max()),
        "l2": float(norm_of(errors[None], "l2")),
        "gates touched": len({gates[index][0] for index in errors.nonzero()[:, 0].tolist()}),
        "largest": [
            {
                "gate": gates[index][0],
                "kind": gates[index][1],
                "qubits": list(gates[index][2]),
                "radians": round(float(errors[index]), 6),
            }
            for index in largest
        ],
    }


def steepest_columns(site: GateErrors, situation: Situation, found: Found, count: int) -> Tensor:
    """The angles `(count,)` along which the margins of the attacked samples are steepest at `found`, steepest first."""
    with torch.enable_grad():
        errors = found.point.detach().requires_grad_()
        margins = situation.margin(site.scores(errors))
        (gradient,) = torch.autograd.grad(margins[situation.correct].sum(), errors)
    return gradient.abs().argsort(descending=True, stable=True)[:count]
