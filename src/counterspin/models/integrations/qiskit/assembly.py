"""From unrolled gates to our circuit: which inputs it takes, and the front that computes them from the features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from counterspin.circuits import Amplitudes, Angle, Circuit, Gate, Term
from counterspin.models.integrations.qiskit.circuits import Encoding, Unrolled
from counterspin.models.integrations.qiskit.expressions import Function, Parameters, Polynomial
from counterspin.models.integrations.reading import Unreadable
from counterspin.models.polynomial import PolynomialMap
from counterspin.optimum import AffineMap

__all__ = ["Assembled", "Front", "FunctionMap", "assemble"]

Front = AffineMap | PolynomialMap | Callable[[Tensor], Tensor]


@dataclass(frozen=True, kw_only=True, eq=False)
class Assembled:
    """A circuit of ours, its weights, its front and where each Qiskit qubit went.

    Args:
        circuit: acts on the qubits that are touched or measured.
        weights: `(circuit.weights,)` float64; empty where the caller keeps weights as parameters.
        front: features -> inputs of the circuit; None: the inputs are the features.
        wires: our qubit by Qiskit qubit.
    """

    circuit: Circuit
    weights: Tensor
    front: Front | None
    wires: dict[int, int]


@dataclass(frozen=True, eq=False)
class FunctionMap:
    """Features `(batch, features)` -> circuit inputs `(batch, inputs)`, some of them no polynomials of the features.

    Args:
        polynomials: the inputs that are polynomials, zero in the columns of the others.
        functions: the others, by column.
    """

    polynomials: PolynomialMap
    functions: dict[int, Function]

    def __call__(self, x: Tensor) -> Tensor:
        """Circuit inputs of `x`, in its dtype and attached to autograd."""
        columns = list(self.polynomials(x).unbind(dim=1))
        for column, function in self.functions.items():
            columns[column] = function(x)
        return torch.stack(columns, dim=1)


@dataclass(eq=False)
class _Inputs:
    """The circuit's inputs, collected while its gates are read."""

    features: int
    found: list[Polynomial | Function] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)

    def index(self, value: Polynomial | Function) -> int:
        """Which input gives this value; a new one if none does."""
        for index, known in enumerate(self.found):
            if value is known or _same(value, known):
                return index
        self.found.append(value)
        return len(self.found) - 1


def assemble(unrolled: Unrolled, parameters: Parameters, *, measured: Sequence[int]) -> Assembled:
    """Our circuit for gates of Qiskit.

    An angle that is affine in the features stays an expression of them. Another function of the features becomes an
    input of its own, which the front computes. An angle that hangs on bound parameters alone is a weight. Qubits
    neither touched nor measured are left out.

    Args:
        unrolled: the gates.
        parameters: what the parameters stand for.
        measured: Qiskit qubits the measurement reads.

    Raises:
        Unreadable: no angle or amplitude depends on a feature, or an expression cannot be read.
    """
    wires = {qubit: index for index, qubit in enumerate(sorted(unrolled.touched | set(measured)))}
    features = len(parameters.features)
    # Once every angle is affine in the features, and amplitudes are the leading features, they are the inputs.
    plain = [{((index,), ()): 1.0} for index in range(features)]
    encoding = unrolled.encoding
    amplitudes = [parameters.read(a) for a in encoding.amplitudes] if encoding is not None else []
    gates = [[parameters.read(angle) for angle in operation.angles] for operation in unrolled.operations]
    direct = amplitudes == plain[: len(amplitudes)] and not any(_mapped(v) for angles in gates for v in angles)
    used = {f for angles in gates for value in angles for f in _features(value)}
    direct = direct and features - 1 in used | set(range(len(amplitudes)))
    inputs = _Inputs(features, list(plain if direct else amplitudes))
    built = list(_swaps(encoding, wires)) if encoding is not None else []
    for operation, values in zip(unrolled.operations, gates, strict=True):
        angles = [
            _trainable(value, inputs) if parameters.is_bound(written) else _angle(value, inputs)
            for written, value in zip(operation.angles, values, strict=True)
        ]
        built.append(Gate(operation.kind, tuple(wires[q] for q in operation.qubits), tuple(angles)))
    if not inputs.found:
        raise Unreadable("no gate of the circuit depends on a feature")
    circuit = Circuit(max(1, len(wires)), tuple(built), Amplitudes(len(amplitudes)) if amplitudes else None)
    weights = torch.tensor(inputs.weights, dtype=torch.float64)
    return Assembled(circuit=circuit, weights=weights, front=None if direct else _front(inputs), wires=wires)


def _angle(value: Polynomial | Function, inputs: _Inputs) -> Angle:
    if isinstance(value, Function):
        return Angle(0.0, (Term(1.0, input=inputs.index(value)),))
    crossed = {key: c for key, c in value.items() if key[1]}
    if any(len(features) > 1 or len(weights) > 1 for features, weights in crossed):
        raise Unreadable("an angle multiplies two weights, or a weight by two features; it must stay affine in each")
    alone = {key: c for key, c in value.items() if not key[1]}
    if _mapped(alone):
        constant, terms = 0.0, [Term(1.0, input=inputs.index(alone))]
    else:
        constant = alone.pop(((), ()), 0.0)
        terms = [Term(c, input=inputs.index({key: 1.0})) for key, c in alone.items()]
    for (features, (weight,)), coefficient in crossed.items():
        index = inputs.index({(features, ()): 1.0}) if features else None
        terms.append(Term(coefficient, input=index, weight=weight))
    return Angle(constant, tuple(terms))


def _trainable(value: Polynomial | Function, inputs: _Inputs) -> Angle:
    """The next weight, with this number as its value."""
    inputs.weights.append(0.0 if isinstance(value, Function) else value.get(((), ()), 0.0))
    return Angle(0.0, (Term(1.0, weight=len(inputs.weights) - 1),))


def _mapped(value: Polynomial | Function) -> bool:
    """Whether the value is not affine in the features."""
    return isinstance(value, Function) or any(len(features) > 1 and not weights for features, weights in value)


def _features(value: Polynomial | Function) -> set[int]:
    return set(value.features) if isinstance(value, Function) else {f for features, _ in value for f in features}


def _same(first: Polynomial | Function, second: Polynomial | Function) -> bool:
    if isinstance(first, Function) or isinstance(second, Function):
        return isinstance(first, Function) and isinstance(second, Function) and first.text == second.text
    return first == second


def _swaps(encoding: Encoding, wires: dict[int, int]) -> list[Gate]:
    """Swaps that bring bit b of the encoded index, the last of our qubits but b, to the qubit Qiskit keeps it on."""
    qubits = len(wires)
    # Which bit lies on a qubit; the others carry |0> and need no place.
    place: list[int | None] = [qubits - 1 - q if q >= qubits - len(encoding.qubits) else None for q in range(qubits)]
    swaps = []
    for bit, qubit in enumerate(encoding.qubits):
        target, now = wires[qubit], place.index(bit)
        if now != target:
            swaps.append(Gate("SWAP", (min(now, target), max(now, target))))
            place[now], place[target] = place[target], place[now]
    return swaps


def _front(inputs: _Inputs) -> Front:
    functions = {column: value for column, value in enumerate(inputs.found) if isinstance(value, Function)}
    polynomials = [{} if isinstance(value, Function) else value for value in inputs.found]
    if any(weights for value in polynomials for _, weights in value):
        raise Unreadable("an encoded amplitude depends on a weight")
    found: set[tuple[int, ...]] = {features for value in polynomials for features, _ in value}
    monomials = sorted(found | {()}, key=lambda m: (len(m), m))
    coefficients = torch.zeros(len(polynomials), len(monomials), dtype=torch.float64)
    for row, value in zip(coefficients, polynomials, strict=True):
        for (features, _), coefficient in value.items():
            row[monomials.index(features)] += coefficient
    if not functions and all(len(monomial) <= 1 for monomial in monomials):
        weight = torch.zeros(len(polynomials), inputs.features, dtype=torch.float64)
        for column, monomial in zip(coefficients.T, monomials, strict=True):
            for feature in monomial:
                weight[:, feature] = column
        return AffineMap(weight, coefficients[:, 0])
    exponents = [[monomial.count(feature) for feature in range(inputs.features)] for monomial in monomials]
    polynomial = PolynomialMap(exponents, coefficients)
    return FunctionMap(polynomial, functions) if functions else polynomial
