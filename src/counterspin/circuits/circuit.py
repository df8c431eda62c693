"""The `Circuit` value: an immutable sequence of gates. It knows its inputs, weights and frequencies; it cannot run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from torch import Tensor

from counterspin.circuits.angles import Angle, Given, Term
from counterspin.circuits.gates import GATES, Gate
from counterspin.errors import UsageError

__all__ = ["Amplitudes", "Circuit"]


@dataclass(frozen=True)
class Amplitudes:
    """Amplitude encoding: the first inputs, divided by their norm and padded with zeros, are the initial state.

    Args:
        length: number of amplitudes the data fills, at most `2**qubits`.
        complex_data: the inputs are `length` real parts followed by `length` imaginary parts.
    """

    length: int
    complex_data: bool = False

    @property
    def features(self) -> int:
        """How many inputs it takes."""
        return 2 * self.length if self.complex_data else self.length


@dataclass(frozen=True)
class Circuit:
    """An immutable sequence of gates on `qubits` qubits; qubit 0 is the most significant bit of a basis state.

    Args:
        qubits: number of qubits.
        gates: the gates, first applied first.
        amplitudes: amplitude encoding of the leading inputs; None: start in |0…0⟩.
        layers: numbers of gates after which a layer ends, ascending; noise per layer acts there.

    Raises:
        UsageError: a gate outside the qubits, more amplitudes than basis states, layer ends that are none.

    Example:
        >>> from counterspin.circuits import feature
        >>> circuit = Circuit(2).add("RY", 0, 3.14 * feature(0)).add("CNOT", (0, 1))
        >>> circuit.inputs, circuit.weights
        (1, 0)
    """

    qubits: int
    gates: tuple[Gate, ...] = ()
    amplitudes: Amplitudes | None = None
    layers: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Refuse gates and encodings that do not fit the qubits."""
        if self.qubits < 1:
            raise UsageError(f"qubits is {self.qubits}; a circuit has at least one.")
        for gate in self.gates:
            if max(gate.qubits) >= self.qubits:
                raise UsageError(
                    f"gate {gate} acts outside the circuit's {self.qubits} qubits (0 to {self.qubits - 1})."
                )
        if self.amplitudes is not None and not 1 <= self.amplitudes.length <= 2**self.qubits:
            raise UsageError(
                f"amplitude encoding of {self.amplitudes.length} values does not fit {self.qubits} qubits; "
                f"give 1 to {2**self.qubits} values."
            )
        if list(self.layers) != sorted(self.layers) or not set(self.layers) <= set(range(len(self.gates) + 1)):
            raise UsageError(f"layers are {self.layers}; give ascending numbers of gates, 0 to {len(self.gates)}.")

    @cached_property
    def _hash(self) -> int:
        return hash((self.qubits, self.gates, self.amplitudes, self.layers))

    def __hash__(self) -> int:
        """Hash of the whole sequence, computed once: circuits key the engines' caches."""
        return self._hash

    @cached_property
    def inputs(self) -> int:
        """Number of inputs (features) the circuit takes."""
        used = [index + 1 for _, _, angle in self._expressions() for index in angle.inputs]
        return max([self.amplitudes.features if self.amplitudes else 0, *used])

    @cached_property
    def weights(self) -> int:
        """Number of weights the circuit takes."""
        return max([0, *(index + 1 for _, _, angle in self._expressions() for index in angle.weights)])

    @cached_property
    def scaling_weights(self) -> frozenset[int]:
        """Weights that multiply an input (trainable re-uploading scales)."""
        terms = (term for _, _, angle in self._expressions() for term in angle.terms)
        return frozenset(t.weight for t in terms if t.input is not None and t.weight is not None)

    @cached_property
    def depth(self) -> int:
        """Number of time steps, where gates on different qubits share one.

        Example:
            >>> Circuit(2).add("H", 0).add("H", 1).add("CNOT", (0, 1)).depth
            2
        """
        busy = [0] * self.qubits
        for gate in self.gates:
            step = 1 + max(busy[qubit] for qubit in gate.qubits)
            for qubit in gate.qubits:
                busy[qubit] = step
        return max(busy)

    @cached_property
    def depends_on_inputs_by_gates(self) -> bool:
        """Whether any gate angle differs between samples; if not, the circuit is one fixed unitary."""
        return any(isinstance(a, Given) or a.inputs for gate in self.gates for a in gate.angles)

    def add(self, kind: str, qubits: int | Iterable[int], *angles: Angle | Given | Tensor | float) -> Circuit:
        """The circuit with one more gate; angles are numbers, expressions or tensors `()` or `(batch,)` (`Given`)."""
        wires = (qubits,) if isinstance(qubits, int) else tuple(qubits)
        exact = []
        for angle in angles:
            given = Given(angle) if isinstance(angle, Tensor) else angle
            exact.append(given if isinstance(given, Angle | Given) else Angle(float(given)))
        return replace(self, gates=(*self.gates, Gate(kind, wires, tuple(exact))))

    def end_layer(self) -> Circuit:
        """The circuit with a layer boundary after its last gate."""
        return replace(self, layers=(*self.layers, len(self.gates)))

    def __add__(self, other: Circuit) -> Circuit:
        """This circuit followed by another one; inputs are shared, the other's weights are numbered after ours."""
        if other.qubits != self.qubits or other.amplitudes is not None:
            raise UsageError(
                f"circuits with {self.qubits} and {other.qubits} qubits"
                f"{' and an amplitude encoding in the middle' if other.amplitudes else ''} cannot be joined; "
                "both need the same qubits and only the first may encode amplitudes."
            )
        shifted = tuple(
            replace(g, angles=tuple(a if isinstance(a, Given) else a.shifted(weights=self.weights) for a in g.angles))
            for g in other.gates
        )
        layers = self.layers + tuple(len(self.gates) + end for end in other.layers)
        return replace(self, gates=self.gates + shifted, layers=layers)

    def frequencies(self, index: int, weights: Iterable[float] | Tensor = ()) -> tuple[tuple[float, ...], ...]:
        """Positive frequencies with which a gate input enters an expectation value, one tuple per angle that holds it.

        Args:
            index: the input.
            weights: the circuit's weights, needed where they scale inputs.

        Raises:
            UsageError: weights are needed and not given.

        Example:
            >>> from counterspin.circuits import feature
            >>> Circuit(2).add("RY", 0, feature(0)).add("CRX", (0, 1), 3.0 * feature(0)).frequencies(0)
            ((1.0,), (1.5, 3.0))
        """
        values = [float(w) for w in weights]
        found = []
        for gate, position, angle in self._expressions():
            terms = [term for term in angle.terms if term.input == index]
            if any(term.weight is not None and term.weight >= len(values) for term in terms):
                raise UsageError(
                    f"weights has {len(values)} values; the circuit takes {self.weights}, some scale inputs."
                )
            slope = sum(t.coefficient * (1.0 if t.weight is None else values[t.weight]) for t in terms)
            if slope:
                found.append(tuple(abs(slope) * f for f in GATES[gate.kind].frequencies[position]))
        return tuple(found)

    def to_json(self) -> dict[str, Any]:
        """The circuit as JSON values.

        Raises:
            UsageError: an angle is a tensor computed outside.
        """
        gates = []
        for gate in self.gates:
            angles = []
            for angle in gate.angles:
                if isinstance(angle, Given):
                    raise UsageError(
                        "a circuit with angles given as tensors cannot be saved; make them inputs of the circuit."
                    )
                angles.append([angle.constant, [[t.coefficient, t.input, t.weight] for t in angle.terms]])
            gates.append([gate.kind, list(gate.qubits), angles])
        amplitudes = None if self.amplitudes is None else [self.amplitudes.length, self.amplitudes.complex_data]
        return {"qubits": self.qubits, "amplitudes": amplitudes, "layers": list(self.layers), "gates": gates}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Circuit:
        """The circuit that `to_json` wrote."""
        gates = tuple(
            Gate(kind, tuple(qubits), tuple(Angle(c, tuple(Term(*t) for t in terms)) for c, terms in angles))
            for kind, qubits, angles in data["gates"]
        )
        amplitudes = None if data["amplitudes"] is None else Amplitudes(*data["amplitudes"])
        return cls(data["qubits"], gates, amplitudes, tuple(data["layers"]))

    def draw(self) -> str:
        """The circuit as text, one line per qubit."""
        from counterspin.circuits.drawing import draw  # a drawing needs the circuit's type: imported late, same package

        return draw(self)

    def _expressions(self) -> Iterator[tuple[Gate, int, Angle]]:
        """Gate, position among its angles and angle, for all angles but tensors."""
        for gate in self.gates:
            for position, angle in enumerate(gate.angles):
                if isinstance(angle, Angle):
                    yield gate, position, angle
