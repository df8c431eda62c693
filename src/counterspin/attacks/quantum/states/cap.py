r"""Descent over the states within an angle of another state: what is done where no closed form reaches the goal."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from counterspin.attacks.quantum.results import Situation
from counterspin.attacks.quantum.states.base import Found, StateManipulation, rows_margin
from counterspin.optimum import state_scores

__all__ = ["descend_in_cap", "search_cap", "turned"]

_BISECTIONS = 20


def turned(psi: Tensor, direction: Tensor, angle: Tensor) -> Tensor:
    r"""States :math:`\cos\theta\,\psi + \sin\theta\,\chi` `(rows, D)` for unit χ orthogonal to ψ and angles `(rows,)`.

    Example:
        >>> up, down = torch.eye(2).cdouble()
        >>> turned(up[None], down[None], torch.tensor([torch.pi / 2])).abs().round(decimals=6).tolist()
        [[0.0, 1.0]]
    """
    return angle.cos()[:, None] * psi + angle.sin()[:, None] * direction


@torch.no_grad()
def descend_in_cap(
    observables: Tensor,
    psi: Tensor,
    margin: Callable[[Tensor], Tensor],
    angle: float,
    *,
    steps: int,
    restarts: int,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Lower a margin of scores over pure states within a Bures angle, by normalised steps along great circles.

    Starts from the steepest direction, then from random ones. Where the margin is broken the angle is shortened to
    where it just is.

    Args:
        observables: `(classes, D, D)` complex128.
        psi: clean states `(rows, D)`.
        margin: of scores `(rows, classes)`, broken where at most 0.
        angle: radians, at most π/2.
        steps: per start.
        restarts: starts.
        generator: of the random starts.

    Returns:
        Angles `(rows,)` and states `(rows, D)` of the lowest margins; angles are infinite where it is not broken.
    """
    best = margin(state_scores(observables, psi))
    reach = torch.full_like(best, angle)
    found = psi.clone()
    for restart in range(restarts):
        if restart == 0:
            chi = -_orthogonal(_slope(observables, psi, margin), psi)
        else:
            parts = torch.randn(2, *psi.shape, generator=generator, dtype=torch.float64)
            chi = _orthogonal(torch.complex(parts[0], parts[1]), psi)
        for step in range(steps):
            phi = turned(psi, chi, reach)
            value = margin(state_scores(observables, phi))
            better = value < best
            best, found = torch.where(better, value, best), torch.where(better[:, None], phi, found)
            if bool((best <= 0).all()):
                break
            length = 0.5 * (1 + math.cos(math.pi * step / steps)) + 0.01
            chi = _orthogonal(chi - length * _orthogonal(_slope(observables, phi, margin), psi), psi)
    chi = _orthogonal(found, psi)
    low, high = torch.zeros_like(reach), reach.clone()
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        broken = margin(state_scores(observables, turned(psi, chi, middle))) <= 0
        low, high = torch.where(broken, low, middle), torch.where(broken, middle, high)
    broken = best <= 0
    shortened = turned(psi, chi, high)
    usable = broken & (margin(state_scores(observables, shortened)) <= 0)
    states = torch.where(usable[:, None], shortened, found)
    return torch.where(usable, high, torch.where(broken, reach, torch.inf)), states


def search_cap(
    known: StateManipulation,
    situation: Situation,
    rows: Tensor,
    angle: float,
    unit: Callable[[Tensor], Tensor],
    *,
    steps: int,
    restarts: int,
) -> Found | None:
    """What the descent finds towards a target among several classes; None where a closed form has settled it.

    Args:
        known: states and observables of all samples.
        situation: of all samples.
        rows: samples to search.
        angle: Bures angle of the budget.
        unit: from angles to the attack's unit.
        steps: per start.
        restarts: starts.
    """
    if situation.target is None or len(known.site.observables) == 2 or known.site.mixed:
        return None
    angles, states = descend_in_cap(
        known.site.observables,
        known.site.states[rows],
        lambda scores: rows_margin(situation, rows, scores),
        angle,
        steps=steps,
        restarts=restarts,
        generator=situation.generator,
    )
    return Found(distance=torch.where(angles.isinf(), angles, unit(angles.clamp(max=math.pi / 2))), states=states)


def _slope(observables: Tensor, phi: Tensor, margin: Callable[[Tensor], Tensor]) -> Tensor:
    with torch.enable_grad():
        phi = phi.detach().requires_grad_()
        (slope,) = torch.autograd.grad(margin(state_scores(observables, phi)).sum(), phi)
    return slope


def _orthogonal(vectors: Tensor, psi: Tensor) -> Tensor:
    """Unit vectors along what is orthogonal to ψ."""
    rest = vectors - (psi.conj() * vectors).sum(dim=1, keepdim=True) * psi
    return rest / torch.linalg.vector_norm(rest, dim=1, keepdim=True).clamp(min=torch.finfo(torch.float64).tiny)
