"""The nearest state, in fidelity, at which the model errs: exact."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from counterspin.attacks.quantum.results import Situation
from counterspin.attacks.quantum.states.base import Found, StateAttack, StateManipulation
from counterspin.attacks.quantum.states.cap import search_cap
from counterspin.attacks.quantum.states.site import StateSite
from counterspin.attacks.quantum.states.targets import by_pairs
from counterspin.optimum import nearest_states

__all__ = ["NearestState"]


@dataclass(frozen=True, kw_only=True)
class NearestState(StateAttack):
    r"""The losing state of largest fidelity with the clean one.

    .. math:: \varphi \propto (1 + \lambda A)^{-1}\psi, \qquad
        1 - F^* = 1 - \min_{\lambda \ge 0} \lambda_{\max}(|\psi\rangle\langle\psi| - \lambda A),

    The same against pure and mixed attack states (`counterspin.optimum.nearest_states`; projective measurements: Guan,
    Fang, Ying, arXiv:2008.07230). A sample is broken iff that infidelity is within the budget. Clean states that are
    mixed are attacked by mixed ones, in Uhlmann fidelity. A target among several classes is searched for by descent
    where the nearest state that passes the label is of a third class.

    Args:
        steps: of the descent per start.
        restarts: its starts.

    Example:
        >>> import torch
        >>> from counterspin.circuits import OutcomeGroups, amplitude_encoding
        >>> from counterspin.models import QuantumClassifier
        >>> from counterspin.types import Box
        >>> bit = OutcomeGroups((0,), ((0,), (1,)))
        >>> model = QuantumClassifier(amplitude_encoding(2), bit, Box.uniform(-1.0, 1.0, features=2))
        >>> result = NearestState()(model, torch.tensor([[0.9**0.5, 0.1**0.5]]), [0], [0.1, 0.3])
        >>> result.success[:, 0].tolist(), round(result.budgets[1].spent.item(), 6)
        ([False, True], 0.2)
    """

    steps: int = 100
    restarts: int = 4

    name: ClassVar[str] = "nearest-state"
    capability: ClassVar[str] = "replace the quantum state behind the encoding by any state within the budget"
    defense: ClassVar[str] = "training on the exact margin or for a large Bures angle; more noise does not help"
    default_budgets: ClassVar[tuple[float, ...]] = (0.001, 0.01, 0.05, 0.1)
    ceiling: ClassVar[float] = 1.0

    @property
    def unit(self) -> str:
        """Infidelity `1 - F`, of Uhlmann where states are mixed."""
        return "infidelity"

    def _solve(self, site: StateSite, situation: Situation) -> Found:
        return by_pairs(_nearest, site, situation)

    def _search(self, known: StateManipulation, situation: Situation, rows: Tensor, budget: float) -> Found | None:
        angle = math.asin(math.sqrt(budget))
        return search_cap(
            known, situation, rows, angle, lambda a: a.sin().square(), steps=self.steps, restarts=self.restarts
        )


def _nearest(observables: Tensor, states: Tensor, y: Tensor) -> Found:
    near = nearest_states(observables, states, y)
    return Found(distance=near.upper, states=near.states)
