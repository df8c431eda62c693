"""Rotations of single qubits behind the encoding."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from counterspin.attacks.quantum.results import Situation
from counterspin.attacks.quantum.states.base import Found, StateAttack, StateManipulation, rows_margin
from counterspin.attacks.quantum.states.rotations import rotated, within
from counterspin.attacks.quantum.states.site import StateSite

__all__ = ["LocalUnitary"]

_BISECTIONS = 12
# A margin below zero whatever single precision makes of it.
_CLEAR = 1e-4


@dataclass(frozen=True, kw_only=True)
class LocalUnitary(StateAttack):
    r"""A product of rotations :math:`\bigotimes_q e^{-i a_q\cdot\sigma/2}`, :math:`\max_q |a_q|_2 \le \varepsilon`.

    Projected gradient descent on the margin over the rotation vectors :math:`a_q` of all qubits, each of which takes a
    normalised step (the steepest direction of the norm): first the margin itself, from what a smaller budget found,
    then, start by start, that of one rival class after the other, then from random points. A broken sample's rotations
    are shortened to where they just break. The rotations are the local
    unitary perturbations of Lu, Duan, Deng (arXiv:2001.00030) with a budget.

    Each rotation has a generator of spread 1, so that n qubits turn the state by at most :math:`n\varepsilon/2`: no
    sample breaks below :math:`2\theta^*/n`.

    Args:
        steps: per start.
        restarts: starts.

    Example:
        >>> from counterspin.circuits import OutcomeGroups, amplitude_encoding
        >>> from counterspin.models import QuantumClassifier
        >>> from counterspin.types import Box
        >>> bit = OutcomeGroups((0,), ((0,), (1,)))
        >>> model = QuantumClassifier(amplitude_encoding(2), bit, Box.uniform(-1.0, 1.0, features=2))
        >>> result = LocalUnitary()(model, torch.tensor([[0.9**0.5, 0.1**0.5]]), [0], [0.9, 1.0])
        >>> result.success[:, 0].tolist(), round(result.budgets[1].spent.item(), 2)  # 2 θ* = 0.927
        ([False, True], 0.93)
    """

    steps: int = 40
    restarts: int = 4

    name: ClassVar[str] = "local-unitary"
    capability: ClassVar[str] = "rotate every qubit behind the encoding of each sample, by angles of its choice"
    defense: ClassVar[str] = "training under random or adversarial rotations; readouts that many qubits share"
    default_budgets: ClassVar[tuple[float, ...]] = (0.05, 0.1, 0.2, 0.5)
    ceiling: ClassVar[float] = math.pi

    @property
    def unit(self) -> str:
        """Radians: the largest rotation angle of a qubit."""
        return "radians (linf over qubits)"

    def _search(self, known: StateManipulation, situation: Situation, rows: Tensor, budget: float) -> Found:
        site, states = known.site, known.site.states[rows]
        shape = (len(rows), site.qubits, 3)
        earlier = known.parts.get("rotations")
        best = torch.zeros(shape, dtype=torch.float64) if earlier is None else earlier[rows]
        lowest = rows_margin(situation, rows, site.scores(rotated(states, best)))
        order = _rivals(situation, rows)
        for restart in range(self.restarts):
            left = (lowest > 0).nonzero()[:, 0]
            if not len(left):
                break
            rival = order[left, restart - 1] if 0 < restart <= order.shape[1] else None
            start = best[left]
            if restart and rival is None:
                start = torch.randn(start.shape, generator=situation.generator, dtype=torch.float64) * budget
            found = self._descend(site, situation, rows[left], within(start, budget), rival, budget)
            values = rows_margin(situation, rows[left], site.scores(rotated(states[left], found)))
            better = values < lowest[left]
            best[left] = torch.where(better[:, None, None], found, best[left])
            lowest[left] = torch.where(better, values, lowest[left])
        best = self._shortened(known, situation, rows, best, lowest <= 0)
        length = torch.linalg.vector_norm(best, dim=2).amax(dim=1)
        return Found(distance=length.clamp(max=budget), states=rotated(states, best), parts={"rotations": best})

    def _descend(
        self, site: StateSite, situation: Situation, rows: Tensor, start: Tensor, rival: Tensor | None, budget: float
    ) -> Tensor:
        """Rotations of the lowest margins on the way from `start` `(rows, n, 3)`, searched in single precision."""
        site = StateSite(states=site.states[rows].to(torch.complex64), observables=site.observables.to(torch.complex64))
        y = situation.y[rows]

        def margin(scores: Tensor) -> Tensor:
            if rival is None:
                return rows_margin(situation, rows, scores)
            return (scores.gather(1, y[:, None]) - scores.gather(1, rival[:, None]))[:, 0]

        vectors = best = start.float()
        lowest = torch.full((len(rows),), torch.inf)
        for step in range(self.steps + 1):
            with torch.enable_grad():
                vectors = vectors.detach().requires_grad_()
                margins = margin(site.scores(rotated(site.states, vectors)))
                (slope,) = torch.autograd.grad(margins.sum(), vectors)
            vectors, margins = vectors.detach(), margins.detach()
            better = margins < lowest
            best = torch.where(better[:, None, None], vectors, best)
            lowest = torch.where(better, margins, lowest)
            if bool((lowest < -_CLEAR).all()):
                break
            length = torch.linalg.vector_norm(slope, dim=2, keepdim=True)
            direction = slope / length.clamp(min=torch.finfo(torch.float32).tiny)
            share = 0.5 * (1 + math.cos(math.pi * step / self.steps)) + 0.02
            vectors = within(vectors - share * budget * direction, budget)
        return within(best.double(), budget)

    def _shortened(
        self, known: StateManipulation, situation: Situation, rows: Tensor, vectors: Tensor, broken: Tensor
    ) -> Tensor:
        """Rotations of broken samples, all by one factor as small as still breaks."""
        states = known.site.states[rows]
        low, high = torch.zeros(len(rows), dtype=torch.float64), torch.ones(len(rows), dtype=torch.float64)
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            scores = known.site.scores(rotated(states, middle[:, None, None] * vectors))
            breaks = broken & (rows_margin(situation, rows, scores) <= 0)
            low, high = torch.where(breaks, low, middle), torch.where(breaks, middle, high)
        return torch.where(broken, high, 1.0)[:, None, None] * vectors


def _rivals(situation: Situation, rows: Tensor) -> Tensor:
    """Classes `(rows, classes - 1)` from the runner-up down where several may win; none where only one counts."""
    classes = situation.scores.shape[1]
    if situation.target is not None or classes == 2:
        return rows.new_zeros(len(rows), 0)
    others = situation.scores[rows].scatter(1, situation.y[rows][:, None], -torch.inf)
    return others.argsort(dim=1, descending=True)[:, : classes - 1]
