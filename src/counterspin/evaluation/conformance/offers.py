"""What a suite shows an attack or a certificate where its caller names nothing: samples and threats that fit."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from counterspin.threats import Group, ThreatModel
from counterspin.types import Classifier

__all__ = ["offered_samples", "offered_threats", "threat_label"]


def offered_samples(
    model: Classifier, x: Tensor | None, y: Tensor | None, *, count: int, seed: int
) -> tuple[Tensor, Tensor]:
    """Samples `(batch, features)` and labels `(batch,)`: those given, otherwise random ones and the predictions.

    Of predicted labels the first is made wrong: a misclassified sample must be left alone, its radius is 0.
    """
    if x is None:
        generator = torch.Generator().manual_seed(seed)
        lower, upper = _range(model)
        share = torch.rand(count, model.bounds.features, generator=generator, dtype=torch.float64)
        x = lower + (0.05 + 0.9 * share) * (upper - lower)
    if y is not None:
        return x, y
    with torch.no_grad():
        predicted = model(x.double()).argmax(dim=1)
    return x, predicted.index_fill(0, torch.tensor([0]), (int(predicted[0]) + 1) % model.classes)


def offered_threats(model: Classifier, norm: str, eps: tuple[float, ...], values: int) -> list[ThreatModel]:
    """One norm plain, without a box, with a mask, and on features of so many discrete values.

    In L0 none is without a box, where an attacker could do anything to a continuous feature.
    """
    lower, upper = _range(model)
    grid = (lower + torch.linspace(0, 1, values, dtype=torch.float64)[:, None] * (upper - lower)).T
    groups = tuple(
        Group(features=(place,), values=tuple((value,) for value in row)) for place, row in enumerate(grid.tolist())
    )
    options: list[dict[str, Any]] = [{}]
    if norm != "l0":
        options.append({"box": "none"})
    if model.bounds.features > 1:
        options.append({"mask": (False, *[True] * (model.bounds.features - 1))})
    options.append({"groups": groups})
    return [ThreatModel(norm=norm, eps=eps, **option) for option in options]


def threat_label(threat: ThreatModel) -> str:
    """The norm and the constraints, to tell the checks of one suite apart.

    Example:
        >>> threat_label(ThreatModel(norm="l2", eps=(0.1,), box="none"))
        'l2, no box'
    """
    constraints = ", masked" * bool(threat.mask) + ", discrete" * bool(threat.groups)
    return f"{threat.norm}{constraints}{', no box' * (threat.box == 'none')}"


def _range(model: Classifier) -> tuple[Tensor, Tensor]:
    return model.bounds.lower.clamp(min=-1.0), model.bounds.upper.clamp(max=1.0)
