"""Confusion matrices of a readout: known from a noise model, or estimated from calibration circuits."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from counterspin.errors import InputError, UsageError
from counterspin.noise import NoiseModel
from counterspin.types import Cost

__all__ = ["FULL_QUBITS", "Calibration", "estimated_calibration", "exact_calibration"]

# The confusion matrix of all outcomes has 4**qubits entries and is estimated from 2**qubits circuits.
FULL_QUBITS = 10

Factors = tuple[tuple[tuple[int, ...], Tensor], ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibration:
    """A readout as confusion matrices of groups of qubits, `C[read, true]`.

    Args:
        qubits: how many there are.
        factors: groups of qubits, the most significant first, and their column-stochastic matrices
            `(2**k, 2**k)` float64; each qubit in one group.
        cost: what it took: calibration circuits and shots.

    Raises:
        InputError: groups that do not hold each qubit once, matrices of another shape or that are not stochastic.

    Example:
        >>> flips = torch.tensor([[0.9, 0.2], [0.1, 0.8]], dtype=torch.float64)
        >>> round(Calibration(qubits=1, factors=(((0,), flips),)).condition, 3)
        1.456
    """

    qubits: int
    factors: Factors
    cost: Cost = field(default_factory=Cost)

    def __post_init__(self) -> None:
        """Refuse what is no calibration of these qubits."""
        named = sorted(q for qubits, _ in self.factors for q in qubits)
        if named != list(range(self.qubits)):
            raise InputError(f"the calibration names qubits {named}; name each of 0 to {self.qubits - 1} once.")
        for qubits, matrix in self.factors:
            size = 2 ** len(qubits)
            if matrix.shape != (size, size) or matrix.dtype != torch.float64:
                raise InputError(
                    f"the confusion matrix of qubits {qubits} has shape {tuple(matrix.shape)} and dtype "
                    f"{matrix.dtype}; give ({size}, {size}) float64."
                )
            off = float((matrix.sum(dim=0) - 1).abs().max())
            if not (off < 1e-6 and bool((matrix >= 0).all())):
                raise InputError(
                    f"a column of the confusion matrix of qubits {qubits} is no distribution (its sum is {off:.3g} off "
                    "1, or an entry is negative); give C[read, true], columns summing to 1."
                )

    @property
    def condition(self) -> float:
        """Condition number of the confusion matrix of all qubits (2-norm)."""
        return math.prod(float(torch.linalg.cond(matrix)) for _, matrix in self.factors)

    def inverted(self, limit: float) -> Factors:
        """The inverse of every matrix.

        Raises:
            InputError: the condition number is above `limit`.
        """
        condition = self.condition
        if not condition <= limit:
            worst = max(self.factors, key=lambda factor: float(torch.linalg.cond(factor[1])))[0]
            raise InputError(
                f"the readout's confusion matrix has condition number {condition:.3g} (limit {limit:g}), worst on "
                f"qubits {worst}: its inverse would mostly amplify noise; measure other qubits, use "
                "'readout:least-squares' with a higher condition_limit, or leave readout mitigation out."
            )
        return tuple((qubits, torch.linalg.inv(matrix)) for qubits, matrix in self.factors)

    def overhead(self) -> float:
        r"""Bound on the growth of a value's variance, :math:`\|C^{-1}\|_1^2` (largest column sum of moduli)."""
        inverses = self.inverted(math.inf)
        return math.prod(float(m.abs().sum(dim=0).max()) for _, m in inverses) ** 2


def exact_calibration(noise: NoiseModel, qubits: int, *, full: bool = False) -> Calibration:
    """The calibration that the readout errors of a noise model imply; it costs nothing.

    Args:
        noise: its readout errors are used, nothing else.
        qubits: of the circuit.
        full: one matrix of all outcomes instead of one per group of qubits.

    Raises:
        UsageError: the full matrix of more than 10 qubits.
    """
    _check_full(qubits, full)
    errors = noise.readout_errors(qubits)
    if errors is None:
        perfect = tuple(((q,), torch.eye(2, dtype=torch.float64)) for q in range(qubits))
        return Calibration(qubits=qubits, factors=perfect)
    if full:
        return Calibration(qubits=qubits, factors=((tuple(range(qubits)), errors.matrix()),))
    return Calibration(qubits=qubits, factors=tuple((tuple(group), matrix) for group, matrix in errors.factors()))


def estimated_calibration(
    noise: NoiseModel, qubits: int, *, shots: int, generator: torch.Generator, full: bool = False
) -> Calibration:
    """A calibration estimated from basis states that are prepared without error and read `shots` times each.

    Groups of k qubits are calibrated side by side, in `2**k` circuits of the largest group; the full matrix takes
    `2**qubits`.

    Args:
        noise: its readout errors are sampled.
        qubits: of the circuit.
        shots: per calibration circuit.
        generator: of the shots.
        full: one matrix of all outcomes.

    Raises:
        UsageError: no shot, or the full matrix of more than 10 qubits.
    """
    if shots < 1:
        raise UsageError(f"shots of the readout calibration is {shots}; give at least 1, or None for an exact one.")
    exact = exact_calibration(noise, qubits, full=full)
    circuits = max(matrix.shape[0] for _, matrix in exact.factors)
    factors = []
    for group, matrix in exact.factors:
        # A small group runs through its states several times while the largest runs through them once.
        draws = shots * (circuits // matrix.shape[0])
        read = torch.multinomial(matrix.T.clamp_min(0.0), draws, replacement=True, generator=generator)
        counts = torch.zeros_like(matrix).scatter_add_(1, read, torch.ones_like(read, dtype=matrix.dtype))
        factors.append((group, (counts / draws).T.contiguous()))
    cost = Cost(circuits=circuits, shots=circuits * shots)
    return Calibration(qubits=qubits, factors=tuple(factors), cost=cost)


def _check_full(qubits: int, full: bool) -> None:
    if full and qubits > FULL_QUBITS:
        raise UsageError(
            f"the full confusion matrix of {qubits} qubits is asked for; at most {FULL_QUBITS}. Use 'readout:tensored'."
        )
