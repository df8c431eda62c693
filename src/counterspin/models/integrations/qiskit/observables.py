"""What is measured: sums of Pauli strings, and classes that measured integers are interpreted as."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import torch

from counterspin.circuits import Linear, OutcomeGroups, PauliExpectations
from counterspin.errors import ModelError
from counterspin.models.integrations.reading import Unreadable

__all__ = ["expectations", "outcome_classes", "pauli_sums"]

PauliString = tuple[tuple[int, str], ...]
PauliSum = dict[PauliString, float]

_LARGEST_TABLE = 16  # measured qubits; the table of their outcomes is written down


def pauli_sums(observables: Sequence[Any], touched: frozenset[int]) -> list[PauliSum]:
    """Observables of Qiskit as real sums of Pauli strings on its qubits; the empty string is the identity.

    Args:
        observables: `SparsePauliOp` or whatever else estimators take.
        touched: qubits gates act on; the others stay in |0⟩, where Z is 1 and X and Y are 0.

    Raises:
        Unreadable: complex or parametrised coefficients.
    """
    from qiskit.quantum_info import SparsePauliOp

    sums = []
    for observable in observables:
        known = observable if isinstance(observable, SparsePauliOp) else _as_pauli_sum(observable)
        terms: PauliSum = {}
        for label, coefficient in zip(known.paulis.to_labels(), known.coeffs, strict=True):
            # A Pauli label may carry a sign or an i in front.
            letters = label.lstrip("+-i")
            phase = {"": 1, "+": 1, "-": -1, "i": 1j, "+i": 1j, "-i": -1j}[label[: len(label) - len(letters)]]
            try:
                value = complex(coefficient) * phase
            except TypeError:
                raise Unreadable(f"an observable has the unbound coefficient {coefficient}") from None
            if abs(value.imag) > 1e-12:
                raise Unreadable(f"an observable has the complex coefficient {value:g}; expectation values are real")
            # Qiskit writes qubit 0 last.
            string = tuple((qubit, letter) for qubit, letter in enumerate(reversed(letters)) if letter != "I")
            if any(qubit not in touched and letter != "Z" for qubit, letter in string):
                continue
            string = tuple((qubit, letter) for qubit, letter in string if qubit in touched)
            terms[string] = terms.get(string, 0.0) + value.real
        sums.append(terms)
    return sums


def expectations(sums: Sequence[PauliSum], wires: dict[int, int]) -> tuple[PauliExpectations, Linear | None]:
    """Sums of Pauli strings as a measurement and the head that adds them up; None where each sum is one string.

    Raises:
        Unreadable: nothing but multiples of the identity is measured.
    """
    placed = [{tuple(sorted((wires[q], p) for q, p in string)): c for string, c in terms.items()} for terms in sums]
    strings = list(dict.fromkeys(string for terms in placed for string in terms if string))
    if not strings:
        raise Unreadable("its observables are multiples of the identity, which measure nothing")
    measurement = PauliExpectations(tuple(strings))
    if [{string: 1.0} for string in strings] == placed:
        return measurement, None
    weight = torch.tensor([[terms.get(s, 0.0) for s in strings] for terms in placed], dtype=torch.float64)
    bias = torch.tensor([terms.get((), 0.0) for terms in placed], dtype=torch.float64)
    return measurement, Linear(weight, bias)


def outcome_classes(
    measured: dict[int, int],
    wires: dict[int, int],
    interpret: Callable[[int], int | None],
    values: int,
) -> tuple[OutcomeGroups, Linear | None]:
    """Outcomes grouped by what a function makes of the measured integer, and a head where a class has none.

    Args:
        measured: Qiskit qubit by bit of the integer, bit 0 least significant; other bits read 0.
        wires: our qubit by Qiskit qubit.
        interpret: integer -> index of the value it counts for; None: for none.
        values: how many values there are.

    Raises:
        ModelError: an index outside the values.
        Unreadable: too many qubits to write the table down.
    """
    qubits = sorted(set(measured.values()), key=wires.__getitem__)
    if not 1 <= len(qubits) <= _LARGEST_TABLE:
        raise Unreadable(f"it measures {len(qubits)} qubits; tables of outcomes are written for 1 to {_LARGEST_TABLE}")
    groups: list[list[int]] = [[] for _ in range(values)]
    for outcome, bits in enumerate(product((0, 1), repeat=len(qubits))):
        read = dict(zip(qubits, bits, strict=True))
        index = interpret(sum(read[qubit] << bit for bit, qubit in measured.items()))
        if index is None:
            continue
        if not 0 <= index < values:
            raise ModelError(f"interpret gives {index} for an outcome; the output shape allows 0 to {values - 1}.")
        groups[index].append(outcome)
    filled = [index for index, group in enumerate(groups) if group]
    if not filled:
        raise Unreadable("no outcome counts for any value")
    measurement = OutcomeGroups(tuple(wires[q] for q in qubits), tuple(tuple(groups[index]) for index in filled))
    if len(filled) == values:
        return measurement, None
    weight = torch.zeros(values, len(filled), dtype=torch.float64)
    weight[filled, range(len(filled))] = 1.0
    return measurement, Linear(weight, torch.zeros(values, dtype=torch.float64))


def _as_pauli_sum(observable: Any) -> Any:
    from qiskit.primitives.containers import ObservablesArray
    from qiskit.quantum_info import SparsePauliOp

    try:
        return SparsePauliOp.from_sparse_observable(ObservablesArray.coerce_observable(observable))
    except (TypeError, ValueError) as error:
        raise Unreadable(f"an observable is a {type(observable).__name__}: {error}") from error
