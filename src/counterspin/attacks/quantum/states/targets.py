"""Exact solvers asked for one class: the pair of label and target, solved for each label."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from counterspin.attacks.quantum.results import Situation
from counterspin.attacks.quantum.states.base import Found
from counterspin.attacks.quantum.states.site import StateSite

__all__ = ["by_pairs"]

Solver = Callable[[Tensor, Tensor, Tensor], Found]


def by_pairs(solve: Solver, site: StateSite, situation: Situation) -> Found:
    """What a solver of untargeted flips finds for the goal of a run.

    With a target every sample is asked for the nearest state where the target passes its label. That is the nearest one
    of the target class with two classes; with more it may be of a third class, and the distance is a lower bound.

    Args:
        solve: of observables `(classes, D, D)`, states and labels.
        site: states and observables.
        situation: labels and target.
    """
    target, y = situation.target, situation.y
    if target is None or len(site.observables) == 2:
        return solve(site.observables, site.states, y)
    pieces: list[tuple[Tensor, Found]] = []
    for own in y.unique().tolist():
        if own != target:
            rows = (y == own).nonzero()[:, 0]
            pair = solve(site.observables[[own, target]], site.states[rows], torch.zeros_like(rows))
            pieces.append((rows, pair))
    found = _blank(pieces[0][1], len(y))
    for rows, pair in pieces:
        found.distance[rows], found.states[rows] = pair.distance, pair.states
        for name, part in pair.parts.items():
            found.parts[name][rows] = part
    return found


def _blank(like: Found, batch: int) -> Found:
    return Found(
        distance=torch.full((batch,), torch.inf, dtype=torch.float64),
        states=like.states.new_zeros(batch, *like.states.shape[1:]),
        parts={name: part.new_zeros(batch, *part.shape[1:]) for name, part in like.parts.items()},
    )
