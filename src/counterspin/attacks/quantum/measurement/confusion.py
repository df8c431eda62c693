r"""A tampered confusion matrix: every column, the readings of one true bit-string, moves by at most a total variation.

Around the nominal matrix C of the device (the identity without readout errors) the worst column solves a linear
programme, :math:`\min_{c'} \sum_o c'_o g_o` within total variation t of the nominal one, and the margin is
:math:`\sum_o p_o\, v_o(t)` with p the distribution before any readout error.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from counterspin.attacks.quantum.measurement.base import DistributionAttack
from counterspin.attacks.quantum.measurement.outcomes import Outcomes, noise_of, outcomes
from counterspin.attacks.quantum.measurement.shift import moved_to_smallest
from counterspin.errors import CapabilityError
from counterspin.noise import NoiseModel
from counterspin.simulation.readout_noise import misread
from counterspin.types import Classifier

__all__ = ["ConfusionTampering", "without_readout"]

# A confusion matrix of all bit-strings of more qubits does not fit into memory.
_QUBITS = 10


def without_readout(noise: NoiseModel) -> NoiseModel:
    """The noise up to the readout.

    Example:
        >>> without_readout(NoiseModel(readout_flips=(0.1, 0.2))).is_ideal
        True
    """
    return replace(noise, readout=None, readout_flips=(0.0, 0.0))


@dataclass(frozen=True, kw_only=True)
class ConfusionTampering(DistributionAttack):
    """The worst confusion matrix for each sample, column by column around the nominal one; exact without a target.

    Example:
        >>> from counterspin import recipes
        >>> recipe = recipes.get("cancer-angle")
        >>> test = recipe.dataset().test
        >>> ConfusionTampering()(recipe.model(), test.x[:20], test.y[:20], (0.05,)).unit
        'total variation of each column'
    """

    name: ClassVar[str] = "confusion"
    goal: ClassVar[str] = "a wrong class for each input"
    capability: ClassVar[str] = "changes how each true bit-string is read, within a total variation of each column"
    defense: ClassVar[str] = "calibrate the readout oneself, often; known-answer circuits"
    default_budgets: ClassVar[tuple[float, ...]] = (0.01, 0.02, 0.05, 0.1)
    ceiling: ClassVar[float] = 1.0

    @property
    def unit(self) -> str:
        """Total variation of each column of the confusion matrix of bit-strings."""
        return "total variation of each column"

    def check(self, model: Classifier) -> None:
        """Needs outcomes of one circuit of few qubits."""
        super().check(model)
        shown: Any = model
        qubits = shown.circuit.qubits
        if qubits > _QUBITS:
            raise CapabilityError(
                f"the circuit has {qubits} qubits; a confusion matrix of all bit-strings is built for at most "
                f"{_QUBITS}. Use readout-shift."
            )

    def _outcomes(self, model: Any, x: Tensor) -> Outcomes:
        noise = noise_of(model)
        return outcomes(model, x, noise=None if noise is None else without_readout(noise))

    def _tampered(self, model: Any, distribution: Tensor, gap: Tensor, budget: float) -> Tensor:
        noise, count = noise_of(model), distribution.shape[1]
        errors = None if noise is None else noise.readout_errors(model.circuit.qubits)
        columns = misread(torch.eye(count, dtype=torch.float64, device=gap.device), errors)
        read = torch.empty_like(distribution)
        # Samples of one label share their gaps, and so the worst matrix.
        kinds, index = torch.unique(gap, dim=0, return_inverse=True)
        for kind, own in enumerate(kinds):
            rows = index == kind
            read[rows] = distribution[rows] @ moved_to_smallest(columns, own.expand(count, -1), budget)
        return read
