"""A linear classifier of two classes, whose worst case in any ball has a closed form, and steps of a training."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from counterspin.models import LogisticRegression
from counterspin.training import Step
from counterspin.types import Box

__all__ = ["DUAL", "linear_batch", "linear_model", "seeded", "step_at", "worst_margins"]

# Order of the dual norm.
DUAL = {"linf": 1.0, "l2": 2.0, "l1": float("inf")}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def step_at(progress: float = 0.9, *, seed: int = 0, rows: int = 12, memory: dict[str, Tensor] | None = None) -> Step:
    return Step(
        epoch=1,
        progress=progress,
        rows=torch.arange(rows),
        generator=seeded(seed),
        memory={} if memory is None else memory,
    )


def linear_model(features: int = 6, classes: int = 2, *, box: Box | None = None, seed: int = 3) -> LogisticRegression:
    model = LogisticRegression(box or Box.unbounded(features), classes=classes).double()
    generator = seeded(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return model


def linear_batch(rows: int = 12, features: int = 6, classes: int = 2, *, seed: int = 4) -> tuple[Tensor, Tensor]:
    x = torch.rand(rows, features, generator=seeded(seed), dtype=torch.float64)
    return x, torch.arange(rows) % classes


def worst_margins(model: nn.Module, x: Tensor, y: Tensor, radius: Tensor | float, norm: str) -> Tensor:
    """Smallest margin `(batch,)` of the two classes in a ball without a box: m - r ‖w‖ in the dual norm."""
    weight, bias = (parameter.detach() for parameter in model.parameters())
    sign = torch.where(y == 0, 1.0, -1.0).to(x)
    margin = sign * (x @ (weight[0] - weight[1]) + bias[0] - bias[1])
    return margin - radius * torch.linalg.vector_norm(weight[0] - weight[1], ord=DUAL[norm])
