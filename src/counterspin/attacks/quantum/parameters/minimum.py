"""For each sample the smallest errors of the gate angles that break it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from counterspin.attacks.losses import verdict_margin
from counterspin.attacks.projections import norm_of
from counterspin.attacks.quantum.parameters.base import AngleNorm, ParameterAttack, Tampering
from counterspin.attacks.quantum.parameters.gate_errors import GateErrors, gate_errors
from counterspin.attacks.quantum.results import Manipulation, Scope, Situation
from counterspin.attacks.schedules import cosine

__all__ = ["NearestErrors", "WeightsMinimum"]

# Trust region of a step, in radians (L2): the curvature of a rotation bends its linearisation over about as much.
_TRUST = 0.5
_LENGTHS = 16
_HALVINGS = 20


@dataclass(frozen=True, kw_only=True, eq=False)
class NearestErrors(Tampering):
    """Errors within a budget, and the smallest ones known for each sample, whatever their size.

    Args:
        nearest: `(batch, angles)` radians.
        size: their norms `(batch,)`; infinite where none break the sample.
    """

    nearest: Tensor
    size: Tensor


@dataclass(frozen=True, kw_only=True)
class WeightsMinimum(ParameterAttack):
    r"""Smallest errors of the gate angles that change a decision, found afresh for each sample.

    .. math:: \min \|\Delta\| \quad \text{s.t.} \quad m(\Delta) \le 0

    (the problem of Carlini and Wagner, arXiv:1608.04644), by projections onto the linearised boundary
    (arXiv:1511.04599) that are damped, so that they settle at a point where error and gradient are parallel; from 0
    towards the nearest rival and towards several fixed ones, and from random points. The size along the best direction
    is then bisected. An attacker who times its tampering with an input; the bound is the same
    :math:`\sum_j|\Delta_j| s_j < \theta^*`.

    Args:
        norm: of the errors: `"l2"` or `"linf"`.
        steps: gradients per start.
        restarts: starts.

    Example:
        >>> from counterspin import recipes
        >>> recipe = recipes.get("cancer-angle")
        >>> model, test = recipe.model(), recipe.dataset().test
        >>> result = WeightsMinimum(steps=15, restarts=2)(model, test.x[:20], test.y[:20], (0.2, 1.0))
        >>> bool(result.robust_accuracy[1] < result.robust_accuracy[0])
        True
    """

    norm: AngleNorm = "l2"
    steps: int = 40
    restarts: int = 4

    name: ClassVar[str] = "weights-minimum"
    scope: ClassVar[Scope] = "sample"
    goal: ClassVar[str] = "a wrong class for one input by the smallest change of the machine"
    capability: ClassVar[str] = "changes the angle of every gate by a little while one input is classified"
    defense: ClassVar[str] = "calibration checks between inputs; averaging over machines"
    default_budgets: ClassVar[tuple[float, ...]] = (0.1, 0.2, 0.5, 1.0)

    @property
    def unit(self) -> str:
        """Radians in the norm."""
        return f"radians ({self.norm})"

    def _run(self, situation: Situation, budget: float, before: Manipulation | None) -> Manipulation:
        site = gate_errors(situation.model, situation.x, situation.scores)
        known = before.what if before is not None else self._search(site, situation)
        used = torch.where((known.size <= budget)[:, None], known.nearest, 0.0)
        found = known.size[torch.isfinite(known.size)]
        return Manipulation(
            scores=site.scores(used),
            spent=norm_of(used, self.norm)[:, 0],
            what=NearestErrors(circuit=site.circuit, errors=used, nearest=known.nearest, size=known.size),
            evidence={
                "angles": site.angles,
                "smallest": float(found.min()) if len(found) else None,
                "median": float(found.median()) if len(found) else None,
            },
            cost=site.cost,
        )

    def _search(self, site: GateErrors, situation: Situation) -> NearestErrors:
        rows = situation.correct.nonzero()[:, 0]
        best = torch.zeros(len(situation.y), site.angles, dtype=torch.float64)
        size = torch.full((len(best),), math.inf, dtype=torch.float64)
        y = situation.y[rows]
        rivals = situation.scores[rows].scatter(1, y[:, None], -math.inf).argsort(dim=1, descending=True)
        for start in range(self.restarts) if len(rows) else ():
            point = torch.zeros(len(rows), site.angles, dtype=torch.float64)
            fixed = None
            if situation.target is not None:
                fixed = torch.full_like(y, situation.target)
            elif 0 < start < rivals.shape[1]:
                fixed = rivals[:, start - 1]
            if start >= (rivals.shape[1] if situation.target is None else 1):
                point = _TRUST * torch.randn(point.shape, dtype=torch.float64, generator=situation.generator)
                point = point / site.angles**0.5
            found, length = self._descend(site, situation, rows, point, fixed)
            nearer = length < size[rows]
            best[rows] = torch.where(nearer[:, None], found, best[rows])
            size[rows] = torch.where(nearer, length, size[rows])
        if len(rows):
            best[rows], size[rows] = self._shortened(site, situation, rows, best[rows], best[rows], size[rows])
        return NearestErrors(circuit=site.circuit, errors=best, nearest=best, size=size)

    def _descend(
        self, site: GateErrors, situation: Situation, rows: Tensor, point: Tensor, rival: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Errors `(rows, angles)` on the far side of the boundary and their norms, infinite where none were met."""
        y = situation.y[rows]
        best, size = point, torch.full((len(rows),), math.inf, dtype=torch.float64)
        for step in range(self.steps):
            with torch.enable_grad():
                at = point.detach().requires_grad_()
                scores = site.scores(at, rows)
                margin = _margin(scores, y, rival, targeted=situation.target is not None)
                (gradient,) = torch.autograd.grad(margin.sum(), at)
            best, size = self._kept(best, size, point, _broken(situation, scores.detach(), rows))
            wanted = _onto_boundary(point, margin.detach(), gradient, self.norm)
            move = cosine(1.0, 0.2, step, self.steps) * (wanted - point)
            point = point + move * (_TRUST / norm_of(move, "l2").clamp_min(1e-300)).clamp(max=1.0)
        # A point that settles on the boundary may lie on either side of it: so look along its direction.
        return self._shortened(site, situation, rows, point, best, size)

    def _shortened(
        self, site: GateErrors, situation: Situation, rows: Tensor, point: Tensor, best: Tensor, size: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The shortest multiple of each point that breaks its sample: the first of a grid, bisected."""
        inside, outside = torch.zeros(len(rows), 1, dtype=torch.float64), torch.full((len(rows), 1), math.inf).double()
        for share in torch.linspace(2 / _LENGTHS, 2.0, _LENGTHS, dtype=torch.float64):
            broken = _broken(situation, site.scores(share * point, rows), rows)[:, None]
            outside = torch.where(broken & outside.isinf(), share, outside)
            inside = torch.where(outside.isinf(), share, inside)
        for _ in range(_HALVINGS):
            middle = torch.where(outside.isinf(), inside, (inside + outside) / 2)
            broken = _broken(situation, site.scores(middle * point, rows), rows)[:, None]
            outside, inside = torch.where(broken, middle, outside), torch.where(broken, inside, middle)
        reached = torch.isfinite(outside)
        return self._kept(best, size, torch.where(reached, outside, 0.0) * point, reached[:, 0])

    def _kept(self, best: Tensor, size: Tensor, point: Tensor, broken: Tensor) -> tuple[Tensor, Tensor]:
        length = norm_of(point, self.norm)[:, 0]
        shorter = broken & (length < size)
        return torch.where(shorter[:, None], point, best), torch.where(shorter, length, size)


def _broken(situation: Situation, scores: Tensor, rows: Tensor) -> Tensor:
    target = None if situation.target is None else torch.full_like(situation.y[rows], situation.target)
    return verdict_margin(scores, situation.y[rows], target) <= 0


def _margin(scores: Tensor, y: Tensor, rival: Tensor | None, *, targeted: bool) -> Tensor:
    """How far each sample is from the rival's class, or from any."""
    if rival is None or targeted:
        return verdict_margin(scores, y, rival)
    return scores.gather(1, y[:, None])[:, 0] - scores.gather(1, rival[:, None])[:, 0]


def _onto_boundary(point: Tensor, margin: Tensor, gradient: Tensor, norm: str) -> Tensor:
    r"""The shortest errors on the boundary of the linearisation, :math:`m + g^T(\Delta' - \Delta) = 0`."""
    offset = ((gradient * point).sum(dim=1) - margin)[:, None]
    tiny = torch.finfo(gradient.dtype).tiny
    if norm == "linf":
        return gradient.sign() * offset / gradient.abs().sum(dim=1, keepdim=True).clamp_min(tiny)
    # Scaled first: squares of tiny gradients underflow.
    peak = gradient.abs().amax(dim=1, keepdim=True).clamp_min(tiny)
    scaled = gradient / peak
    return scaled * (offset / peak) / scaled.square().sum(dim=1, keepdim=True).clamp_min(tiny)
