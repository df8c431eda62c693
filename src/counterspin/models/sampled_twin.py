"""The infinite-shot twin of a noisy device: exact expectation values under noise."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from counterspin.models.noisy import NoisyClassifier
from counterspin.noise import NoiseModel
from counterspin.types import Box, Classifier, HasChannels, HasCircuit, HasEngine, Outputs

__all__ = ["NoisyTwin", "infinite_shots"]


def infinite_shots(model: Classifier, noise: NoiseModel | None, seed: int) -> Classifier:
    """`model` read with infinitely many shots under `noise`: the model itself where there is none.

    With a circuit the twin is differentiable, otherwise it is what the model says of itself.
    """
    if noise is None or noise.is_ideal:
        return model
    if isinstance(model, HasCircuit) and not isinstance(model, HasChannels):
        engine = model.engine if isinstance(model, HasEngine) else "auto"
        return NoisyClassifier(model, noise=noise, seed=seed, engine=engine)
    return NoisyTwin(model, noise=noise, seed=seed)


class NoisyTwin(nn.Module):
    """A deterministic classifier without a gradient: a model that shows no circuit, asked for infinitely many shots.

    Args:
        model: a classifier with `sample`.
        noise: what the device adds.
        seed: of the generator it is given in every call.
    """

    stochastic = False
    differentiable = False

    def __init__(self, model: Classifier, *, noise: NoiseModel, seed: int) -> None:
        super().__init__()
        self.model: Any = model
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
        """What the scores are."""
        return self.model.outputs

    def forward(self, x: Tensor) -> Tensor:
        """Scores `(batch, classes)` of `x` `(batch, features)`."""
        generator = torch.Generator().manual_seed(self.seed)
        return self.model.sample(x, shots=None, generator=generator, noise=self.noise)
