"""PennyLane measurements as Pauli expectation values or outcome probabilities with a linear head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from counterspin.circuits import Linear, Measurement, OutcomeGroups, PauliExpectations
from counterspin.errors import ModelError
from counterspin.models.integrations.pennylane.library import pennylane
from counterspin.models.integrations.pennylane.operations import Lowered, lowered
from counterspin.models.integrations.reading import Unreadable, Values

__all__ = ["Measured", "measured", "value_kind"]

Word = tuple[tuple[int, str], ...]
_MOST_WORDS = 4**6  # an observable of more Pauli words than a dense one of six qubits is not worth reading
_NOT_SCORES = {
    "StateMP": "qml.state()",
    "DensityMatrixMP": "qml.density_matrix()",
    "SampleMP": "qml.sample()",
    "CountsMP": "qml.counts()",
    "ClassicalShadowMP": "qml.classical_shadow()",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """What a tape measures, in our terms.

    Args:
        measurement: what is measured.
        head: raw values = head(measured values); None: they are the raw values.
        rotations: gates to append to the circuit first.
    """

    measurement: Measurement
    head: Linear | None
    rotations: list[Lowered]


def value_kind(measurements: list[Any]) -> Values:
    """What the raw values are: probabilities if one distribution is all that is returned.

    Raises:
        ModelError: a measurement that gives no scores.
    """
    names = [type(m).__name__ for m in measurements]
    for name in names:
        if _NOT_SCORES.get(name):
            raise ModelError(
                f"the QNode returns {_NOT_SCORES[name]}, which are no class scores; return qml.probs(wires=...) or "
                "qml.expval(...) instead."
            )
    return "probabilities" if names == ["ProbabilityMP"] else "expectations"


def measured(tape: Any, qubits: Mapping[Any, int]) -> Measured:
    """Read the measurements of a tape.

    Args:
        tape: PennyLane's tape.
        qubits: our qubit of each wire.

    Raises:
        Unreadable: anything but expectation values and probabilities.
    """
    found = tape.measurements
    for m in found:
        if type(m).__name__ not in ("ExpectationMP", "ProbabilityMP") or m.mv is not None:
            raise Unreadable(
                f"it returns {type(m).__name__.removesuffix('MP').lower()}, not expectations or probabilities"
            )
    if len(found) == 1 and _is_probs(found[0]):
        return _distribution(found[0], qubits)
    rows: list[dict[Word, float]] = []
    for m in found:
        rows += [_words(m.obs, qubits)] if m.obs is not None and not _is_probs(m) else _outcome_words(m, qubits)
    return _linear(rows)


def _is_probs(measurement: Any) -> bool:
    return type(measurement).__name__ == "ProbabilityMP"


def _distribution(m: Any, qubits: Mapping[Any, int]) -> Measured:
    """One distribution: the outcomes of its wires, after the rotation into the eigenbasis of `op`."""
    wires = tuple(qubits[w] for w in (m.wires or qubits))
    outcomes = OutcomeGroups(wires, tuple((k,) for k in range(2 ** len(wires))))
    rotations = lowered(m.diagonalizing_gates(), dict(qubits)) if m.obs is not None else []
    return Measured(measurement=outcomes, head=None, rotations=rotations)


def _outcome_words(m: Any, qubits: Mapping[Any, int]) -> list[dict[Word, float]]:
    """Each outcome's probability as a sum over Pauli words: the product of (1 ± P)/2 over the wires."""
    letters = {w: "Z" for w in m.wires or qubits}
    if m.obs is not None:
        sentence = m.obs.pauli_rep
        if sentence is None or len(sentence) != 1:
            raise Unreadable("it returns probabilities of an observable that is no Pauli word, beside other values")
        letters = dict(next(iter(sentence)).items())
    factors = [(qubits[w], letters[w]) for w in letters]
    rows: list[dict[Word, float]] = [{(): 1.0}]
    for factor in factors:
        rows = [
            {word: c / 2 for word, c in row.items()} | {(*word, factor): sign * c / 2 for word, c in row.items()}
            for row in rows
            for sign in (1.0, -1.0)
        ]
    return [{tuple(sorted(word)): c for word, c in row.items()} for row in rows]


def _words(observable: Any, qubits: Mapping[Any, int]) -> dict[Word, float]:
    """An observable as Pauli words and their coefficients; () is the identity."""
    qml = pennylane()
    sentence = observable.pauli_rep
    if sentence is None:
        if 4 ** len(observable.wires) > _MOST_WORDS:
            raise Unreadable(
                f"its observable on {len(observable.wires)} wires is given by a matrix, too large to expand"
            )
        matrix = qml.matrix(observable, wire_order=observable.wires)
        sentence = qml.pauli_decompose(matrix, wire_order=observable.wires, pauli=True, check_hermitian=False)
    total: dict[Word, float] = {}
    for word, coefficient in sentence.items():
        key = tuple(sorted((qubits[w], letter) for w, letter in word.items()))
        value = complex(coefficient.detach() if isinstance(coefficient, Tensor) else coefficient)
        total[key] = total.get(key, 0.0) + value.real
    return {word: c for word, c in total.items() if c != 0.0}


def _linear(rows: list[dict[Word, float]]) -> Measured:
    words = list(dict.fromkeys(word for row in rows for word in row if word))
    if not words:
        raise Unreadable("it measures nothing but the identity")
    measurement = PauliExpectations(tuple(words))
    plain = [{word: 1.0} for word in words]
    if rows == plain:
        return Measured(measurement=measurement, head=None, rotations=[])
    weight = torch.tensor([[row.get(word, 0.0) for word in words] for row in rows], dtype=torch.float64)
    bias = torch.tensor([row.get((), 0.0) for row in rows], dtype=torch.float64)
    return Measured(measurement=measurement, head=Linear(weight, bias), rotations=[])
