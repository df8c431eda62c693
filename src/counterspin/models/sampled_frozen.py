"""Finite shots with frozen randomness: what a fixed run of a device would have measured."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from counterspin.models.noisy import NoisyClassifier
from counterspin.models.sampled_twin import infinite_shots
from counterspin.noise import NoiseModel
from counterspin.simulation import outcome_distributions, sample_scores
from counterspin.types import Box, Classifier, HasCircuit, HasEngine, Outputs

__all__ = ["FrozenShots"]


class FrozenShots(nn.Module):
    r"""A deterministic classifier that reads every input with the same random numbers.

    Every row of every call uses the uniform numbers :math:`u_1, …, u_S` drawn from `seed`, and outcome :math:`k` counts
    once for each :math:`u_s` between the cumulative probabilities of :math:`k - 1` and :math:`k` (common random
    numbers). So scores depend on the row alone, not on its batch, and have the distribution of one fresh reading.

    Models that show no circuit, and those with error mitigation, are read row by row from a generator in the same
    state.

    Args:
        model: a classifier with `sample`; its weights are shared.
        shots: measurements per sample and setting.
        noise: what the device adds; None: ideal.
        seed: of the frozen random numbers.
    """

    stochastic = False
    differentiable = False

    def __init__(self, model: Classifier, *, shots: int, noise: NoiseModel | None, seed: int) -> None:
        super().__init__()
        self.model: Any = model
        self.shots = shots
        self.noise = noise
        self.seed = seed
        self.train(bool(getattr(model, "training", False)))

    @property
    def bounds(self) -> Box:
        """The box of the inputs."""
        return self.model.bounds

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.model.classes

    @property
    def outputs(self) -> Outputs:
        """What the scores estimate."""
        return self.model.outputs

    @property
    def twin(self) -> Classifier:
        """The classifier of infinitely many shots, whose gradient guides attacks on this one."""
        return infinite_shots(self.model, self.noise, self.seed)

    def forward(self, x: Tensor) -> Tensor:
        """Scores `(batch, classes)` of `x` `(batch, features)`, without a gradient."""
        with torch.no_grad():
            if isinstance(self.model, HasCircuit) and getattr(self.model, "mitigation", None) is None:
                return self._together(self.model, x)
            return torch.cat([self._alone(row) for row in x.split(1)])

    def _alone(self, row: Tensor) -> Tensor:
        return self.model.sample(row, shots=self.shots, generator=self._generator(), noise=self.noise)

    def _together(self, model: HasCircuit, x: Tensor) -> Tensor:
        generator = self._generator()
        noise = model.noise if isinstance(model, NoisyClassifier) else self.noise
        engine = model.engine if isinstance(model, HasEngine) else "auto"
        distributions = outcome_distributions(
            model.circuit,
            model.circuit_inputs(x),
            model.weights,
            model.readout,
            noise=noise,
            generator=generator,
            engine=engine,
        )
        read = [_frequencies(distribution, self.shots, generator) for distribution in distributions]
        return sample_scores(model.circuit, read, model.readout)

    def _generator(self) -> torch.Generator:
        return torch.Generator().manual_seed(self.seed)


def _frequencies(probabilities: Tensor, shots: int, generator: torch.Generator) -> Tensor:
    """Relative frequencies of `shots` outcomes per row `(batch, outcomes)`, all rows from the same uniform numbers."""
    uniform = torch.rand(shots, generator=generator, dtype=torch.float64).sort().values.to(probabilities.device)
    cumulative = probabilities.double().clamp_min(0.0).cumsum(dim=1)
    # Rounding may end a row a hair off 1; each row must still count every shot.
    cumulative = cumulative / cumulative[:, -1:]
    below = torch.searchsorted(uniform, cumulative, right=True)
    counts = below.diff(dim=1, prepend=torch.zeros_like(below[:, :1]))
    return (counts.double() / shots).to(probabilities)
