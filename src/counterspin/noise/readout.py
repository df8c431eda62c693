"""Readout errors: how the outcomes a device reports differ from what its qubits were."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor

from counterspin.errors import ConditionsError, InputError, UsageError
from counterspin.noise.matrix_power import real_power

__all__ = ["ReadoutErrors"]

_DENSE_QUBITS = 12
_STOCHASTIC = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class ReadoutErrors:
    """Each qubit read wrong with its own two probabilities, some pairs of qubits together.

    Confusion matrices are column-stochastic: entry `[read, true]`.

    Args:
        flips: for each qubit `(P(read 1 | 0), P(read 0 | 1))`.
        pairs: `((a, b), confusion)`: qubits read with correlated errors, with a `(4, 4)` float64 matrix in place of
            their flips, qubit `a` the most significant bit. What is
            read of one then hangs on its partner even where that is not part of the measured string, and on the basis
            the partner is turned to: Z, or what other strings of the same setting need.

    Raises:
        UsageError: no qubit, probabilities outside [0, 1], a qubit in two pairs or outside the qubits.
        InputError: a confusion matrix of another shape, or whose columns are no distributions.

    Example:
        >>> ReadoutErrors(flips=((0.01, 0.05), (0.0, 0.0))).factors()[0][1].tolist()
        [[0.99, 0.05], [0.01, 0.95]]
    """

    flips: tuple[tuple[float, float], ...]
    pairs: tuple[tuple[tuple[int, int], Tensor], ...] = ()

    def __post_init__(self) -> None:
        """Refuse what is no set of readout errors."""
        if not self.flips:
            raise UsageError("flips is empty; give two probabilities per qubit, (0 read as 1, 1 read as 0).")
        for qubit, flips in enumerate(self.flips):
            if len(flips) != 2 or not all(0.0 <= p <= 1.0 for p in flips):
                raise UsageError(
                    f"flips[{qubit}] is {flips}; give two probabilities from 0 to 1, (0 read as 1, 1 read as 0)."
                )
        named = list(chain.from_iterable(qubits for qubits, _ in self.pairs))
        if len(set(named)) != len(named) or not set(named) <= set(range(self.qubits)):
            raise UsageError(
                f"pairs name the qubits {named}; each of the qubits 0 to {self.qubits - 1} is in at most one pair."
            )
        for qubits, confusion in self.pairs:
            _check_confusion(qubits, confusion)

    @classmethod
    def uniform(cls, flips: tuple[float, float], qubits: int) -> ReadoutErrors:
        """The same two probabilities `(P(read 1 | 0), P(read 0 | 1))` on each of so many qubits."""
        return cls(flips=(flips,) * qubits)

    @property
    def qubits(self) -> int:
        """How many qubits are read."""
        return len(self.flips)

    @property
    def is_ideal(self) -> bool:
        """Whether every outcome is read as it is."""
        return all(bool((confusion == torch.eye(len(confusion))).all()) for _, confusion in self.factors())

    def factors(self) -> list[tuple[tuple[int, ...], Tensor]]:
        """Qubits and confusion matrix `(2^k, 2^k)` float64 of each independent part; every qubit is in one."""
        paired = {qubits[0]: (qubits, confusion) for qubits, confusion in self.pairs}
        second = {qubits[1] for qubits, _ in self.pairs}
        parts: list[tuple[tuple[int, ...], Tensor]] = []
        for qubit, (up, down) in enumerate(self.flips):
            if qubit in paired:
                parts.append(paired[qubit])
            elif qubit not in second:
                rows = [[1 - up, down], [up, 1 - down]]
                parts.append(((qubit,), torch.tensor(rows, dtype=torch.float64)))
        return parts

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of numbers under these errors must be told, as sentences; nothing for ordinary ones.

        Example:
            >>> ReadoutErrors.uniform((0.7, 0.6), 2).notes[0].partition(" (")[0]
            'Qubits 0, 1 are read wrong more often than right'
        """
        worse = {qubit: rate for qubit, rate in enumerate(self._rates()) if rate > 1}
        if not worse:
            return ()
        named, rate = ", ".join(map(str, worse)), max(worse.values())
        who = f"Qubit {named} is" if len(worse) == 1 else f"Qubits {named} are"
        return (
            f"{who} read wrong more often than right (P(1|0) + P(0|1) = {rate:g}, beyond 1): its outcomes are as good "
            "as swapped, which is hardly what was meant; check the two probabilities.",
        )

    def matrix(self) -> Tensor:
        """The confusion matrix of all outcomes, `(2**n, 2**n)` float64, qubit 0 the most significant bit.

        Raises:
            UsageError: more than 12 qubits.
        """
        if self.qubits > _DENSE_QUBITS:
            raise UsageError(
                f"the confusion matrix of {self.qubits} qubits has 2^{2 * self.qubits} entries; at most "
                f"{_DENSE_QUBITS} qubits: apply factors() one by one."
            )
        outcomes = 2**self.qubits
        whole = torch.eye(outcomes, dtype=torch.float64).reshape(*(2,) * self.qubits, outcomes)
        for qubits, confusion in self.factors():
            ends = list(range(len(qubits)))
            moved = whole.movedim(list(qubits), ends)
            read = (confusion @ moved.reshape(len(confusion), -1)).reshape(moved.shape)
            whole = read.movedim(ends, list(qubits))
        return whole.reshape(outcomes, outcomes)

    def restricted(self, order: Sequence[int]) -> ReadoutErrors:
        """The errors of some qubits, `order[i]` becoming qubit i.

        Of a pair that loses one qubit, the other is read as beside a qubit in 0, where a device keeps idle qubits.

        Raises:
            UsageError: qubits that are not here, or named twice.
        """
        if not order or len(set(order)) != len(order) or not set(order) <= set(range(self.qubits)):
            raise UsageError(f"order is {tuple(order)}; name some of the qubits 0 to {self.qubits - 1} once each.")
        place = {qubit: position for position, qubit in enumerate(order)}
        flips, pairs = [self.flips[qubit] for qubit in order], []
        for (a, b), confusion in self.pairs:
            if a in place and b in place:
                pairs.append(((place[a], place[b]), confusion))
            elif a in place:
                flips[place[a]] = (float(confusion[2:, 0].sum()), float(confusion[:2, 2].sum()))
            elif b in place:
                flips[place[b]] = (float(confusion[1::2, 0].sum()), float(confusion[::2, 1].sum()))
        return ReadoutErrors(flips=tuple(flips), pairs=tuple(pairs))

    def scaled(self, factor: float) -> ReadoutErrors:
        """The errors of reading `factor` times in a row: every confusion matrix to that power.

        Raises:
            UsageError: a factor below 0 or not finite.
            ConditionsError: a confusion matrix without that power.
        """
        if not (math.isfinite(factor) and factor >= 0):
            raise UsageError(f"factor is {factor}; give a finite number of at least 0.")
        flips = []
        for qubit, (up, down) in enumerate(self.flips):
            rate = up + down
            if rate > 1 and not float(factor).is_integer():
                raise ConditionsError(
                    f"the power {factor:g} of the readout of qubit {qubit} does not exist: it is wrong more often than "
                    "right; take a whole factor, or swap its outcomes."
                )
            grown = 1 - (1 - rate) ** factor
            flips.append((up / rate * grown, down / rate * grown) if rate else (0.0, 0.0))
        pairs = tuple((qubits, _confusion_power(qubits, confusion, factor)) for qubits, confusion in self.pairs)
        return ReadoutErrors(flips=tuple(flips), pairs=pairs)

    def _rates(self) -> list[float]:
        """P(read 1 | 0) + P(read 0 | 1) of each qubit, the partner of a pair in 0 and 1 equally often."""
        rates = [up + down for up, down in self.flips]
        for (a, b), confusion in self.pairs:
            joint = confusion.reshape(2, 2, 2, 2).sum(dim=1).mean(dim=2), confusion.reshape(2, 2, 2, 2).sum(0).mean(1)
            for qubit, single in zip((a, b), joint, strict=True):
                rates[qubit] = float(single[1, 0] + single[0, 1])
        return rates


def _check_confusion(qubits: tuple[int, int], confusion: Tensor) -> None:
    if tuple(confusion.shape) != (4, 4) or confusion.dtype != torch.float64:
        raise InputError(
            f"the confusion matrix of qubits {qubits} has shape {tuple(confusion.shape)} and dtype {confusion.dtype}; "
            "give (4, 4) float64."
        )
    off = float((confusion.sum(0) - 1).abs().max())
    # Written so that NaN is refused too.
    if not (off <= _STOCHASTIC and float(confusion.min()) >= 0):
        raise InputError(
            f"the confusion matrix of qubits {qubits} has columns that are no distributions (sums up to {off:.3g} off "
            f"1, smallest entry {float(confusion.min()):.3g}); entry [read, true] is a probability, columns sum to 1."
        )


def _confusion_power(qubits: tuple[int, int], confusion: Tensor, factor: float) -> Tensor:
    raised = real_power(confusion, factor)
    if raised is None or float(raised.min()) < -_STOCHASTIC:
        raise ConditionsError(
            f"the power {factor:g} of the confusion matrix of qubits {qubits} is no confusion matrix; take a whole "
            "factor, or leave the readout unscaled."
        )
    clean = raised.clamp_min(0.0)
    return clean / clean.sum(0)
