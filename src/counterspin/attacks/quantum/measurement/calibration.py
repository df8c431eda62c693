r"""Tampered calibration data: a readout correction inverts errors that the device does not have.

The correction applies the inverse of the calibrated confusion matrices. Calibration data in which qubit q seems to
misread 0 with an extra rate :math:`a_q` and 1 with :math:`b_q` leave, after correction of the true errors,

.. math:: D' = \bigotimes_q \begin{pmatrix} 1 - a_q & b_q \\ a_q & 1 - b_q \end{pmatrix}^{-1} p, \qquad
    0 \le a_q, b_q \le t

with p the distribution before readout errors: quasi-probabilities, for all inputs alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar

import torch
from torch import Tensor

from counterspin.attacks.quantum.base import QuantumAttack
from counterspin.attacks.quantum.measurement.confusion import without_readout
from counterspin.attacks.quantum.measurement.outcomes import Outcomes, check_measured, noise_of, outcomes
from counterspin.attacks.quantum.results import Manipulation, Scope, Situation
from counterspin.simulation.readout_noise import on_factors
from counterspin.types import Classifier, Cost

__all__ = ["CalibrationTampering", "corrected"]

# All corners are tried up to so many.
_CORNERS = 2**10


def corrected(distribution: Tensor, rates: Tensor) -> Tensor:
    """What a correction with extra rates `(qubits, 2)` makes of true distributions `(batch, 2**qubits)`.

    Example:
        >>> corrected(torch.tensor([[0.75, 0.25]]), torch.tensor([[0.25, 0.0]])).tolist()
        [[1.0, 0.0]]
    """
    factors = []
    for qubit, (a, b) in enumerate(rates.double().tolist()):
        matrix = torch.tensor([[1 - a, b], [a, 1 - b]], dtype=torch.float64)
        factors.append(((qubit,), torch.linalg.inv(matrix)))
    return on_factors(distribution, factors)


@dataclass(frozen=True, kw_only=True)
class CalibrationTampering(QuantumAttack):
    """Extra flip rates in the calibration data, one set for all samples: corners of the box, by coordinate ascent.

    All corners are tried for up to five qubits; beyond, each start goes from corner to corner one rate at a time.

    Args:
        restarts: random corners to start from beyond five qubits, besides the corner found at the budget before.

    Example:
        >>> from counterspin import recipes
        >>> recipe = recipes.get("cancer-angle")
        >>> test = recipe.dataset().test
        >>> CalibrationTampering()(recipe.model(), test.x[:20], test.y[:20], (0.05,)).unit
        'flip rate of each qubit'
    """

    restarts: int = 4

    name: ClassVar[str] = "calibration"
    where: ClassVar[str] = "measurement"
    scope: ClassVar[Scope] = "shared"
    goal: ClassVar[str] = "as many wrong classes as possible"
    capability: ClassVar[str] = "changes the calibration data that a readout correction is made from"
    defense: ClassVar[str] = "signed calibrations with a date; compare corrected values with known-answer circuits"
    default_budgets: ClassVar[tuple[float, ...]] = (0.01, 0.02, 0.05, 0.1)
    ceiling: ClassVar[float] = 0.45

    @property
    def unit(self) -> str:
        """Extra rate at which a qubit seems to be misread, in each direction."""
        return "flip rate of each qubit"

    def check(self, model: Classifier) -> None:
        """Needs outcomes of one circuit."""
        super().check(model)
        check_measured(model)

    def _run(self, situation: Situation, budget: float, before: Manipulation | None) -> Manipulation:
        model: Any = situation.model
        qubits, noise = model.circuit.qubits, noise_of(model)
        found = outcomes(model, situation.x, noise=None if noise is None else without_readout(noise))
        rates = 2 * qubits
        if 2**rates <= _CORNERS:
            corners = torch.tensor(list(product((False, True), repeat=rates)))
            best = max(corners, key=lambda corner: _value(found, situation, corner, budget))
        else:
            starts = [torch.zeros(rates, dtype=torch.bool), torch.ones(rates, dtype=torch.bool)]
            starts += [torch.rand(rates, generator=situation.generator) < 0.5 for _ in range(self.restarts)]
            if before is not None:
                starts.append(before.what.flatten() > 0)
            climbed = [_climbed(found, situation, start, budget) for start in starts]
            best = max(climbed, key=lambda corner: _value(found, situation, corner, budget))
        extra = budget * best.double().reshape(qubits, 2)
        scores = _scores(found, extra)
        return Manipulation(
            scores=scores,
            spent=torch.full_like(scores[:, 0], budget),
            what=extra,
            evidence={"extra_rates": extra.tolist()},
            cost=Cost(forwards=len(scores), circuits=len(scores) * len(found.distributions)),
        )


def _scores(found: Outcomes, rates: Tensor) -> Tensor:
    return found.scores(tuple(corrected(d, rates) for d in found.distributions))


def _value(found: Outcomes, situation: Situation, corner: Tensor, budget: float) -> float:
    """How many samples a corner breaks, and among equals how little margin it leaves them."""
    margin = situation.margin(_scores(found, budget * corner.double().reshape(-1, 2)))[situation.correct]
    if len(margin) == 0:
        return 0.0
    return float((margin <= 0).sum() - margin.clamp(min=0).mean() / (1 + margin.abs().max()))


def _climbed(found: Outcomes, situation: Situation, corner: Tensor, budget: float) -> Tensor:
    """The corner from which no change of one rate is better."""
    value, improved = _value(found, situation, corner, budget), True
    while improved:
        improved = False
        for index in range(len(corner)):
            other = corner.clone()
            other[index] = ~other[index]
            reached = _value(found, situation, other, budget)
            if reached > value:
                corner, value, improved = other, reached, True
    return corner
