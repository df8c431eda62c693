r"""Training with the statistical error of finite shots, differentiable.

The mean of N shots of the measured values has the covariance :math:`\Sigma = \sum_o p_o (t_o - v)(t_o - v)^T / N` with
the value :math:`t_o` of outcome o and :math:`v = \sum_o p_o t_o`. A Gaussian of exactly that covariance needs no
factorisation:

.. math:: v + \frac{1}{\sqrt N} \sum_o \sqrt{p_o}\,\xi_o\,(t_o - v),\quad \xi_o \sim \mathcal{N}(0, 1)

and its draws are differentiable functions of the outcome probabilities (reparameterisation, arXiv:1312.6114).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from counterspin.defenses.training.base import Entry, as_json
from counterspin.defenses.training.circuit_views import ReadoutView, check_circuit, engine_of
from counterspin.defenses.training.options import count
from counterspin.errors import UsageError
from counterspin.models.noisy import NoisyClassifier
from counterspin.simulation.measurement import Setting, measured_values, settings
from counterspin.simulation.run import outcome_distributions
from counterspin.threats import ThreatModel
from counterspin.training import Step
from counterspin.types import Classifier

__all__ = ["ENTRY", "ShotNoise", "shot_deviations"]


@dataclass(frozen=True, kw_only=True)
class ShotNoise:
    """In each step the measured values carry the error of finite shots, as a Gaussian of the exact covariance.

    All calls of one step on batches of one size meet the same draws: an attack inside the training climbs a smooth
    function. Of few shots (some tens) the Gaussian is a rough picture of the multinomial.

    Args:
        shots: per sample and setting.

    Raises:
        UsageError: shots below 1.

    Example:
        >>> ShotNoise(shots=1000).to_json()
        {'name': 'shot-noise', 'shots': 1000}
    """

    name: ClassVar[str] = "shot-noise"
    kind: ClassVar[str] = "view"
    order: ClassVar[int] = 3

    shots: int = 1024

    def __post_init__(self) -> None:
        """Refuse what cannot be measured."""
        if self.shots < 1:
            raise UsageError(f"shots is {self.shots}; give a whole number of at least 1.")

    def check(self, model: Classifier, threat: ThreatModel) -> None:
        """Refuse a model that is not measured.

        Raises:
            CapabilityError: the model shows no circuit, or has noise of its own.
        """
        check_circuit(model, self.name)

    def apply(self, model: Classifier, step: Step) -> Classifier:
        """The model of one step."""
        return ReadoutView(model, _Reading(self.shots, int(torch.randint(2**62, (), generator=step.generator))))

    def to_json(self) -> dict[str, Any]:
        """The defence as JSON values."""
        return as_json(self)


@dataclass(frozen=True)
class _Reading:
    """Scores of a classifier with so many shots, from a seed."""

    shots: int
    seed: int

    def __call__(self, body: Any, x: Tensor) -> Tensor:
        noise, drawn = (body.noise, body.seed) if isinstance(body, NoisyClassifier) else (None, 0)
        readout = body.readout
        distributions = outcome_distributions(
            body.circuit,
            body.circuit_inputs(x),
            body.weights,
            readout,
            noise=noise,
            generator=torch.Generator().manual_seed(drawn),
            engine=engine_of(body),
        )
        chosen = settings(readout.measurement, body.circuit.qubits)
        values = measured_values(distributions, chosen)
        generator = torch.Generator().manual_seed(self.seed)
        return readout.scores(values + shot_deviations(distributions, chosen, self.shots, generator))


def shot_deviations(
    distributions: list[Tensor], chosen: tuple[Setting, ...], shots: int, generator: torch.Generator
) -> Tensor:
    """Gaussian errors `(batch, values)` of measured values, with the covariance of `shots` multinomial draws.

    Args:
        distributions: outcome probabilities `(batch, outcomes)`, one per setting; the errors are attached to them.
        chosen: the settings.
        shots: per setting.
        generator: on the CPU.
    """
    total = None
    for probabilities, setting in zip(distributions, chosen, strict=True):
        table = torch.as_tensor(setting.table).to(probabilities)
        draws = torch.randn(probabilities.shape, generator=generator, dtype=probabilities.dtype)
        # The slope of a root is infinite at 0, where rounding may even have left less.
        share = probabilities.clamp_min(torch.finfo(probabilities.dtype).eps).sqrt() * draws.to(probabilities)
        part = share @ table - share.sum(1, keepdim=True) * (probabilities @ table)
        total = part if total is None else total + part
    if total is None:
        raise UsageError("distributions are empty; give one tensor per setting.")
    return total / math.sqrt(shots)


def _build(options: dict[str, str], threat: ThreatModel) -> ShotNoise:
    return ShotNoise(shots=count(options, "shots", ShotNoise.shots))


ENTRY = Entry(
    name="shot-noise",
    summary="in every step the measured values carry the error of finite shots",
    build=_build,
    options={"shots": "measurements per sample and setting"},
    argument="shots",
)
