r"""Is the circuit that ran the one declared? By simulation: the overlap of two unitaries, whatever their phase.

Process fidelity :math:`F = |\mathrm{Tr}\,U^\dagger V|^2 / D^2` is 1 exactly for circuits that are equal up to a global
phase. On a device, where V can be run but not looked into, the inversion test does without it: prepare a random state,
run V, undo U, and look whether the state is back. One shot of a Haar-random state passes with probability
:math:`(D F + 1) / (D + 1)` (arXiv:quant-ph/0205035), so n shots accept a circuit of infidelity :math:`\delta = 1 - F`
with probability :math:`(1 - \delta D / (D + 1))^n`.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.attacks.quantum.gates.runs import through
from counterspin.circuits import Circuit
from counterspin.errors import ConditionsError, UsageError

__all__ = ["Signature", "accept_probability", "probes_needed", "process_fidelity", "same_circuit", "signature"]

_QUBITS = 10
_TOLERANCE = 1e-9


@torch.no_grad()
def process_fidelity(declared: Circuit, ran: Circuit, inputs: Tensor, weights: Tensor) -> Tensor:
    """Process fidelity of two circuits for each row of inputs `(batch,)`; one value where no gate holds data.

    Args:
        declared: at most 10 qubits.
        ran: on the same qubits.
        inputs: `(batch, inputs)` float64; amplitudes play no role, since all states are looked at.
        weights: of both circuits; the shorter one takes the first of them.

    Raises:
        UsageError: circuits of different qubits.
        ConditionsError: too many qubits for a whole unitary.

    Example:
        >>> one, other = Circuit(1).add("RZ", 0, 0.3), Circuit(1).add("P", 0, 0.3)
        >>> nothing = torch.zeros(1, 0).double()
        >>> round(process_fidelity(one, other, nothing, nothing[0]).item(), 9)
        1.0
    """
    qubits = declared.qubits
    if ran.qubits != qubits:
        raise UsageError(f"the circuits have {qubits} and {ran.qubits} qubits; compare circuits of the same qubits.")
    if qubits > _QUBITS:
        raise ConditionsError(
            f"the circuits have {qubits} qubits; whole unitaries are compared up to {_QUBITS}. Use known answers."
        )
    basis = torch.eye(2**qubits, dtype=torch.complex128)
    vary = declared.depends_on_inputs_by_gates or ran.depends_on_inputs_by_gates
    found = []
    for row in inputs if vary else inputs[:1]:
        rows = row.double().expand(2**qubits, -1)
        one = through(qubits, declared.gates, basis, rows, weights.double())
        other = through(qubits, ran.gates, basis, rows, weights.double())
        found.append(((one.conj() * other).sum().abs() / 2**qubits).square())
    return torch.stack(found)


def same_circuit(declared: Circuit, ran: Circuit, inputs: Tensor, weights: Tensor) -> bool:
    """Whether two circuits are equal up to a global phase, to rounding: infidelity below 1e-9 on every row.

    Example:
        >>> nothing = torch.zeros(1, 0).double()
        >>> same_circuit(Circuit(1).add("X", 0), Circuit(1).add("RX", 0, math.pi), nothing, nothing[0])
        True
    """
    return bool((process_fidelity(declared, ran, inputs, weights) > 1 - _TOLERANCE).all())


def accept_probability(infidelity: float, qubits: int, shots: int) -> float:
    """Probability that a circuit this far from the declared one passes so many shots of the inversion test.

    Example:
        >>> round(accept_probability(0.1, 1, 10), 4)
        0.5016
    """
    dimension = 2.0**qubits
    return (1 - infidelity * dimension / (dimension + 1)) ** shots


def probes_needed(infidelity: float, qubits: int, false_accept: float = 0.01) -> int:
    """Shots of the inversion test, each on a fresh random state, that let such a circuit pass that rarely.

    Args:
        infidelity: process infidelity to be told, above 0.
        qubits: of the circuit.
        false_accept: probability of accepting it all the same.

    Raises:
        UsageError: numbers that are no probabilities.

    Example:
        >>> probes_needed(0.1, 6)
        45
    """
    if not 0 < infidelity <= 1 or not 0 < false_accept < 1:
        raise UsageError(
            f"infidelity and false_accept are {infidelity:g} and {false_accept:g}; give numbers in (0, 1)."
        )
    return math.ceil(math.log(false_accept) / math.log(accept_probability(infidelity, qubits, 1)))


@dataclass(frozen=True, kw_only=True)
class Signature:
    """What gives a changed circuit away.

    Args:
        gates: numbers of gates, declared and ran.
        depth: of both.
        kinds: how many gates of each kind more (or fewer) ran, without those that are equal.
        infidelity: largest process infidelity over the rows looked at.
        shots: of the inversion test that tell it with a false acceptance of 1 %; None: the circuits are equal.
    """

    gates: tuple[int, int]
    depth: tuple[int, int]
    kinds: dict[str, int]
    infidelity: float
    shots: int | None


def signature(declared: Circuit, ran: Circuit, inputs: Tensor, weights: Tensor) -> Signature:
    """Compare the circuit that ran with the declared one.

    Args:
        declared: at most 10 qubits.
        ran: on the same qubits.
        inputs: `(batch, inputs)` float64.
        weights: of both.

    Example:
        >>> nothing = torch.zeros(1, 0).double()
        >>> found = signature(Circuit(2).add("H", 0), Circuit(2).add("H", 0).add("CNOT", (0, 1)), nothing, nothing[0])
        >>> found.kinds, round(found.infidelity, 3), found.shots
        ({'CNOT': 1}, 0.75, 6)
    """
    more = Counter(gate.kind for gate in ran.gates)
    more.subtract(gate.kind for gate in declared.gates)
    infidelity = max(0.0, 1 - float(process_fidelity(declared, ran, inputs, weights).min()))
    return Signature(
        gates=(len(declared.gates), len(ran.gates)),
        depth=(declared.depth, ran.depth),
        kinds={kind: count for kind, count in more.items() if count},
        infidelity=infidelity,
        shots=None if infidelity <= _TOLERANCE else probes_needed(infidelity, declared.qubits),
    )
