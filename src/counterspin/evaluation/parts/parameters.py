"""What is proved against errors of gate angles: by how far the state must turn, and by how steep the margins are."""

from __future__ import annotations

import torch
from torch import Tensor

from counterspin.attacks.modes import frozen
from counterspin.attacks.quantum import QuantumAttack
from counterspin.attacks.quantum.parameters import WeightsMinimum, WeightsPGD, WeightsSparse, WeightsStealthy
from counterspin.attacks.quantum.parameters.gate_errors import gate_angles
from counterspin.attacks.quantum.parameters.miscalibration import Miscalibration
from counterspin.certificates.unitary import gate_tampering
from counterspin.circuits import Circuit
from counterspin.errors import CapabilityError, ConditionsError
from counterspin.evaluation.parts.gate_slopes import margin_slopes
from counterspin.evaluation.parts.matched import Certified
from counterspin.types import Classifier, HasCircuit

__all__ = ["certified"]

_EPS = torch.finfo(torch.float64).eps


def certified(
    attack: QuantumAttack, model: Classifier, x: Tensor, y: Tensor, budgets: tuple[float, ...]
) -> Certified | None:
    r"""Samples whose decision no errors of the gate angles within the budget change.

    Those for which the state cannot turn as far as the nearest one that loses,

    .. math:: \sum_j |\Delta_j|\, s_j < \theta^*

    with the largest sum that the budget admits, or whose margins are too flat to fall to 0 (`margin_slopes`).

    Args:
        attack: one on gate parameters.
        model: the classifier.
        x: clean inputs float64 `(batch, features)`.
        y: labels `(batch,)`.
        budgets: in the unit of the attack.

    Returns:
        None where no bound holds for the model: more than 10 qubits, or channels beyond 8.
    """
    norm = attack.norm if isinstance(attack, WeightsPGD | WeightsMinimum | WeightsStealthy) else "linf"
    try:
        bound = gate_tampering(model, x, y, norm=norm)
    except (CapabilityError, ConditionsError):
        return None
    if not isinstance(model, HasCircuit):
        return None
    with frozen(model):
        slopes = margin_slopes(model, x, y, bound.spreads)
        angles = gate_angles(model.circuit, model.circuit_inputs(x).detach().double(), model.weights.detach().double())
    # Sums of as many terms as there are angles, with their rounding errors on the safe side.
    above = 1 + (len(bound.spreads) + 8) * _EPS
    levels = torch.tensor(budgets, dtype=torch.float64)[:, None]
    what = "the turning of the state and the slopes of the margins"
    if isinstance(attack, Miscalibration):
        turned = levels * (angles.abs() @ bound.spreads / 2) * above < bound.turning
        flat = slopes.radius("linf", angles) > levels * above
        method = f"bounds by {what}, for errors in proportion to the angles"
    elif isinstance(attack, WeightsSparse):
        counts, gate = tuple(int(budget) for budget in budgets), _gate_of_angle(model.circuit)
        widest = torch.zeros(len(model.circuit.gates), dtype=torch.float64).index_add(0, gate, bound.spreads)
        sums = torch.stack([widest.topk(count).values.sum() for count in counts])[:, None]
        turned = attack.reach * sums / 2 * above < bound.turning
        flat = slopes.radius_of_gates(counts, gate) > attack.reach * above
        method = f"bounds by {what}, for the gates where they are largest, each angle off by up to {attack.reach:.3g}"
    else:
        turned, flat = bound.radius > levels, slopes.radius(norm) > levels * above
        method = f"bounds by {what}"
    return Certified(holds=turned | flat, method=method, exact=False)


def _gate_of_angle(circuit: Circuit) -> Tensor:
    """Index of the gate of every gate angle `(angles,)`."""
    return torch.tensor([place for place, gate in enumerate(circuit.gates) for _ in gate.angles])
