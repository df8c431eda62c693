r"""What no tampering with the gates can change, attack by attack.

One faulty gate: all faults are run, so that what stands is proved and what falls is shown. More of them, couplings of
crosstalk and rotations that compilation drops: each changes the circuit at one place, and with the clean state
:math:`|\psi_s\rangle` there and the change R turns it by :math:`a_s = \arccos |\langle\psi_s|R|\psi_s\rangle|`. By the
triangle inequality all of them together turn the final state by at most :math:`\sum_s a_s`, and the decision stands
while that is below the Bures angle :math:`\theta^*` to the nearest state that loses. A coupling
:math:`e^{-i\zeta ZZ/2}` turns by :math:`\sin a = |\sin(\zeta/2)| \sqrt{1 - \langle ZZ \rangle^2}`, at most
:math:`\zeta/2`.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from counterspin.attacks.losses import verdict_margin
from counterspin.attacks.quantum import QuantumAttack
from counterspin.attacks.quantum.gates.crosstalk import ZZCrosstalk, coupled
from counterspin.attacks.quantum.gates.dropped import DroppedAngleBackdoor, own_dropped
from counterspin.attacks.quantum.gates.faults import PermanentFaults, TransientFaults, is_exhaustive
from counterspin.attacks.quantum.gates.kinds import Fault, faults_of
from counterspin.attacks.quantum.gates.runs import Bench, through
from counterspin.attacks.quantum.gates.sweep import Slots, Sweep, declared, replaced, single_faults
from counterspin.certificates.unitary import gate_tampering
from counterspin.errors import ConditionsError
from counterspin.evaluation.parts.matched import Certified

__all__ = ["certified", "coupling_angles", "fault_angles"]

# Far above the rounding of scores and angles, far below any that matter.
_ROUNDING = 1e-9


def certified(attack: QuantumAttack, model: Any, x: Tensor, y: Tensor, budgets: tuple[float, ...]) -> Certified | None:
    """Which decisions stand against an attack on gates; None for attacks without a bound.

    Inserted trojan gates turn the state as far as they like, and weights that the attacker trains are no longer the
    model's: there is no bound for them.

    Args:
        attack: on gates.
        model: the classifier.
        x: inputs float64 `(batch, features)`.
        y: labels `(batch,)`.
        budgets: in the unit of the attack.
    """
    bench = Bench.of(model, x)
    match attack:
        case TransientFaults() | PermanentFaults():
            return _faults(attack, model, bench, x, y, budgets)
        case ZZCrosstalk():
            angles = [coupling_angles(bench, attack.tenant, budget) for budget in budgets]
            return _turned(model, x, y, angles, "couplings on the clean states (C6, bound)")
        case DroppedAngleBackdoor():
            totals = [own_dropped(bench.circuit, bench.weights, t) + attack.undoing * t for t in budgets]
            # Half a radian per radian: the spread of a Pauli rotation is 1.
            angles = [torch.full((len(y),), total / 2, dtype=torch.float64) for total in totals]
            return _turned(model, x, y, angles, "turn of all dropped rotations (C6, bound)")
        case _:
            return None


def coupling_angles(bench: Bench, tenant: str, limit: float) -> Tensor:
    """Bures angle `(batch,)` that couplings of at most `limit` turn each sample's state by, at most."""
    qubits, first = bench.circuit.qubits, bench.circuit.weights
    states, total = bench.start(), torch.zeros(len(bench.inputs), dtype=torch.float64)
    size = math.sin(min(limit, math.pi) / 2)
    for gate in coupled(bench.circuit, tenant).gates:
        held = [angle for angle in gate.angles if any(index >= first for index in getattr(angle, "weights", ()))]
        if not held:
            states = through(qubits, (gate,), states, bench.inputs, bench.weights)
            continue
        indices = torch.arange(2**qubits)
        bits = torch.stack([(indices >> (qubits - 1 - qubit)) & 1 for qubit in gate.qubits])
        mean = states.abs().square() @ (1.0 - 2.0 * (bits.sum(dim=0) % 2)).double()
        total += torch.asin((size * (1 - mean.square()).clamp(min=0).sqrt()).clamp(max=1.0))
    return total


def fault_angles(found: Sweep, count: int) -> Tensor:
    """Bures angle `(batch,)` that `count` faults turn each sample's state by, at most: the largest, one a gate."""
    sites = sorted({fault.site for fault in found.faults})
    owner = torch.tensor([sites.index(fault.site) for fault in found.faults])
    worst = torch.zeros(len(sites), found.angles.shape[1], dtype=torch.float64)
    worst = worst.scatter_reduce(0, owner[:, None].expand_as(found.angles), found.angles, "amax")
    return worst.topk(min(count, len(sites)), dim=0).values.sum(dim=0)


def _faults(
    attack: TransientFaults | PermanentFaults,
    model: Any,
    bench: Bench,
    x: Tensor,
    y: Tensor,
    budgets: tuple[float, ...],
) -> Certified:
    faults = faults_of(bench.circuit, bench.weights, attack.kinds)
    slots = declared(bench)
    single = single_faults(bench, slots, faults, y, None)
    with torch.no_grad():
        margins = verdict_margin(bench.scores(bench.circuit), y)
    stands = (margins > _ROUNDING) & (single.margins > _ROUNDING).all(dim=0)
    turning = None
    holds = []
    for budget in budgets:
        count = int(budget)
        if count == 1:
            holds.append(stands)
        elif is_exhaustive(faults, count):
            holds.append(stands & _pairs_stand(bench, slots, faults, y))
        else:
            turning = _turning(model, x, y) if turning is None else turning
            holds.append(stands & (fault_angles(single, count) * (1 + _ROUNDING) + _ROUNDING < turning))
    exact = all(is_exhaustive(faults, int(budget)) for budget in budgets)
    method = "every set of faults (exact)" if exact else "every single fault (exact); turns of more of them (bound)"
    return Certified(holds=torch.stack(holds), method=method, exact=exact)


def _pairs_stand(bench: Bench, slots: Slots, faults: tuple[Fault, ...], y: Tensor) -> Tensor:
    """Samples `(batch,)` that no two faults break."""
    stands = torch.ones(len(y), dtype=torch.bool)
    for first in faults:
        later = tuple(fault for fault in faults if fault.site > first.site)
        if later:
            found = single_faults(bench, replaced(slots, (first,)), later, y, None)
            stands &= (found.margins > _ROUNDING).all(dim=0)
    return stands


def _turning(model: Any, x: Tensor, y: Tensor) -> Tensor:
    """θ* `(batch,)`; 0 where it cannot be computed, which proves nothing."""
    try:
        return gate_tampering(model, x, y).turning
    except ConditionsError:
        return torch.zeros(len(y), dtype=torch.float64)


def _turned(model: Any, x: Tensor, y: Tensor, angles: list[Tensor], method: str) -> Certified:
    turning = _turning(model, x, y)
    holds = torch.stack([angle * (1 + _ROUNDING) + _ROUNDING < turning for angle in angles])
    return Certified(holds=holds, method=method, exact=False)
