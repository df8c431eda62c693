"""One unitary on the whole state, bounded in operator norm."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from counterspin.attacks.quantum.results import Situation
from counterspin.attacks.quantum.states.base import Found, StateAttack, StateManipulation, rows_margin
from counterspin.attacks.quantum.states.cap import search_cap
from counterspin.attacks.quantum.states.site import StateSite
from counterspin.attacks.quantum.states.targets import by_pairs
from counterspin.optimum import nearest_states

__all__ = ["GlobalUnitary", "plane_generator"]


@dataclass(frozen=True, kw_only=True)
class GlobalUnitary(StateAttack):
    r"""A unitary :math:`e^{-iH}`, :math:`\|H\| \le \varepsilon` (operator norm), on the state behind the encoding.

    It turns every state by a Bures angle of at most ε, and a rotation in one plane turns a pure one by exactly that. So
    a pure sample is broken iff :math:`\theta^* = \arccos\sqrt{F^*} \le \varepsilon`, by the rotation into the nearest
    losing state (`plane_generator`): exact.

    A mixed state keeps its spectrum under a unitary. There the margin is lowered by steepest descent in operator norm,
    :math:`\rho \to e^{-i\tau S}\rho\,e^{i\tau S}` with :math:`S = \mathrm{sign}(i[\rho, A])`, whose steps add up to ε.

    Args:
        steps: of the descent of mixed states, and towards a target among several classes.
        restarts: starts of the latter.

    Example:
        >>> from counterspin.circuits import OutcomeGroups, amplitude_encoding
        >>> from counterspin.models import QuantumClassifier
        >>> from counterspin.types import Box
        >>> bit = OutcomeGroups((0,), ((0,), (1,)))
        >>> model = QuantumClassifier(amplitude_encoding(2), bit, Box.uniform(-1.0, 1.0, features=2))
        >>> result = GlobalUnitary()(model, torch.tensor([[0.9**0.5, 0.1**0.5]]), [0], [0.5])
        >>> round(result.budgets[0].spent.item(), 6)
        0.463648
    """

    steps: int = 20
    restarts: int = 4

    name: ClassVar[str] = "global-unitary"
    capability: ClassVar[str] = "apply one unitary of its choice to all qubits behind the encoding of each sample"
    defense: ClassVar[str] = "training for a large Bures angle"
    default_budgets: ClassVar[tuple[float, ...]] = (0.02, 0.05, 0.1, 0.2)
    ceiling: ClassVar[float] = math.pi / 2

    @property
    def unit(self) -> str:
        """Radians, the operator norm of the generator."""
        return "radians (operator norm)"

    def _solve(self, site: StateSite, situation: Situation) -> Found | None:
        return None if site.mixed else by_pairs(_rotated, site, situation)

    def _search(self, known: StateManipulation, situation: Situation, rows: Tensor, budget: float) -> Found | None:
        if known.site.mixed:
            return _descended(known.site, situation, rows, budget, self.steps)
        return search_cap(known, situation, rows, budget, lambda a: a, steps=5 * self.steps, restarts=self.restarts)


def plane_generator(psi: Tensor, phi: Tensor) -> Tensor:
    r"""The Hermitian H `(D, D)` of smallest norm with :math:`e^{-iH}\psi = \varphi` up to a phase.

    .. math:: H = i\theta\,(|\chi\rangle\langle\psi| - |\psi\rangle\langle\chi|), \qquad
        \varphi \propto \cos\theta\,\psi + \sin\theta\,\chi

    Args:
        psi: unit vector `(D,)`.
        phi: unit vector `(D,)`.

    Example:
        >>> up, down = torch.eye(2).cdouble()
        >>> float(torch.linalg.matrix_norm(plane_generator(up, down), 2))
        1.5707963267948966
    """
    overlap = psi.conj() @ phi
    phase = torch.where(overlap.abs() > 0, torch.sgn(overlap), torch.ones_like(overlap))
    rest = phi / phase - overlap.abs() * psi
    size = torch.linalg.vector_norm(rest)
    angle = torch.atan2(size, overlap.abs())
    chi = rest / size.clamp(min=torch.finfo(torch.float64).tiny)
    return 1j * angle * (torch.outer(chi, psi.conj()) - torch.outer(psi, chi.conj()))


def _rotated(observables: Tensor, states: Tensor, y: Tensor) -> Found:
    near = nearest_states(observables, states, y)
    return Found(
        distance=near.upper.clamp(max=1).sqrt().asin() + torch.where(near.upper.isinf(), torch.inf, 0.0),
        states=near.states,
    )


def _descended(site: StateSite, situation: Situation, rows: Tensor, budget: float, steps: int) -> Found:
    rho, stepped = site.states[rows], budget / steps
    distance = torch.full((len(rows),), torch.inf, dtype=torch.float64)
    y = situation.y[rows]
    for step in range(1, steps + 1):
        scores = site.scores(rho)
        others = scores.scatter(1, y[:, None], -torch.inf)
        rival = others.argmax(dim=1) if situation.target is None else torch.full_like(y, situation.target)
        form = site.observables[y] - site.observables[rival]
        commutator = 1j * (rho @ form - form @ rho)
        eigenvalues, vectors = torch.linalg.eigh((commutator + commutator.mH) / 2)
        # d/dτ Tr(A ρ(τ)) = -Tr(S i[ρ, A]); rounding decides no sign.
        signs = eigenvalues.sign() * (eigenvalues.abs() > 1e-12)
        unitary = (vectors * torch.exp(-1j * stepped * signs)[:, None, :]) @ vectors.mH
        moved = unitary @ rho @ unitary.mH
        rho = torch.where(distance.isinf()[:, None, None], (moved + moved.mH) / 2, rho)
        broken = rows_margin(situation, rows, site.scores(rho)) <= 0
        distance = torch.where(broken & distance.isinf(), step * stepped, distance)
    return Found(distance=distance.clamp(max=budget) + torch.where(distance.isinf(), torch.inf, 0.0), states=rho)
