"""Numbers in place of a circuit's weights and inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from counterspin.circuits.angles import Angle, Given, Term
from counterspin.circuits.circuit import Circuit
from counterspin.errors import UsageError

__all__ = ["bind"]


def bind(circuit: Circuit, *, inputs: Sequence[float] | None = None, weights: Sequence[float] | None = None) -> Circuit:
    """The circuit with numbers in place of weights, inputs of gate angles, or both; encoded amplitudes stay inputs.

    Args:
        circuit: what to bind.
        inputs: one number per input; None: inputs stay.
        weights: one number per weight; None: weights stay.

    Raises:
        UsageError: fewer or more numbers than the circuit takes.

    Example:
        >>> from counterspin.circuits import feature, weight
        >>> circuit = Circuit(1).add("RX", 0, 0.5 * feature(0) * weight(0) + 1)
        >>> print(bind(circuit, weights=[3.0]).gates[0])
        RX(1 + 1.5·x0) q0
    """
    for name, given, taken in (("inputs", inputs, circuit.inputs), ("weights", weights, circuit.weights)):
        if given is not None and len(given) != taken:
            raise UsageError(f"{name} holds {len(given)} numbers; the circuit takes {taken}.")
    gates = tuple(
        replace(gate, angles=tuple(a if isinstance(a, Given) else _bound(a, inputs, weights) for a in gate.angles))
        for gate in circuit.gates
    )
    return replace(circuit, gates=gates)


def _bound(angle: Angle, inputs: Sequence[float] | None, weights: Sequence[float] | None) -> Angle:
    constant, terms = angle.constant, []
    for term in angle.terms:
        coefficient, left = term.coefficient, {"input": term.input, "weight": term.weight}
        for name, values in (("input", inputs), ("weight", weights)):
            index = left[name]
            if index is not None and values is not None:
                coefficient, left[name] = coefficient * float(values[index]), None
        if left["input"] is None and left["weight"] is None:
            constant += coefficient
        else:
            terms.append(Term(coefficient, left["input"], left["weight"]))
    return Angle(constant, tuple(terms))
