"""Minimum-norm attacks: how near ours come, against Foolbox's on the same samples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from counterspin.attacks.ball import Ball
from counterspin.attacks.base import Attack
from counterspin.attacks.evasion.carlini_wagner import CarliniWagner
from counterspin.attacks.evasion.ddn import DDN
from counterspin.attacks.evasion.fmn import FMN
from counterspin.attacks.external.base import seeded_globals
from counterspin.attacks.external.extras import imported
from counterspin.attacks.external.foolbox import foolbox_warnings, foolbox_wrapped
from counterspin.attacks.external.frame import UnitFrame
from counterspin.attacks.external.unit_model import UnitModel
from counterspin.attacks.verdict import margins
from counterspin.evaluation.crosscheck.rows import Row
from counterspin.evaluation.seeds import derived_generator
from counterspin.threats import ThreatModel
from counterspin.types import Classifier

__all__ = ["distance_rows", "distances_of"]

# Ours, theirs, and its settings: C&W with its own 9 constants, Boundary with a fifth of its own steps.
_PAIRS: dict[str, tuple[tuple[Attack, str, dict[str, Any]], ...]] = {
    "linf": ((FMN(), "LInfFMNAttack", {"steps": 1000}),),
    "l2": (
        (CarliniWagner(), "L2CarliniWagnerAttack", {"steps": 1000}),
        (DDN(), "DDNAttack", {"steps": 1000}),
        (FMN(), "BoundaryAttack", {"steps": 5000}),
    ),
}


def distance_rows(model: Classifier, x: Tensor, y: Tensor, seed: int) -> Iterator[Row | str]:
    """Medians of our distance over theirs, per sample; a sentence where a comparison makes no sense.

    Args:
        model: the classifier.
        x: correctly classified inputs `(batch, features)` float64.
        y: labels `(batch,)`.
        seed: of all randomness.
    """
    for norm, pairs in _PAIRS.items():
        ball = _everything(model, x, norm)
        cache: dict[Attack, Tensor] = {}
        for attack, name, settings in pairs:
            start = _starts(model, x, y) if name == "BoundaryAttack" else None
            if name == "BoundaryAttack" and start is None:
                yield "foolbox BoundaryAttack: all samples have one predicted class, so it has no point to start from."
                continue
            if attack not in cache:
                cache[attack] = distances_of(attack, model, x, y, norm, seed)
            theirs = _foolbox(model, ball, y, name, settings, start, seed)
            yield Row(
                tool="foolbox",
                attack=name,
                quantity=f"median of distance / theirs, {norm}, by {attack.name}",
                theirs=1.0,
                ours=float((cache[attack] / theirs).nan_to_num(nan=1.0).median()),
                tolerance=0.02,
                relation="<=",
            )


def distances_of(attack: Attack, model: Classifier, x: Tensor, y: Tensor, norm: str, seed: int) -> Tensor:
    """Distance to the nearest point an attack of ours finds anywhere in the box `(batch,)`, infinite where none."""
    threat = ThreatModel(norm=norm, eps=(_reach(model, x, norm),))
    generator = derived_generator(seed, "crosscheck", attack.name, norm)
    return attack(model, x, y, threat, generator=generator).distance[0]


def _reach(model: Classifier, x: Tensor, norm: str) -> float:
    """A budget within which everything lies that a model of bounded features, or of unit vectors, can be asked."""
    span = float((model.bounds.upper - model.bounds.lower).amax())
    if not torch.isfinite(torch.tensor(span)):
        span = 2 * float(torch.linalg.vector_norm(x, dim=1).amax())
    return span * (x.shape[1] ** 0.5 if norm == "l2" else 1.0)


def _everything(model: Classifier, x: Tensor, norm: str) -> Ball:
    return Ball.around(x, torch.full((len(x),), _reach(model, x, norm)).to(x), norm, model.bounds)


def _starts(model: Classifier, x: Tensor, y: Tensor) -> Tensor | None:
    """For each sample the nearest one that is predicted otherwise `(batch, features)`; None if one has none."""
    with torch.no_grad():
        predicted = model(x).argmax(dim=1)
    far = torch.cdist(x, x).masked_fill(predicted[None, :] == y[:, None], torch.inf)
    nearest = far.min(dim=1)
    return x[nearest.indices] if bool(torch.isfinite(nearest.values).all()) else None


def _foolbox(
    model: Classifier, ball: Ball, y: Tensor, name: str, settings: dict[str, Any], start: Tensor | None, seed: int
) -> Tensor:
    frame = UnitFrame.around(ball)
    attack = getattr(imported("foolbox.attacks"), name)(**settings)
    wrapped = foolbox_wrapped(UnitModel(model, frame), y.device)
    options = {} if start is None else {"starting_points": frame.to_unit(start)}
    criterion = imported("foolbox.criteria").Misclassification(y)
    with seeded_globals(seed), foolbox_warnings():
        point = frame.to_features(attack.run(wrapped, frame.to_unit(ball.center), criterion, **options))
    length = ball.size(point - ball.center)[:, 0]
    return torch.where(margins(model, point, y) <= 0, length, torch.inf)
