"""Everything that may find a flip inside a certified ball."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from counterspin.attacks import APGD, DDN, FMN, Attack, Margin, TargetedAPGD
from counterspin.attacks.ball import Ball
from counterspin.attacks.modes import frozen
from counterspin.attacks.registry import suite
from counterspin.attacks.verdict import margins
from counterspin.certificates import CertificateResult
from counterspin.threats import ThreatModel
from counterspin.types import Box, Classifier, Differentiable

__all__ = ["flips_near"]

_NEAREST: tuple[Attack, ...] = (FMN(steps=60, restarts=2), DDN(steps=60, restarts=2))
_APGD_STEPS = 20
_DRAWS = 200
_STARTS = 16
_STEPS = 60
# A radius without end is attacked this many times as far as the largest one, and at least so far.
_FAR, _LEAST = 4.0, 10.0


def flips_near(
    model: Classifier,
    x: Tensor,
    y: Tensor,
    threat: ThreatModel,
    result: CertificateResult,
    *,
    seed: int,
    thorough: bool = True,
) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Points at which samples are lost, in or near their certified balls: who found them, sample indices, points.

    Args:
        model: what was certified.
        x: samples `(batch, features)` float64.
        y: labels `(batch,)`.
        threat: what the radii hold against.
        result: the radii.
        seed: of the generators.
        thorough: whether the attacks with many steps per budget take part.
    """
    radius = result.radius_lower
    finite = radius[torch.isfinite(radius) & (radius > 0)]
    far = max(_LEAST, _FAR * float(finite.max())) if len(finite) else _LEAST
    radius = radius.clamp(max=x.shape[1] if threat.norm == "l0" else far)
    alive = (radius > 0).nonzero()[:, 0]
    if not len(alive):
        return
    targets = threat.targets(y)
    goals = None if targets is None else targets[alive]
    for finder, row, points in _found(model, x[alive], y[alive], goals, radius[alive], threat, seed, thorough):
        owner = alive[row]
        lost = margins(model, points, y[owner], None if targets is None else targets[owner]) <= 0
        if bool(lost.any()):
            yield finder, owner[lost], points[lost]


def _found(
    model: Classifier,
    x: Tensor,
    y: Tensor,
    goals: Tensor | None,
    radius: Tensor,
    threat: ThreatModel,
    seed: int,
    thorough: bool,
) -> Iterator[tuple[str, Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    box = model.bounds if threat.box == "data" else Box.unbounded(x.shape[1])
    ball = Ball.around(x, radius, threat.norm, box, threat.constraints)
    rows = torch.arange(len(x))
    draws = ball.tile(_DRAWS)
    points = draws.random_point(draws.center, generator)
    yield "random draws", rows.repeat(_DRAWS), points
    if isinstance(model, Differentiable) and model.differentiable:
        with frozen(model):
            for points in _searched(model, y, goals, ball, generator):
                yield "a local search from the boundary", rows.repeat(_STARTS), points
    budgets = _budgets(threat, radius)
    asked = replace(
        threat, eps=budgets, units="feature", target=None if goals is None else tuple(goals.tolist()), budget=None
    )
    for attack in (*_attacks(thorough), *_NEAREST):
        if attack.refusal(model, asked) is None:
            found = attack(model, x, y, asked, generator=torch.Generator().manual_seed(seed))
            for budget in found.budgets:
                yield f"attack {attack.name}", rows, budget.x_adv.double()


def _searched(
    model: Classifier, y: Tensor, goals: Tensor | None, ball: Ball, generator: torch.Generator
) -> Iterator[Tensor]:
    """Ascents of the margin that start at the boundary of each ball and stay inside, step by step."""
    tiled, loss = ball.tile(_STARTS), Margin()
    labels, targets = y.repeat(_STARTS), None if goals is None else goals.repeat(_STARTS)
    draw = tiled.random_point(tiled.center, generator) - tiled.center
    size = tiled.size(draw).clamp(min=1e-300)
    x = tiled.round(tiled.project(tiled.center + draw * (tiled.radius / size)))
    for step in range(_STEPS):
        with torch.enable_grad():
            inputs = x.clone().requires_grad_()
            value = loss(model(inputs), labels, target=targets, outputs=model.outputs).sum()
            gradient = torch.autograd.grad(value, inputs)[0]
        share = 0.5 * (1 + math.cos(math.pi * step / _STEPS))
        x = tiled.round(tiled.project(x + share * tiled.radius * tiled.steepest(gradient, x)))
        yield x


def _attacks(thorough: bool) -> Iterator[Attack]:
    """The quick suite; its long searches with fewer steps, as they start inside a ball that fits the sample."""
    for attack in suite("quick"):
        if not isinstance(attack, APGD | TargetedAPGD):
            yield attack
        elif thorough:
            yield replace(attack, steps=_APGD_STEPS, restarts=1)


def _budgets(threat: ThreatModel, radius: Tensor) -> tuple[float, ...]:
    """The least, the middle and the largest radius as budgets; in L0 all whole numbers up to the largest."""
    if threat.norm == "l0":
        return tuple(float(count) for count in range(1, 1 + int(radius.max())))
    ordered = radius.sort().values.tolist()
    return tuple(sorted({ordered[0], ordered[len(ordered) // 2], ordered[-1]}))
