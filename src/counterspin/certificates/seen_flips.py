"""Nearby inputs at which a differentiable model was seen to change its prediction: how loose a certificate may be."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.certificates.base import Task
from counterspin.certificates.margins import margin_gradients, rivals
from counterspin.types import Classifier
from counterspin.validation import checked_scores

__all__ = ["SeenFlips", "seen_flips"]

_STEPS, _OVERSHOOT, _HALVINGS = 15, 1.05, 25


@dataclass(frozen=True, kw_only=True, eq=False)
class SeenFlips:
    """Points seen to flip.

    Args:
        distance: in the norm of the threat `(batch,)`, infinite where none was found.
        points: `(batch, features)`, the sample itself where none was found.
    """

    distance: Tensor
    points: Tensor


def seen_flips(model: Classifier, task: Task) -> SeenFlips:
    """Steps to the nearest linearised boundary until the label falls (arXiv:1511.04599), then halvings of the way back.

    Points stay in the box and move no masked feature; where features are discrete or tied none is looked for.
    """
    nothing = SeenFlips(distance=torch.full_like(task.x[:, 0], torch.inf), points=task.x)
    if task.threat.constraints.groups or task.threat.constraints.tied or bool(task.box.periodic.any()):
        return nothing
    movable = task.threat.constraints.movable(task.x.shape[1])
    found, point = torch.zeros(len(task.x), dtype=torch.bool), task.x
    for _ in range(_STEPS):
        moved = task.box.clamp(point + _OVERSHOOT * _linear_step(model, point, task, movable))
        point = torch.where(found[:, None], point, moved)
        found = found | _flipped(model, point, task)
    low, high = torch.zeros_like(task.x[:, :1]), torch.ones_like(task.x[:, :1])
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        over = _flipped(model, task.x + middle * (point - task.x), task)[:, None]
        low, high = torch.where(over, low, middle), torch.where(over, middle, high)
    point = task.x + high * (point - task.x)
    seen = found & _flipped(model, point, task)
    distance = task.threat.size(point - task.x).masked_fill(~seen, torch.inf)
    return SeenFlips(distance=distance, points=torch.where(seen[:, None], point, task.x))


def _linear_step(model: Classifier, point: Tensor, task: Task, movable: Tensor) -> Tensor:
    """The step `(batch, features)` that the linearised margins say is shortest."""
    found = margin_gradients(model, point, task.y)
    gradients = found.gradients * movable
    dual = {"linf": 1.0, "l2": 2.0, "l1": torch.inf}[task.threat.norm]
    sizes = torch.linalg.vector_norm(gradients, ord=dual, dim=2)
    counted = rivals(task.y, task.target, found.values.shape[1])
    length = found.values.abs().masked_fill(~counted, torch.inf) / sizes.clamp(min=torch.finfo(torch.float64).tiny)
    nearest = length.argmin(dim=1)[:, None]
    slope = gradients.gather(1, nearest[:, :, None].expand(-1, -1, gradients.shape[2]))[:, 0]
    if task.threat.norm == "linf":
        steepest = slope.sign()
    elif task.threat.norm == "l2":
        steepest = slope / sizes.gather(1, nearest).clamp(min=torch.finfo(torch.float64).tiny)
    else:
        steepest = slope.sign() * torch.nn.functional.one_hot(slope.abs().argmax(dim=1), slope.shape[1])
    return -steepest * length.gather(1, nearest).clamp(max=1.0 + task.x.abs().max())


def _flipped(model: Classifier, point: Tensor, task: Task) -> Tensor:
    scores = checked_scores(model, point)
    goal = task.y if task.target is None else task.target
    others = scores.scatter(1, goal[:, None], -torch.inf).amax(dim=1)
    own = scores.gather(1, goal[:, None])[:, 0]
    return own <= others if task.target is None else own >= others
