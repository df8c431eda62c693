r"""Runs of one-qubit gates as words in RZ and SX, made as short as their numbers allow.

Angles that hold inputs, weights or tensors stay symbols; everything constant between two of them is one unitary,
written again with the fewest pulses: none, one SX (or X), or two SX (McKay et al., arXiv:1612.00858).

.. math:: U_3(\theta, \varphi, \lambda) \propto
    R_z(\varphi + \pi)\, \sqrt X\, R_z(\theta + \pi)\, \sqrt X\, R_z(\lambda)
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterable, Sequence

from counterspin.circuits import Angle, Gate, Given, Term

__all__ = ["collected", "fused"]

_Matrix = tuple[complex, complex, complex, complex]
_Step = float | Angle | Given | str

_IDENTITY: _Matrix = (1, 0, 0, 1)
_SX: _Matrix = (0.5 + 0.5j, 0.5 - 0.5j, 0.5 - 0.5j, 0.5 + 0.5j)
_X: _Matrix = (0, 1, 1, 0)
# Products of a dozen unitaries are off by less; a constant angle nearer to a multiple of π/2 than this counts as one.
_ROUNDING = 1e-14


def fused(gates: Sequence[Gate], qubits: int, *, flips: bool) -> list[Gate]:
    """The same circuit with every run of one-qubit gates shortened, up to a global phase.

    Args:
        gates: RZ, SX and X, and any gates on several qubits.
        qubits: of the circuit.
        flips: the device has an X gate of its own, one pulse instead of two.

    Example:
        >>> turn = Gate("RZ", (0,), (Angle(math.pi / 2),))
        >>> hadamard = [turn, Gate("SX", (0,)), turn]
        >>> fused(hadamard + hadamard, 1, flips=True)
        []
    """
    words: list[list[_Step]] = [[] for _ in range(qubits)]
    done: list[Gate] = []
    for gate in gates:
        if len(gate.qubits) == 1:
            words[gate.qubits[0]].append(gate.angles[0] if gate.kind == "RZ" else gate.kind)
            continue
        for qubit in gate.qubits:
            done += _written(words[qubit], qubit, flips)
            words[qubit] = []
        done.append(gate)
    return done + [gate for qubit, word in enumerate(words) for gate in _written(word, qubit, flips)]


def collected(angle: Angle) -> Angle:
    """The expression with like terms added up, and its constant above -π and at most π.

    Example:
        >>> from counterspin.circuits import weight
        >>> print(collected(weight(0) + 0.5 * weight(0) + 2 * math.pi))
        1.5·w0
    """
    sums: dict[tuple[int | None, int | None], list[float]] = {}
    for term in angle.terms:
        sums.setdefault((term.input, term.weight), []).append(term.coefficient)
    terms = []
    for (feature, weight), parts in sums.items():
        coefficient = math.fsum(parts)
        # What cancels but for rounding would be an input or weight that nothing hangs on.
        if abs(coefficient) > _ROUNDING * sum(map(abs, parts)):
            terms.append(Term(coefficient, feature, weight))
    return Angle(_wrapped(angle.constant), tuple(terms))


def _written(word: list[_Step], qubit: int, flips: bool) -> list[Gate]:
    """The gates of one run."""
    constants, symbols = _merged(*_separated(word))
    steps = _synthesised(constants[0], flips)
    for symbol, constant in zip(symbols, constants[1:], strict=True):
        steps += [*symbol, *_synthesised(constant, flips)]
    gates: list[Gate] = []
    turn = Angle()
    for step in [*steps, "end"]:
        if isinstance(step, float | Angle):
            turn = turn + step
        elif isinstance(step, Given):
            gates.append(Gate("RZ", (qubit,), (step,)))
        else:
            turn = collected(turn)
            gates += [Gate("RZ", (qubit,), (turn,))] if turn != Angle() else []
            gates += [Gate(step, (qubit,))] if step != "end" else []
            turn = Angle()
    return gates


def _separated(word: Iterable[_Step]) -> tuple[list[_Matrix], list[list[Angle | Given]]]:
    """Constant unitaries and the symbolic turns between them, one fewer."""
    constants, symbols = [_IDENTITY], []
    for step in word:
        if isinstance(step, Given) or (isinstance(step, Angle) and step.terms):
            symbols.append([step])
            constants.append(_IDENTITY)
        elif isinstance(step, Angle):
            constants[-1] = _product(_turned(step.constant), constants[-1])
        else:
            constants[-1] = _product(_SX if step == "SX" else _X, constants[-1])
    return constants, symbols


def _merged(
    constants: list[_Matrix], symbols: list[list[Angle | Given]]
) -> tuple[list[_Matrix], list[list[Angle | Given]]]:
    """Symbolic turns with nothing but turns between them are one."""
    place = 1
    while place < len(symbols):
        if abs(constants[place][1]) > _ROUNDING:
            place += 1
            continue
        between = constants.pop(place)
        both = [*symbols.pop(place), *symbols[place - 1]]
        sum_ = collected(sum((angle for angle in both if isinstance(angle, Angle)), Angle()))
        givens = [angle for angle in both if isinstance(angle, Given)]
        constants[place] = _product(constants[place], _product(between, _turned(sum_.constant)))
        symbols[place - 1] = [*([Angle(0.0, sum_.terms)] if sum_.terms else []), *givens]
        if not symbols[place - 1]:  # they cancel: what stood around them meets
            symbols.pop(place - 1)
            constants[place - 1 : place + 1] = [_product(constants[place], constants[place - 1])]
            place = max(1, place - 1)
    return constants, symbols


def _synthesised(unitary: _Matrix, flips: bool) -> list[_Step]:
    """Turns and pulses, first applied first."""
    a, b, c, d = unitary
    theta = 2 * math.atan2(abs(c), abs(a))
    if theta < _ROUNDING:
        return [_angle(d / a)]
    if math.pi - theta < _ROUNDING:
        return [*(["X"] if flips else ["SX", "SX"]), _angle(c / b)]
    phi, lam = _angle(c / a), _angle(-b / a)
    if abs(theta - math.pi / 2) < _ROUNDING:
        return [lam - math.pi / 2, "SX", phi + math.pi / 2]
    return [lam, "SX", theta + math.pi, "SX", phi + math.pi]


def _angle(number: complex) -> float:
    """Its phase; multiples of π/4 lose their rounding, so that turns by them cancel for good."""
    phase = cmath.phase(number)
    nearest = round(phase / (math.pi / 4)) * (math.pi / 4)
    return nearest if abs(phase - nearest) < _ROUNDING else phase


def _wrapped(angle: float) -> float:
    wrapped = math.remainder(angle, 2 * math.pi)
    if math.pi - abs(wrapped) < _ROUNDING:
        return math.pi
    return 0.0 if abs(wrapped) < _ROUNDING else wrapped


def _turned(angle: float) -> _Matrix:
    return (1, 0, 0, cmath.exp(1j * angle))


def _product(left: _Matrix, right: _Matrix) -> _Matrix:
    a, b, c, d = left
    e, f, g, h = right
    return (a * e + b * g, a * f + b * h, c * e + d * g, c * f + d * h)
