"""The infinite-shot twin of a noisy device: exact expectation values under noise, attached to autograd."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from counterspin.noise import NoiseModel
from counterspin.simulation import run
from counterspin.types import Box, Classifier, HasCircuit, Outputs

__all__ = ["NoisyTwin", "infinite_shots"]


def infinite_shots(model: Classifier, noise: NoiseModel | None, seed: int) -> Classifier:
    """`model` read with infinitely many shots under `noise`: the model itself where there is none."""
    return model if noise is None or noise.is_ideal else NoisyTwin(model, noise=noise, seed=seed)


class NoisyTwin(nn.Module):
    """A deterministic classifier: `model` under `noise`, read with infinitely many shots.

    Noise per qubit is averaged over the trajectories of one seed, drawn anew from it in every call; a row's
    trajectories then depend on its place in the batch, which is good enough for a gradient and not for a verdict.

    Args:
        model: a classifier with `sample`; with a circuit its twin is differentiable.
        noise: what the device adds.
        seed: of the trajectories.
    """

    stochastic = False

    def __init__(self, model: Classifier, *, noise: NoiseModel, seed: int) -> None:
        super().__init__()
        self.model: Any = model
        self.noise = noise
        self.seed = seed
        self.train(bool(getattr(model, "training", False)))

    @property
    def differentiable(self) -> bool:
        """Whether autograd reaches the input: the model shows its circuit."""
        return isinstance(self.model, HasCircuit)

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
        generator, model = torch.Generator().manual_seed(self.seed), self.model
        if not isinstance(model, HasCircuit):
            return model.sample(x, shots=None, generator=generator, noise=self.noise)
        # The compiled engine has no gradient through noise.
        return run(
            model.circuit,
            model.circuit_inputs(x),
            model.weights,
            model.readout,
            noise=self.noise,
            generator=generator,
            engine="torch",
        )
