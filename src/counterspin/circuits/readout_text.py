"""Readouts written on one line, as on a command line."""

from __future__ import annotations

import re
from itertools import product

import torch

from counterspin.circuits.readouts import Linear, OutcomeGroups, PauliExpectations, Readout
from counterspin.errors import UsageError

__all__ = ["readout_from_text"]

_GRAMMAR = "write it like 'Z[0]', '0.5*Z[0]*X[1] - Z[2]', 'Z[0] | Z[1] | Z[2]', 'P[0,1]' or 'P[0,1]: 00 11 | 01 10'"
_SUM = re.compile(r"\s*(?P<sign>[+-]?)\s*(?P<product>[^+\-\s](?:[^+-]|(?<=[0-9.][eE])[+-])*)")
_PAULI = re.compile(r"([XYZ])\[\s*([0-9]{1,4})\s*\]")
_OUTCOMES = re.compile(r"P\[([0-9,\s]+)\]\s*(?::(.*))?")
_LISTED_QUBITS = 10


def readout_from_text(text: str, *, threshold: float = 0.0) -> Readout:
    """The readout that a line of text describes.

    * `Z[0]`, `0.5*Z[0]*X[1] - Z[2] + 0.1`: one combination of Pauli strings; class 0 where it is above the threshold,
      class 1 where it is below.
    * `Z[0] | Z[1] | Z[2]`: one combination per class, the largest wins.
    * `P[0,1]`: the outcomes of qubits 0 and 1, the first most significant, each a class: 00, 01, 10, 11.
    * `P[0,1]: 00 11 | 01 10`: groups of them, one per class, the most probable wins; outcomes may be left out.

    Args:
        text: the line.
        threshold: of a single combination.

    Raises:
        UsageError: another text, a qubit named twice in a string, a threshold with several classes.

    Example:
        >>> readout_from_text("P[0,1]: 00 11 | 01 10").measurement
        OutcomeGroups(measured=(0, 1), groups=((0, 3), (1, 2)))
    """
    outcomes = _OUTCOMES.fullmatch(text.strip())
    parts = text.split("|")
    if threshold and (outcomes or len(parts) > 1):
        raise UsageError(
            f"threshold is {threshold:g} and readout {text!r} has a score per class; a threshold goes with one Pauli "
            "expression or one observable."
        )
    if outcomes:
        return _outcome_groups(text, outcomes[1], outcomes[2])
    sums = [_combination(part, text) for part in parts]
    strings = list(dict.fromkeys(string for terms, _ in sums for string in terms))
    weight = torch.tensor([[terms.get(string, 0.0) for string in strings] for terms, _ in sums], dtype=torch.float64)
    bias = torch.tensor([constant for _, constant in sums], dtype=torch.float64)
    if len(sums) == 1:
        weight = torch.cat([weight, -weight]) / 2
        bias = torch.cat([bias - threshold, threshold - bias]) / 2
    return Readout(PauliExpectations(tuple(strings)), Linear(weight, bias))


def _combination(part: str, text: str) -> tuple[dict[tuple[tuple[int, str], ...], float], float]:
    """Coefficients by Pauli string, and the constant."""
    terms: dict[tuple[tuple[int, str], ...], float] = {}
    constant, position = 0.0, 0
    while position < len(part.rstrip()):
        found = _SUM.match(part, position)
        if found is None or (position and not found["sign"]):
            raise UsageError(f"readout {text!r} is not readable at {part[position:].strip()!r}; {_GRAMMAR}.")
        coefficient, string = _product(found["product"], text)
        coefficient = -coefficient if found["sign"] == "-" else coefficient
        if string:
            terms[string] = terms.get(string, 0.0) + coefficient
        else:
            constant += coefficient
        position = found.end()
    if not any(terms.values()):
        raise UsageError(f"readout {text!r} measures nothing in {part.strip()!r}; {_GRAMMAR}.")
    return terms, constant


def _product(written: str, text: str) -> tuple[float, tuple[tuple[int, str], ...]]:
    coefficient, letters = 1.0, {}
    for factor in written.split("*"):
        pauli = _PAULI.fullmatch(factor.strip())
        if pauli:
            qubit = int(pauli[2])
            if qubit in letters:
                raise UsageError(f"readout {text!r} names qubit {qubit} twice in {written.strip()!r}; name it once.")
            letters[qubit] = pauli[1]
            continue
        if not re.fullmatch(r"\s*[0-9.]+(?:[eE][+-]?[0-9]+)?\s*", factor) or factor.count(".") > 1:
            raise UsageError(f"readout {text!r} is not readable at {factor.strip()!r}; {_GRAMMAR}.")
        coefficient *= float(factor)
    return coefficient, tuple(sorted(letters.items()))


def _outcome_groups(text: str, qubits: str, listed: str | None) -> Readout:
    try:
        measured = tuple(int(qubit) for qubit in qubits.split(","))
    except ValueError:
        raise UsageError(f"readout {text!r} lists no qubits in {qubits!r}; {_GRAMMAR}.") from None
    if listed is None:
        if len(measured) > _LISTED_QUBITS:
            raise UsageError(
                f"readout {text!r} makes a class of each of 2^{len(measured)} outcomes; name groups of outcomes, or at "
                f"most {_LISTED_QUBITS} qubits."
            )
        groups = [["".join(bits)] for bits in product("01", repeat=len(measured))]
    else:
        groups = [group.split() for group in listed.split("|")]
    for outcome in (outcome for group in groups for outcome in group):
        if len(outcome) != len(measured) or set(outcome) - set("01"):
            raise UsageError(f"readout {text!r} names outcome {outcome!r}; give {len(measured)} digits 0 or 1.")
    if len(groups) < 2:
        raise UsageError(f"readout {text!r} has one group; separate the classes with |.")
    return Readout(OutcomeGroups(measured, tuple(tuple(int(o, 2) for o in group) for group in groups)))
