r"""Unitary folding: gates replaced by :math:`G G^\dagger G`, which changes no ideal value and amplifies the noise.

Global folding appends inverses of the whole circuit and of its last gates, local folding folds single gates
(Giurgica-Tiron et al., arXiv:2005.10921). Circuits stay symbolic: the inverse of a gate has the negated expressions
for angles. Every copy of a gate, inverse or not, brings the noise of the gate it was made from, so that rules by the
kind of gate cannot miss an inverse that is written as another kind.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch

from counterspin.circuits import Angle, Circuit, Gate, Given
from counterspin.errors import UsageError
from counterspin.mitigation.places import by_gate, gate_places, with_places
from counterspin.noise import NoiseModel

__all__ = ["Folded", "fold_global", "fold_local", "folded_noise", "inverse_gates"]

# Inverses that are no gates of the set by themselves. Phases of the whole state do not count.
_CONSTANTS = {"S": (("P", -torch.pi / 2),), "T": (("P", -torch.pi / 4),)}
_SELF_INVERSE = ("X", "Y", "Z", "H", "CNOT", "CZ", "SWAP", "MCZ", "ECR")


@dataclass(frozen=True, kw_only=True)
class Folded:
    """A folded circuit that knows where its gates come from.

    Args:
        circuit: the folded circuit, without layers.
        origins: for each gate, the index of the gate of the original circuit it copies or inverts; None: a gate that
            stands in an inverse beside the one with the noise.
        factor: gates of the folded circuit over gates of the original one, where an inverse counts as one gate.
    """

    circuit: Circuit
    origins: tuple[int | None, ...]
    factor: float


def inverse_gates(gate: Gate) -> tuple[Gate, ...]:
    """The inverse of a gate up to a global phase, first applied first; of several gates the middle one is noisy.

    Raises:
        UsageError: a gate whose inverse is not known here.

    Example:
        >>> from counterspin.circuits import feature
        >>> circuit = Circuit(1).add("Rot", 0, feature(0), 0.5, 0.25)
        >>> print(*inverse_gates(circuit.gates[0]))
        Rot(-0.25, -0.5, -1·x0) q0
    """
    if gate.kind in _SELF_INVERSE:
        return (gate,)
    if gate.kind == "SX":
        # Virtual rotations around the native gate: what a device would run, with the native gate's noise.
        turn = Gate("RZ", gate.qubits, (Angle(math.pi),))
        return (turn, gate, turn)
    if gate.kind in _CONSTANTS:
        return tuple(Gate(kind, gate.qubits, (Angle(angle),)) for kind, angle in _CONSTANTS[gate.kind])
    if not gate.angles:
        raise UsageError(
            f"gate {gate} has no inverse among the gates that can be folded; amplify by scaling the noise instead "
            "(amplification='noise')."
        )
    angles = tuple(Given(-a.value) if isinstance(a, Given) else -a for a in gate.angles)
    match gate.kind:
        case "Rot":  # (φ, θ, ω)
            angles = angles[::-1]
        case "U3":  # (θ, φ, λ)
            angles = (angles[0], angles[2], angles[1])
        case _:
            pass
    return (replace(gate, angles=angles),)


def fold_global(circuit: Circuit, factor: float) -> Folded:
    r"""The circuit followed by inverses and copies of itself, :math:`U (U^\dagger U)^k L^\dagger L`.

    L are the last gates, as many as bring the number of gates nearest to `factor` times the original one.

    Args:
        circuit: what is folded; its amplitude encoding is not.
        factor: from 1.

    Raises:
        UsageError: a factor below 1, or a gate without inverse.

    Example:
        >>> fold_global(Circuit(1).add("H", 0).add("X", 0), 2.0).circuit.draw()
        'q0: ──H──X──X──X──'
    """
    _check(factor)
    gates = len(circuit.gates)
    whole, rest = divmod(factor - 1, 2)
    last = round(rest * gates / 2)
    order = [(i, False) for i in range(gates)]
    there_and_back = [(i, True) for i in reversed(range(gates))] + order
    tail = range(gates - last, gates)
    order = order + int(whole) * there_and_back + [(i, True) for i in reversed(tail)] + [(i, False) for i in tail]
    return _assembled(circuit, order)


def fold_local(circuit: Circuit, factor: float, *, generator: torch.Generator) -> Folded:
    r"""Single gates folded, :math:`G (G^\dagger G)^k`; a fractional factor folds a random choice of them once more.

    Args:
        circuit: what is folded; its amplitude encoding is not.
        factor: from 1.
        generator: draws the choice.

    Raises:
        UsageError: a factor below 1, or a gate without inverse.

    Example:
        >>> circuit = Circuit(1).add("H", 0).add("X", 0)
        >>> fold_local(circuit, 3.0, generator=torch.Generator()).circuit.draw()
        'q0: ──H──H──H──X──X──X──'
    """
    _check(factor)
    gates = len(circuit.gates)
    whole = int((factor - 1) / 2)
    # Halves are rounded down, as a fold that brings the count no nearer is none.
    more = math.ceil((factor - 1 - 2 * whole) * gates / 2 - 0.5)
    chosen = set(torch.randperm(gates, generator=generator)[: max(more, 0)].tolist())
    order: list[tuple[int, bool]] = []
    for index in range(gates):
        order += [(index, False), *((whole + (index in chosen)) * [(index, True), (index, False)])]
    return _assembled(circuit, order)


def folded_noise(noise: NoiseModel, circuit: Circuit, folded: Folded) -> NoiseModel:
    """The noise of the folded circuit: that of each gate after each copy of it.

    Waiting qubits are scheduled anew. Global depolarising stands for the noise of all gates and grows with their
    number; readout errors stay.

    Args:
        noise: of the original circuit.
        circuit: the original circuit.
        folded: what was made of it.
    """
    channels = gate_places(noise, circuit)
    waiting = by_gate(noise.idle.place(folded.circuit) if noise.idle is not None else ())
    placed = [*channels.get(-1, ()), *waiting.get(-1, ())]
    for position, origin in enumerate(folded.origins):
        if origin is not None:
            placed += [replace(channel, after=position) for channel in channels.get(origin, ())]
        placed += waiting.get(position, ())
    strength = 1 - (1 - noise.global_depolarizing) ** folded.factor
    return replace(with_places(noise, placed), global_depolarizing=strength)


def _check(factor: float) -> None:
    if not 1.0 <= factor < math.inf:
        raise UsageError(f"the scale factor of a folded circuit is {factor}; give a finite number from 1.")


def _assembled(circuit: Circuit, order: Iterable[tuple[int, bool]]) -> Folded:
    gates: list[Gate] = []
    origins: list[int | None] = []
    steps = list(order)
    for index, inverted in steps:
        made = inverse_gates(circuit.gates[index]) if inverted else (circuit.gates[index],)
        gates += made
        origins += [index if place == len(made) // 2 else None for place in range(len(made))]
    folded = replace(circuit, gates=tuple(gates), layers=())
    return Folded(
        circuit=folded, origins=tuple(origins), factor=len(steps) / len(circuit.gates) if circuit.gates else 1.0
    )
