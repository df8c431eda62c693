r"""The faults of one gate: dropped, a Pauli after it, control and target swapped, one flipped bit of an angle.

The angle register holds :math:`\mathrm{round}(2^{16}\,\theta / 2\pi) \bmod 2^{16}`, a fixed-point fraction of a turn
with 16 bits; flipping bit b (0 is the most significant) adds :math:`\pm 2\pi\, 2^{-(b+1)}` to the angle, with minus
where the bit was set. Angles that hold data are computed for each input and stand in no register.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from torch import Tensor

from counterspin.circuits import GATES, Angle, Circuit, Gate

__all__ = ["KINDS", "REGISTER_BITS", "Fault", "faults_of", "flip_angle"]

KINDS = ("dropped", "pauli", "swapped", "bit-flip")
REGISTER_BITS = 16

# A gate that does not care which qubit comes first is not changed by swapping them.
_SYMMETRIC = frozenset({"CZ", "SWAP", "CP", "RXX", "RYY", "RZZ", "MCZ"})


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault of one gate.

    Args:
        site: index of the gate in the declared circuit.
        kind: one of `KINDS`.
        detail: which Pauli on which qubit, or which bit of which angle; empty for the others.
        gates: what runs in place of the gate.
    """

    site: int
    kind: str
    detail: str = ""
    gates: tuple[Gate, ...]

    def __str__(self) -> str:
        """For example `gate 3: pauli X q0`."""
        return f"gate {self.site}: {self.kind}{' ' + self.detail if self.detail else ''}"


def faults_of(circuit: Circuit, weights: Tensor, kinds: Iterable[str] = KINDS) -> tuple[Fault, ...]:
    """Every fault of every gate of a circuit, in the order of its gates.

    Args:
        circuit: the declared one.
        weights: `(weights,)`, from which the angle registers are filled.
        kinds: some of `KINDS`.

    Example:
        >>> import torch
        >>> circuit = Circuit(2).add("H", 0).add("CNOT", (0, 1))
        >>> [str(fault) for fault in faults_of(circuit, torch.zeros(0), ("dropped", "swapped"))]
        ['gate 0: dropped', 'gate 1: dropped', 'gate 1: swapped']
    """
    chosen, values = set(kinds), weights.tolist()
    return tuple(fault for site, gate in enumerate(circuit.gates) for fault in _faults(site, gate, values, chosen))


def flip_angle(value: float, bit: int) -> float:
    """What flipping one bit of the register of an angle adds to it, in radians.

    Example:
        >>> [round(flip_angle(math.pi, bit) / math.pi, 3) for bit in range(3)]
        [-1.0, 0.5, 0.25]
    """
    register = round(value / (2 * math.pi) * 2**REGISTER_BITS) % 2**REGISTER_BITS
    was_set = register >> (REGISTER_BITS - 1 - bit) & 1
    return (-1.0 if was_set else 1.0) * 2 * math.pi * 2.0 ** -(bit + 1)


def _faults(site: int, gate: Gate, weights: list[float], kinds: set[str]) -> Iterator[Fault]:
    if "dropped" in kinds:
        yield Fault(site=site, kind="dropped", gates=())
    if "pauli" in kinds:
        for qubit in gate.qubits:
            for pauli in "XYZ":
                yield Fault(site=site, kind="pauli", detail=f"{pauli} q{qubit}", gates=(gate, Gate(pauli, (qubit,))))
    if "swapped" in kinds and GATES[gate.kind].qubits == 2 and gate.kind not in _SYMMETRIC:
        yield Fault(site=site, kind="swapped", gates=(replace(gate, qubits=gate.qubits[::-1]),))
    if "bit-flip" in kinds:
        for position, angle in enumerate(gate.angles):
            if not isinstance(angle, Angle) or angle.inputs:
                continue
            value = angle.constant + sum(t.coefficient * _factor(t.weight, weights) for t in angle.terms)
            for bit in range(REGISTER_BITS):
                moved = (*gate.angles[:position], angle + flip_angle(value, bit), *gate.angles[position + 1 :])
                detail = f"bit {bit} of angle {position}"
                yield Fault(site=site, kind="bit-flip", detail=detail, gates=(replace(gate, angles=moved),))


def _factor(index: int | None, weights: list[float]) -> float:
    return 1.0 if index is None else weights[index]
