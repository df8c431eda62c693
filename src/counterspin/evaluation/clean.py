"""What a model says of the clean inputs, decided once for all attacks of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.attacks.ledger import ledger_of
from counterspin.attacks.losses import verdict_margin
from counterspin.attacks.modes import frozen
from counterspin.attacks.sequential import FIRST_ROUND, calls_price, sequential_verdict
from counterspin.attacks.stochastic import call_cost, mean_price, mean_scores, reseeded
from counterspin.attacks.task import VERDICT_CONFIDENCE
from counterspin.errors import BudgetReachedError
from counterspin.types import Classifier, Cost

__all__ = ["CleanVerdict", "clean_price", "clean_verdict"]

# Calls of a stochastic model whose mean is shown as its clean scores.
_CALLS = 64


@dataclass(frozen=True, eq=False, kw_only=True)
class CleanVerdict:
    """Scores and verdicts of the clean inputs.

    Args:
        scores: float64 `(batch, classes)`; of a stochastic model the mean of 64 calls.
        correct: samples that are classified correctly, by the sequential test where the model is stochastic `(batch,)`.
        undecided: samples on which that test came to no verdict `(batch,)`; None for a deterministic model.
    """

    scores: Tensor
    correct: Tensor
    undecided: Tensor | None

    def tensors(self) -> dict[str, Tensor]:
        """For the run directory."""
        known = {"scores": self.scores, "correct": self.correct}
        return known if self.undecided is None else {**known, "undecided": self.undecided}

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> CleanVerdict:
        """From the run directory."""
        return cls(scores=tensors["scores"], correct=tensors["correct"], undecided=tensors.get("undecided"))


def clean_price(model: Classifier, rows: int) -> Cost:
    """The least that the clean verdict on `rows` samples costs; a test of a stochastic model may go on for longer."""
    if not model.stochastic:
        return call_cost(model, rows)
    return calls_price(model, rows, FIRST_ROUND) + mean_price(model, rows, _CALLS)


def clean_verdict(model: Classifier, x: Tensor, y: Tensor, *, generator: torch.Generator) -> CleanVerdict:
    """Which of the inputs `(batch, features)` the model gets right.

    Args:
        model: the classifier.
        x: inputs, float64.
        y: labels `(batch,)`.
        generator: for the sequential test of a stochastic model.

    Raises:
        ModelError: scores that are mis-shaped or not finite.
        BudgetReachedError: a model that pays from a ledger (see `attacks.ledger`) which does not reach for them.
    """
    ledger = ledger_of(model)
    least = clean_price(model, len(x))
    if not ledger.admits(least):
        raise BudgetReachedError(
            f"budget is {ledger.limit}; the clean predictions of {len(x)} samples alone take at least "
            f"{least.circuits:,} circuits, {least.shots:,} shots and {least.jobs:,} jobs, give more or fewer samples."
        )
    with frozen(model):
        if not model.stochastic:
            scores = mean_scores(model, x, 1).double()
            return CleanVerdict(scores=scores, correct=verdict_margin(scores, y) > 0, undecided=None)
        fresh = reseeded(model, generator)
        ledger.set_aside(mean_price(model, len(x), _CALLS))
        verdict = sequential_verdict(fresh, x, y, confidence=VERDICT_CONFIDENCE, generator=generator)
        if verdict.cut:
            raise BudgetReachedError(
                f"budget is {ledger.limit}; it does not reach for the tests of the clean predictions of {len(x)} "
                "samples, give more or fewer samples."
            )
        with ledger.drawing():
            scores = mean_scores(fresh, x, _CALLS).double()
    return CleanVerdict(scores=scores, correct=verdict.robust, undecided=verdict.undecided)
