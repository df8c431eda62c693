"""The nearest state, in trace distance, at which the model errs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from counterspin.attacks.quantum.results import Situation
from counterspin.attacks.quantum.states.base import Found, StateAttack, StateManipulation
from counterspin.attacks.quantum.states.cap import search_cap
from counterspin.attacks.quantum.states.site import StateSite, mixed_site
from counterspin.attacks.quantum.states.targets import by_pairs
from counterspin.errors import ConditionsError
from counterspin.optimum import (
    nearest_in_trace_distance,
    nearest_states,
    pure_trace_distance,
    trace_distance_bounds,
)
from counterspin.optimum.trace_distance_pure import pure_state_trace_distances
from counterspin.types import Classifier

__all__ = ["NearestInTraceDistance"]


@dataclass(frozen=True, kw_only=True)
class NearestInTraceDistance(StateAttack):
    r"""The losing state of smallest trace distance to the clean one.

    A pure attack state needs :math:`T = \sqrt{1 - F^*}`, exactly. A mixed one is cheaper: half the margin for a
    projective measurement of two classes, and for other observables a saddle point in two numbers
    (`counterspin.optimum.trace_distance_pure`), exact as well for pure clean states. Mixed clean states have a bracket,
    from :math:`m/\mathrm{spread}(A)` to what moved weight or fidelity attains, which the programme closes.

    Args:
        adversary: `"mixed"` or `"pure"`; pure attack states are for pure clean states.
        solver: against mixed attack states, `"closed"` is exact for pure clean states; `"sdp"` solves the semidefinite
            programme, up to 4 qubits, about a second for every sample and rival, and needs `counterspin[sdp]`.
        steps: of the descent towards a target among several classes, per start.
        restarts: its starts.

    Example:
        >>> import torch
        >>> from counterspin.circuits import OutcomeGroups, amplitude_encoding
        >>> from counterspin.models import QuantumClassifier
        >>> from counterspin.types import Box
        >>> bit = OutcomeGroups((0,), ((0,), (1,)))
        >>> model = QuantumClassifier(amplitude_encoding(2), bit, Box.uniform(-1.0, 1.0, features=2))
        >>> x = torch.tensor([[0.9**0.5, 0.1**0.5]])
        >>> [
        ...     round(NearestInTraceDistance(adversary=adversary)(model, x, [0], [0.5]).budgets[0].spent.item(), 6)
        ...     for adversary in ("mixed", "pure")
        ... ]
        [0.4, 0.447214]
    """

    adversary: Literal["mixed", "pure"] = "mixed"
    solver: Literal["closed", "sdp"] = "closed"
    steps: int = 100
    restarts: int = 4

    name: ClassVar[str] = "nearest-trace"
    capability: ClassVar[str] = "replace the quantum state behind the encoding by any state within the budget"
    defense: ClassVar[str] = "a larger margin: of the training for robustness, or a smaller spread of the readout"
    default_budgets: ClassVar[tuple[float, ...]] = (0.02, 0.05, 0.1, 0.2)
    ceiling: ClassVar[float] = 1.0

    @property
    def unit(self) -> str:
        """Trace distance."""
        return "trace distance"

    def check(self, model: Classifier) -> None:
        """Refuse a pure adversary where the clean states are mixed.

        Raises:
            CapabilityError: as of all attacks on states.
            ConditionsError: as of all attacks on states, or mixed states for a pure adversary.
        """
        super().check(model)
        if self.adversary == "pure" and mixed_site(model):
            raise ConditionsError(
                "the states behind the encoding are mixed by noise, so no pure state is near them; use adversary=mixed."
            )

    def _solve(self, site: StateSite, situation: Situation) -> Found:
        solve = _pure if self.adversary == "pure" else _mixed if self.solver == "closed" else _programme
        return by_pairs(solve, site, situation)

    def _search(self, known: StateManipulation, situation: Situation, rows: Tensor, budget: float) -> Found | None:
        angle = math.asin(budget)
        return search_cap(known, situation, rows, angle, lambda a: a.sin(), steps=self.steps, restarts=self.restarts)


def _pure(observables: Tensor, states: Tensor, y: Tensor) -> Found:
    near = nearest_states(observables, states, y)
    return Found(distance=pure_trace_distance(near.upper), states=near.states)


def _mixed(observables: Tensor, states: Tensor, y: Tensor) -> Found:
    solve = pure_state_trace_distances if states.ndim == 2 else trace_distance_bounds
    near = solve(observables, states, y)
    return Found(distance=near.upper, states=near.states)


def _programme(observables: Tensor, states: Tensor, y: Tensor) -> Found:
    near = nearest_in_trace_distance(observables, states, y)
    return Found(distance=near.upper, states=near.states)
