"""What attacks on one surface of a model reach: per sample, and by one change for all. Every surface is a stage."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from counterspin.attacks import APGD, FMN
from counterspin.attacks.losses import Margin, verdict_margin
from counterspin.attacks.quantum.base import QuantumAttack
from counterspin.attacks.quantum.parameters.aims import AsMany, temperatures
from counterspin.attacks.quantum.parameters.ascent import Found, ascend, better, starts
from counterspin.attacks.quantum.results import Situation
from counterspin.evaluation.analysis.surfaces import ChangedModel, Surface
from counterspin.evaluation.seeds import derived_generator
from counterspin.evaluation.shelves import Shelf, Shelves
from counterspin.threats import Linf

__all__ = ["SurfacePoint", "SurfaceTask", "quantum_point", "surface_point"]


@dataclass(frozen=True, kw_only=True, eq=False)
class SurfaceTask:
    """What all surfaces of a study share.

    Args:
        model: the classifier, frozen.
        x: samples `(batch, features)` float64.
        y: labels `(batch,)`.
        clean: clean margins `(batch,)`.
        budgets: relative, ascending.
        steps: gradients per start.
        restarts: starts of the attack on each sample; one change for all samples takes twice as many.
        seed: of every random stream.
        store: where finished surfaces live.
        announce: called with a label before each surface.
    """

    model: Any
    x: Tensor
    y: Tensor
    clean: Tensor
    budgets: tuple[float, ...]
    steps: int
    restarts: int
    seed: int
    store: Shelves
    announce: Callable[[str], None]

    def generator(self, *labels: object) -> torch.Generator:
        """A random stream of one part."""
        return derived_generator(self.seed, "hybrid study", *labels)


@dataclass(frozen=True, kw_only=True, eq=False)
class SurfacePoint:
    """What one surface gives away.

    Args:
        margins: smallest margin reached at each budget by a change for each sample `(budgets, batch)`, falling.
        distance: smallest relative budget that breaks each sample `(batch,)`, as far as known; infinite where none.
        shared: margins under the one change for all samples that breaks most `(budgets, batch)`; empty: not tried.
        slope: by how much the margin of each sample falls per unit of budget, to first order `(batch,)`; empty: no
            gradient.
    """

    margins: Tensor
    distance: Tensor
    shared: Tensor
    slope: Tensor

    @property
    def tensors(self) -> dict[str, Tensor]:
        """For the run directory."""
        return {name: getattr(self, name).clone() for name in ("margins", "distance", "shared", "slope")}


def surface_point(task: SurfaceTask, surface: Surface) -> SurfacePoint:
    """Attack a continuous surface by APGD on the margin and FMN, and by ascent of one change for all samples."""
    return _kept(task, surface.name, lambda: _attacked(task, surface))


def quantum_point(
    task: SurfaceTask,
    name: str,
    own: QuantumAttack,
    budgets: tuple[float, ...],
    *,
    shared: QuantumAttack | None = None,
    unit: float = 1.0,
) -> SurfacePoint:
    """What attacks on a quantum part reach, in the form of the other surfaces.

    Args:
        task: the study.
        name: of the surface.
        own: with a manipulation for each sample.
        budgets: in its unit.
        shared: with one for all samples, in the same unit.
        unit: the relative budget that one unit is.
    """

    def attacked() -> SurfacePoint:
        found = own(task.model, task.x, task.y, budgets, generator=task.generator(name, "own"))
        nothing = task.x.new_zeros(0)
        margins = torch.stack([verdict_margin(at.manipulation.scores, task.y) for at in found.budgets])
        if shared is not None:
            again = shared(task.model, task.x, task.y, budgets, generator=task.generator(name, "shared"))
            together = torch.stack([verdict_margin(at.manipulation.scores, task.y) for at in again.budgets])
        else:
            together = nothing
        spent = torch.stack([at.spent for at in found.budgets]).amin(dim=0) * unit
        return SurfacePoint(margins=margins.cummin(dim=0).values, distance=spent, shared=together, slope=nothing)

    return _kept(task, name, attacked)


def _kept(task: SurfaceTask, name: str, attacked: Callable[[], SurfacePoint]) -> SurfacePoint:
    shelf = Shelf(task.store, "surfaces")
    key = name.replace(" ", "-")
    stored = shelf.tensors(key)
    if stored is not None:
        return SurfacePoint(**stored)
    task.announce(name)
    found = attacked()
    shelf.save_tensors(key, found.tensors)
    return found


def _attacked(task: SurfaceTask, surface: Surface) -> SurfacePoint:
    changed = ChangedModel(surface, task.model)
    clean = changed.inputs(task.x)
    threat = Linf(*task.budgets, box="none", mask=changed.mask)
    distance = torch.full_like(task.clean, math.inf)
    attacks = (
        APGD(steps=task.steps, restarts=task.restarts, loss=Margin()),
        FMN(steps=2 * task.steps, restarts=1),
    )
    reached = [task.clean.expand(len(task.budgets), -1)]
    for attack in attacks:
        result = attack(changed, clean, task.y, threat, generator=task.generator(surface.name, attack.name))
        distance = torch.minimum(distance, result.distance[-1])
        reached.append(torch.stack([at.best_margin for at in result.budgets]))
    margins = torch.stack(reached).amin(dim=0).cummin(dim=0).values
    return SurfacePoint(
        margins=margins, distance=distance, shared=_shared(task, surface), slope=_slope(task, changed, clean)
    )


def _slope(task: SurfaceTask, changed: ChangedModel, clean: Tensor) -> Tensor:
    """The dual norm of the margin's gradient."""
    with torch.enable_grad():
        leaf = clean.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(verdict_margin(changed(leaf), task.y).sum(), leaf)
    return gradient[:, : changed.surface.numbers].abs().sum(dim=1)


def _shared(task: SurfaceTask, surface: Surface) -> Tensor:
    """Margins under the one change that breaks most, budget by budget."""
    with torch.no_grad():
        scores = task.model(task.x).double()
    situation = Situation(
        model=task.model,
        x=task.x,
        y=task.y,
        target=None,
        correct=task.clean > 0,
        scores=scores,
        generator=task.generator(surface.name, "shared"),
    )
    heats = temperatures(situation)
    aim = AsMany(situation=situation, finest=float(heats[-1]))
    lanes = 2 * task.restarts

    def every(points: Tensor) -> Tensor:
        count = len(points)
        rows = surface.scores(points.repeat_interleave(len(task.x), dim=0), task.x.repeat(count, 1))
        return rows.reshape(count, len(task.x), -1)

    best = Found(point=torch.zeros(surface.numbers, dtype=torch.float64), rank=-math.inf)
    found = []
    for budget in task.budgets:
        if found and not bool(((found[-1] > 0) & situation.correct).any()):
            found.append(found[-1])
            continue
        known = best.point if found else None
        begin = starts(lanes, surface.numbers, budget, "linf", known, situation.generator)
        heat = heats.repeat(-(-lanes // len(heats)))[:lanes]
        climbed = ascend(every, aim, begin, heat, radius=budget, norm="linf", steps=task.steps // 2)
        best = better(best, climbed.point[None], aim.rank(every(climbed.point[None])))
        with torch.no_grad():
            found.append(verdict_margin(every(best.point[None])[0], task.y))
    return torch.stack(found)
