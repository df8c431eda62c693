"""A model split at its encoding: what enters the circuit, and the scores of what enters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from counterspin.attacks.quantum.base import QuantumAttack
from counterspin.errors import CapabilityError
from counterspin.models import NoisyClassifier
from counterspin.simulation import run
from counterspin.types import Box, Classifier, HasChannels, HasCircuit

__all__ = ["EncodingAttack", "input_box", "scores_of_inputs"]


def scores_of_inputs(model: Any, z: Tensor) -> Tensor:
    """Scores `(batch, classes)` of circuit inputs `(batch, inputs)`, attached to autograd.

    Example:
        >>> from counterspin import recipes
        >>> recipe = recipes.get("digits-hybrid")
        >>> model, x = recipe.model(), recipe.dataset().test.x[:3].double()
        >>> bool(torch.allclose(scores_of_inputs(model, model.circuit_inputs(x)), model(x)))
        True
    """
    if model.bounds.features == z.shape[1] and model.circuit_inputs(z) is z:
        # No front: the model itself may answer faster than its circuit.
        return model(z)
    noise = model.noise if isinstance(model, NoisyClassifier) else None
    generator = torch.Generator().manual_seed(int(getattr(model, "seed", 0)))
    weights = model.weights.detach().to(z.dtype)
    return run(model.circuit, z, weights, model.readout, noise=noise, generator=generator)


def input_box(model: Any, z: Tensor) -> Box:
    """The box of the circuit's inputs: that of the model, or where a front computes them what the batch `z` spans."""
    bounds: Box = model.bounds
    body: Any = getattr(model, "body", None)
    while body is not None and hasattr(body, "bounds"):
        bounds, body = body.bounds, getattr(body, "body", None)
    lower, upper = z.detach().amin(dim=0), z.detach().amax(dim=0)
    if bounds.features == z.shape[1]:
        lower = torch.where(torch.isfinite(bounds.lower), bounds.lower.to(z), lower)
        upper = torch.where(torch.isfinite(bounds.upper), bounds.upper.to(z), upper)
    upper = torch.where(upper > lower, upper, lower + 1)
    return Box(lower=lower, upper=upper, periodic=torch.zeros(z.shape[1], dtype=torch.bool))


@dataclass(frozen=True, kw_only=True)
class EncodingAttack(QuantumAttack):
    """Template: what enters the circuit is not what the preprocessing computed."""

    where: ClassVar[str] = "encoding"

    def check(self, model: Classifier) -> None:
        """Needs a circuit and what enters it."""
        super().check(model)
        known = isinstance(model, NoisyClassifier) or not isinstance(model, HasChannels)
        if not isinstance(model, HasCircuit) or not known or getattr(model, "mitigation", None) is not None:
            raise CapabilityError(
                f"model ({type(model).__name__}) shows no plain circuit with its inputs, which this attack changes; "
                "import the circuit (see `counterspin inspect`) and leave out mitigation."
            )
