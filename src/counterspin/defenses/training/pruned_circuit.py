"""Circuits without some of their rotations."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from torch import Tensor

from counterspin.circuits import Angle, Circuit, Gate, Given

__all__ = ["PrunedCircuit", "prunable", "pruned", "turns"]

_TURN = 2 * math.pi

# Kinds that do nothing at full turns of all their angles, up to a global phase; controlled rotations need two turns.
_ROTATIONS = ("RX", "RY", "RZ", "P", "Rot", "U3", "CP", "RXX", "RYY", "RZZ")

_SELF_INVERSE = ("CNOT", "CZ", "SWAP", "MCZ")
_SYMMETRIC = ("CZ", "SWAP", "MCZ")


@dataclass(frozen=True, kw_only=True, eq=False)
class PrunedCircuit:
    """A circuit with fewer weights.

    Args:
        circuit: what is left.
        kept: the weights of the old circuit that it still has, in their new order.
        merged: weights `(into, added, factor)` of the old circuit whose two angles became one.
    """

    circuit: Circuit
    kept: tuple[int, ...]
    merged: tuple[tuple[int, int, float], ...] = ()

    def values(self, weights: Tensor) -> Tensor:
        """Its weights, from those of the old circuit."""
        summed = weights.clone()
        for into, added, factor in self.merged:
            summed[into] += factor * weights[added]
        return summed[list(self.kept)]


def prunable(circuit: Circuit) -> tuple[int, ...]:
    """The weights that turn one rotation by one angle and do nothing else.

    Weights that several angles share, or that multiply an input, are not among them.

    Example:
        >>> from counterspin.circuits import reuploading
        >>> circuit = reuploading(2, 1)
        >>> prunable(circuit) == tuple(sorted(set(range(circuit.weights)) - circuit.scaling_weights))
        True
    """
    uses = Counter(weight for _, angle in _expressions(circuit) for weight in angle.weights)
    alone = (
        angle.terms[0].weight
        for gate, angle in _expressions(circuit)
        if gate.kind in _ROTATIONS and len(angle.terms) == 1 and angle.terms[0].input is None
    )
    return tuple(sorted(weight for weight in alone if weight is not None and uses[weight] == 1))


def turns(circuit: Circuit, weights: Tensor) -> dict[int, float]:
    """How far, in radians, the angle of each prunable weight is from the nearest full turn.

    Example:
        >>> import torch
        >>> from counterspin.circuits.angles import weight
        >>> circuit = Circuit(1).add("RZ", 0, 2.0 * weight(0))
        >>> round(turns(circuit, torch.tensor([math.pi - 0.05], dtype=torch.float64))[0], 6)
        0.1
    """
    values = weights.detach().double().tolist()
    chosen = set(prunable(circuit))
    found = {}
    for _, angle in _expressions(circuit):
        weight = angle.terms[0].weight if angle.terms else None
        if weight in chosen and weight is not None:
            found[weight] = abs(math.remainder(angle.constant + angle.terms[0].coefficient * values[weight], _TURN))
    return found


def pruned(circuit: Circuit, weights: Collection[int]) -> PrunedCircuit:
    """The circuit with the angles of some prunable weights at a full turn, and without the gates that then do nothing.

    A `Rot` whose middle angle is pruned becomes one RZ of one weight, one with only a middle angle an RY; equal CNOT,
    CZ or SWAP that meet cancel. The state is the same up to a global phase.

    Args:
        circuit: what is pruned; layer ends stay between the gates they were between.
        weights: of `prunable(circuit)`.

    Example:
        >>> from counterspin.circuits import strongly_entangling
        >>> small = pruned(strongly_entangling(1, 1), (0, 2))
        >>> [str(gate) for gate in small.circuit.gates], small.kept
        (['RY(w0) q0'], (1,))
    """
    gone, single = set(weights), set(prunable(circuit)) - set(weights)
    merged: list[tuple[int, int, float]] = []
    found: list[tuple[int, Gate]] = []
    for place, gate in enumerate(circuit.gates):
        for part in _simplified(replace(gate, angles=tuple(_without(angle, gone) for angle in gate.angles))):
            joined = _joined(part, single, merged)
            partner = _partner([other for _, other in found], joined)
            if partner is None:
                found.append((place, joined))
            else:
                found.pop(partner)
    kept = tuple(
        sorted({k for _, gate in found for angle in gate.angles if isinstance(angle, Angle) for k in angle.weights})
    )
    places = {old: new for new, old in enumerate(kept)}
    left = replace(
        circuit,
        gates=tuple(replace(gate, angles=tuple(_renumbered(a, places) for a in gate.angles)) for _, gate in found),
        layers=tuple(sum(place < end for place, _ in found) for end in circuit.layers),
    )
    return PrunedCircuit(circuit=left, kept=kept, merged=tuple(merged))


def _expressions(circuit: Circuit) -> Iterator[tuple[Gate, Angle]]:
    for gate in circuit.gates:
        for angle in gate.angles:
            if isinstance(angle, Angle):
                yield gate, angle


def _without(angle: Angle | Given, gone: set[int]) -> Angle | Given:
    return Angle() if isinstance(angle, Angle) and angle.weights & gone else angle


def _renumbered(angle: Angle | Given, places: dict[int, int]) -> Angle | Given:
    if isinstance(angle, Given):
        return angle
    terms = (term if term.weight is None else replace(term, weight=places[term.weight]) for term in angle.terms)
    return Angle(angle.constant, tuple(terms))


def _joined(gate: Gate, single: set[int], merged: list[tuple[int, int, float]]) -> Gate:
    """The gate with an angle of two weights, each of which does nothing else, as one of one weight."""
    angle = gate.angles[0] if len(gate.angles) == 1 else None
    if not isinstance(angle, Angle) or len(angle.terms) != 2 or not angle.weights <= single or len(angle.weights) < 2:
        return gate
    first, second = angle.terms
    if first.weight is not None and second.weight is not None:
        merged.append((first.weight, second.weight, second.coefficient / first.coefficient))
    return replace(gate, angles=(Angle(angle.constant, (first,)),))


def _idle(angle: Angle | Given) -> bool:
    """Whether an angle is 0 whatever data and weights are."""
    return isinstance(angle, Angle) and not angle.terms and angle.constant == 0.0


def _simplified(gate: Gate) -> Iterator[Gate]:
    if gate.kind not in _ROTATIONS or not any(_idle(angle) for angle in gate.angles):
        yield gate
        return
    if all(_idle(angle) for angle in gate.angles):
        return
    if gate.kind == "Rot":
        (first, middle, last), axis = gate.angles, "RZ"
    else:
        (middle, first, last), axis = gate.angles, "P"
    if _idle(middle) and isinstance(first, Angle) and isinstance(last, Angle):
        yield Gate(axis, gate.qubits, (first + last,))
    elif _idle(first) and _idle(last):
        yield Gate("RY", gate.qubits, (middle,))
    else:
        yield gate


def _partner(before: list[Gate], gate: Gate) -> int | None:
    """The place of an equal gate that this one undoes, with nothing on its qubits in between."""
    if gate.kind not in _SELF_INVERSE:
        return None
    for place in range(len(before) - 1, -1, -1):
        other = before[place]
        if set(other.qubits) & set(gate.qubits):
            same = set(other.qubits) == set(gate.qubits) if gate.kind in _SYMMETRIC else other.qubits == gate.qubits
            return place if other.kind == gate.kind and same else None
    return None
