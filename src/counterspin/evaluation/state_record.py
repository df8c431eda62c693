"""What certifying a set of quantum states found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from counterspin.certificates import Assumptions
from counterspin.evaluation.records import Measured
from counterspin.evaluation.statistics import measured_share
from counterspin.versions import versions

__all__ = ["StateCertification", "StateMethod"]


@dataclass(frozen=True, kw_only=True, eq=False)
class StateMethod:
    """What one method proves.

    Args:
        name: of the method.
        lower: distance `(batch,)` within which the decision stays, whatever the label.
        seconds: wall time.
    """

    name: str
    lower: Tensor
    seconds: float


@dataclass(frozen=True, kw_only=True, eq=False)
class StateCertification:
    """Distances at which decisions on states change, and the shares that follow for each budget.

    A state is robust at a budget if it is correctly classified and no state within the budget, its rim included, is
    classified otherwise. A state that is misclassified or tied is never robust.

    Args:
        metric: `"fidelity"` (budgets are infidelities) or `"trace"`.
        adversary: who moves the states.
        eps: budgets.
        labels: true classes `(batch,)`.
        decisions: predicted classes `(batch,)`.
        upper: distance `(batch,)` of a state seen to be decided otherwise; infinite where none is known, 0 for ties.
        methods: what each method proves.
        assumptions: what the distances rest on.
        prepare_seconds: wall time spent on the circuit.
    """

    metric: str
    adversary: str
    eps: tuple[float, ...]
    labels: Tensor
    decisions: Tensor
    upper: Tensor
    methods: tuple[StateMethod, ...]
    assumptions: Assumptions
    prepare_seconds: float

    @property
    def lower(self) -> Tensor:
        """Largest distance `(batch,)` within which a method proves that the decision stays."""
        return torch.stack([method.lower for method in self.methods]).amax(dim=0)

    @property
    def correct(self) -> Tensor:
        """States `(batch,)` bool that are classified correctly and without a tie."""
        return (self.decisions == self.labels) & (self.upper > 0)

    @property
    def clean_accuracy(self) -> Measured:
        """Share of correct states."""
        return _share(self.correct)

    def certified(self, eps: float, lower: Tensor | None = None) -> Measured:
        """Share that is correct and proved robust at a budget, by all methods or by the distances `lower`."""
        return _share(self.correct & ((self.lower if lower is None else lower) > eps))

    def unbroken(self, eps: float) -> Measured:
        """Share that is correct and not seen to change within a budget: no robust accuracy is higher."""
        return _share(self.correct & ~(self.upper <= eps))

    def decided(self, eps: float) -> Measured:
        """Share of states known to be robust or not at a budget."""
        return _share(~self.correct | (self.lower > eps) | (self.upper <= eps))

    def not_provably_broken(self, eps: float) -> Measured:
        """Share whose decision, right or wrong, is not seen to change within a budget (what some tools report)."""
        return _share(~(self.upper <= eps))

    def to_json(self) -> dict[str, Any]:
        """As JSON values; a median distance that is infinite is null."""
        return {
            "metric": self.metric,
            "adversary": self.adversary,
            "samples": len(self.labels),
            "clean_accuracy": self.clean_accuracy.model_dump(),
            "budgets": [
                {
                    "eps": eps,
                    "certified": self.certified(eps).model_dump(),
                    "exact": {
                        "lower": self.certified(eps).model_dump(),
                        "upper": self.unbroken(eps).model_dump(),
                        "decided": self.decided(eps).model_dump(),
                    },
                    "not_provably_broken": self.not_provably_broken(eps).model_dump(),
                }
                for eps in self.eps
            ],
            "methods": {
                method.name: {
                    "certified": [self.certified(eps, method.lower).model_dump() for eps in self.eps],
                    "median_radius": self.median_radius(method),
                    "seconds": method.seconds,
                }
                for method in self.methods
            },
            "prepare_seconds": self.prepare_seconds,
            "assumptions": list(self.assumptions.sentences),
            "versions": versions(),
        }

    def median_radius(self, method: StateMethod) -> float | None:
        """Median distance a method proves, 0 for states that are not correct; None: infinite."""
        median = float(torch.where(self.correct, method.lower, 0.0).quantile(0.5, interpolation="lower"))
        return None if median == torch.inf else median


def _share(states: Tensor) -> Measured:
    return measured_share(int(states.sum()), len(states))
