r"""Readout mitigation: outcome distributions multiplied by the inverse of the readout's confusion matrix.

A device reads :math:`q = C p` where the true distribution is p; :math:`C^{-1} q` undoes it exactly and may have
negative entries. With the nearest distribution (arXiv:1106.5458) they are gone, and so is linearity.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from counterspin.circuits import Circuit, Measurement
from counterspin.errors import ConditionsError, InputError, UsageError
from counterspin.mitigation.base import Variant
from counterspin.mitigation.calibration import Calibration, estimated_calibration, exact_calibration
from counterspin.noise import NoiseModel
from counterspin.simulation.readout_noise import on_factors
from counterspin.types import Cost

__all__ = ["InverseReadout", "NearestReadout", "ReadoutMitigation", "nearest_distribution"]

_METHODS = ("tensored", "full", "least-squares")


@dataclass(frozen=True, eq=False)
class InverseReadout:
    """The linear correction :math:`C^{-1} q`, factor by factor; entries of the result may be negative.

    Args:
        factors: inverse confusion matrices and the qubits each acts on.
    """

    factors: tuple[tuple[tuple[int, ...], Tensor], ...]
    linear = True

    def apply(self, distribution: Tensor) -> Tensor:
        """Corrected quasi-distributions `(batch, 2**qubits)`, attached to autograd."""
        return on_factors(distribution, self.factors)


@dataclass(frozen=True, eq=False)
class NearestReadout:
    """The distribution nearest in least squares to the corrected one (arXiv:1106.5458); not linear."""

    inverse: InverseReadout
    linear = False

    def apply(self, distribution: Tensor) -> Tensor:
        """Corrected distributions `(batch, 2**qubits)`: no negative entry, sum 1."""
        return nearest_distribution(self.inverse.apply(distribution))


def nearest_distribution(quasi: Tensor) -> Tensor:
    r"""The point of the probability simplex nearest to each row, :math:`p_i = \max(q_i - \tau, 0)` with sum 1.

    Args:
        quasi: `(..., outcomes)`.

    Example:
        >>> nearest_distribution(torch.tensor([[0.7, 0.4, -0.1]])).round(decimals=3).tolist()
        [[0.6499999761581421, 0.3499999940395355, 0.0]]
    """
    ordered = quasi.sort(dim=-1, descending=True).values
    rank = torch.arange(1, quasi.shape[-1] + 1, dtype=quasi.dtype, device=quasi.device)
    shifts = (ordered.cumsum(dim=-1) - 1) / rank
    last = (ordered > shifts).sum(dim=-1, keepdim=True) - 1
    return (quasi - shifts.gather(-1, last)).clamp_min(0.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class ReadoutMitigation:
    """Readout mitigation by a calibrated confusion matrix; one circuit per sample, as without it.

    Args:
        method: `"tensored"` (one matrix per group of qubits that are read together), `"full"` (one matrix of all
            outcomes, at most 10 qubits) or `"least-squares"` (tensored, then the nearest distribution; not linear).
        calibration: an estimated calibration; None: exact, taken from the noise model.
        condition_limit: largest condition number of the confusion matrix that is inverted.

    Raises:
        UsageError: an unknown method, or a limit below 1.

    Example:
        >>> from counterspin.noise import NoiseModel
        >>> (variant,) = ReadoutMitigation().construct(Circuit(1), NoiseModel(readout_flips=(0.1, 0.2)))
        >>> read = torch.tensor([[0.9, 0.1]], dtype=torch.float64)
        >>> variant.correction.apply(read).round(decimals=9).abs().tolist()
        [[1.0, 0.0]]
    """

    method: str = "tensored"
    calibration: Calibration | None = None
    condition_limit: float = 1e3

    def __post_init__(self) -> None:
        """Refuse unknown methods."""
        if self.method not in _METHODS:
            raise UsageError(f"method of readout mitigation is {self.method!r}; allowed: {', '.join(_METHODS)}.")
        if not self.condition_limit >= 1:
            raise UsageError(f"condition_limit is {self.condition_limit}; every matrix has at least 1, give more.")

    @property
    def name(self) -> str:
        """For example `readout:tensored`."""
        return f"readout:{self.method}"

    @property
    def linear(self) -> bool:
        """Whether values are corrected linearly."""
        return self.method != "least-squares"

    @property
    def fitting_cost(self) -> Cost:
        """What the calibration cost."""
        return Cost() if self.calibration is None else self.calibration.cost

    def fit(
        self,
        circuit: Circuit,
        inputs: Tensor,
        weights: Tensor,
        noise: NoiseModel,
        measurement: Measurement,
        *,
        generator: torch.Generator,
        shots: int | None = None,
    ) -> ReadoutMitigation:
        """The same mitigation with a calibration from `shots` per calibration circuit (None: exact)."""
        full = self.method == "full"
        if shots is None:
            return replace(self, calibration=exact_calibration(noise, circuit.qubits, full=full))
        made = estimated_calibration(noise, circuit.qubits, shots=shots, generator=generator, full=full)
        return replace(self, calibration=made)

    def construct(self, circuit: Circuit, noise: NoiseModel) -> tuple[Variant, ...]:
        """The circuit itself, its outcome distributions corrected.

        Raises:
            InputError: a calibration of another number of qubits, or an ill-conditioned confusion matrix.
            UsageError: the full matrix of more than 10 qubits.
        """
        used = self._calibration(noise, circuit.qubits)
        inverse = InverseReadout(used.inverted(self.condition_limit))
        correction = inverse if self.linear else NearestReadout(inverse)
        return (Variant(circuit=circuit, noise=noise, correction=correction),)

    def combine(self, values: Tensor) -> Tensor:
        """The corrected values `(batch, values)` of `(1, batch, values)`."""
        return values[0]

    def linear_map(self, variants: int, values: int) -> tuple[Tensor, Tensor]:
        """The identity: all correction happens in the distributions.

        Raises:
            ConditionsError: least squares, whose corrected distributions are not linear in what is read.
        """
        if not self.linear:
            raise ConditionsError(
                f"{self.name} takes the nearest distribution, which is not linear in the measured one, so it cannot be "
                "folded; use 'readout' (the inverse confusion matrix)."
            )
        return torch.eye(values, dtype=torch.float64)[None], torch.zeros(values, dtype=torch.float64)

    def shot_factor(self, circuit: Circuit, noise: NoiseModel) -> float:
        """Bound on the growth of the variance, the squared 1-norm of the inverse confusion matrix."""
        return self._calibration(noise, circuit.qubits).overhead()

    def _calibration(self, noise: NoiseModel, qubits: int) -> Calibration:
        if self.calibration is None:
            return exact_calibration(noise, qubits, full=self.method == "full")
        if self.calibration.qubits != qubits:
            raise InputError(
                f"the readout calibration is of {self.calibration.qubits} qubits and the circuit has {qubits}; "
                "calibrate the qubits the circuit runs on."
            )
        return self.calibration
