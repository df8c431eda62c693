"""Readouts: from measured qubits to class scores."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from counterspin.errors import UsageError
from counterspin.types import Outputs

__all__ = [
    "Head",
    "Linear",
    "Measurement",
    "OutcomeGroups",
    "PauliExpectations",
    "Readout",
    "Scale",
    "measurement_from_json",
    "measurement_to_json",
]

PauliString = tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class PauliExpectations:
    """Expectation values of Pauli strings.

    Args:
        observables: one string per value, each a tuple of (qubit, "X" | "Y" | "Z"); use `of` to write them as text.

    Example:
        >>> PauliExpectations.of("Z0", "X0 Y2").observables
        (((0, 'Z'),), ((0, 'X'), (2, 'Y')))
    """

    observables: tuple[PauliString, ...]

    def __post_init__(self) -> None:
        """Refuse empty lists and unknown letters."""
        if not self.observables:
            raise UsageError("PauliExpectations needs at least one observable, for example 'Z0'.")
        for string in self.observables:
            qubits = [q for q, _ in string]
            if not string or len(set(qubits)) != len(qubits) or min(qubits) < 0 or {p for _, p in string} - set("XYZ"):
                raise UsageError(f"observable {string} must name each qubit once with X, Y or Z.")

    @classmethod
    def of(cls, *names: str) -> PauliExpectations:
        """Observables written like `"Z0"` or `"X0 Y2"`."""
        strings = []
        for name in names:
            letters = [re.fullmatch(r"([XYZ])(\d+)", word) for word in name.split()]
            if not letters or None in letters:
                raise UsageError(f"observable {name!r} is not readable; write it like 'Z0' or 'X0 Y2'.")
            strings.append(tuple(sorted((int(m[2]), m[1]) for m in letters if m is not None)))
        return cls(tuple(strings))

    @property
    def values(self) -> int:
        """How many values the measurement gives per sample."""
        return len(self.observables)

    @property
    def qubits(self) -> int:
        """The fewest qubits a measured circuit needs."""
        return 1 + max(q for string in self.observables for q, _ in string)


@dataclass(frozen=True)
class OutcomeGroups:
    """Probabilities of groups of measurement outcomes.

    Args:
        measured: the measured qubits, the first one most significant.
        groups: for each value, the outcomes (integers below `2**len(measured)`) that count for it; outcomes may be left
            out.

    Example:
        >>> OutcomeGroups.first(qubits=4, classes=10).groups[9]
        (9,)
    """

    measured: tuple[int, ...]
    groups: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        """Refuse repeated qubits, empty or overlapping groups."""
        outcomes = [o for group in self.groups for o in group]
        if len(set(self.measured)) != len(self.measured) or not self.measured or min(self.measured) < 0:
            raise UsageError(f"measured is {self.measured}; name each measured qubit once.")
        if not self.groups or not all(self.groups) or len(set(outcomes)) != len(outcomes):
            raise UsageError("groups must be disjoint and not empty; each outcome counts for one class at most.")
        if min(outcomes) < 0 or max(outcomes) >= 2 ** len(self.measured):
            raise UsageError(
                f"groups name outcomes {min(outcomes)} to {max(outcomes)}; allowed: 0 to {2 ** len(self.measured) - 1}."
            )

    @classmethod
    def first(cls, *, qubits: int, classes: int) -> OutcomeGroups:
        """Outcome k of the first `qubits` qubits stands for class k."""
        return cls(tuple(range(qubits)), tuple((k,) for k in range(classes)))

    @property
    def is_complete(self) -> bool:
        """Whether every outcome belongs to a group, so that the values sum to 1."""
        return sum(map(len, self.groups)) == 2 ** len(self.measured)

    @property
    def values(self) -> int:
        """How many values the measurement gives per sample."""
        return len(self.groups)

    @property
    def qubits(self) -> int:
        """The fewest qubits a measured circuit needs."""
        return 1 + max(self.measured)


Measurement = PauliExpectations | OutcomeGroups


@dataclass(frozen=True, eq=False)
class Scale:
    """Scores = value · measured values: a logit scale (inverse temperature), a positive scalar tensor."""

    value: Tensor


@dataclass(frozen=True, eq=False)
class Linear:
    """Scores = weight @ measured values + bias, `(classes, values)` and `(classes,)`."""

    weight: Tensor
    bias: Tensor


Head = Scale | Linear


@dataclass(frozen=True, eq=False)
class Readout:
    """A measurement and an optional head on it.

    Args:
        measurement: what is measured.
        head: None: the measured values are the scores.
    """

    measurement: Measurement
    head: Head | None = None

    def __post_init__(self) -> None:
        """Refuse a head that does not fit the measurement."""
        if isinstance(self.head, Scale) and self.head.value.numel() != 1:
            raise UsageError(f"scale has shape {tuple(self.head.value.shape)}; it is one number, shape ().")
        if isinstance(self.head, Linear) and self.head.weight.shape != (*self.head.bias.shape, self.measurement.values):
            raise UsageError(
                f"linear head has weight {tuple(self.head.weight.shape)} and bias {tuple(self.head.bias.shape)}; "
                f"needed: (classes, {self.measurement.values}) and (classes,)."
            )

    @property
    def classes(self) -> int:
        """Number of class scores."""
        return self.head.bias.shape[0] if isinstance(self.head, Linear) else self.measurement.values

    @property
    def outputs(self) -> Outputs:
        """What the scores are."""
        if self.head is not None:
            return "logits"
        # Groups that leave outcomes out do not sum to 1: they are expectation values of projectors.
        whole = isinstance(self.measurement, OutcomeGroups) and self.measurement.is_complete
        return "probabilities" if whole else "expectations"

    def scores(self, values: Tensor) -> Tensor:
        """Class scores `(..., classes)` of measured values `(..., values)`, in the dtype of the values."""
        match self.head:
            case Scale(value):
                return value.to(values) * values
            case Linear(weight, bias):
                return values @ weight.to(values).T + bias.to(values)
            case _:
                return values


def measurement_to_json(measurement: Measurement) -> dict[str, Any]:
    """The measurement as JSON values."""
    if isinstance(measurement, OutcomeGroups):
        return {"measured": list(measurement.measured), "groups": [list(g) for g in measurement.groups]}
    return {"observables": [" ".join(f"{p}{q}" for q, p in string) for string in measurement.observables]}


def measurement_from_json(data: dict[str, Any]) -> Measurement:
    """The measurement that `measurement_to_json` wrote."""
    if "observables" in data:
        return PauliExpectations.of(*data["observables"])
    return OutcomeGroups(tuple(data["measured"]), tuple(tuple(g) for g in data["groups"]))
