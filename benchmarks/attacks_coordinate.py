"""What the coordinate attack asks and what it gains, next to APGD, in forwards, gradients and circuits."""

from dataclasses import replace
from typing import Any

import torch

from benchmarks.attacks_subjects import Subject, four_digits, of_recipe
from counterspin.attacks import APGD, Attack, AttackResult, CoordinateAttack, Margin, ParameterShift
from counterspin.evaluation.statistics import measured_share
from counterspin.threats import Linf
from counterspin.types import Cost

__all__ = ["circuits_per_gradient", "rows", "summary"]

PART = "coordinate"
SAMPLES, QUICK_SAMPLES = 200, 16
# As in suite v1; the greedy order fits every feature anew for each move.
ATTACKS: tuple[Attack, ...] = (
    APGD(steps=100, restarts=10, loss=Margin(), precision="float32"),
    CoordinateAttack(precision="float32"),
    CoordinateAttack(order="greedy", precision="float32"),
)
REFERENCE = ATTACKS[0].name


def rows(*, quick: bool) -> list[dict[str, Any]]:
    """One row per model, budget and attack, every budget from cold."""
    found = []
    for subject in (of_recipe("digits-reuploading", "linear head on 8 expectations"), four_digits()):
        subject = subject.first(QUICK_SAMPLES if quick else SAMPLES)
        shifted = circuits_per_gradient(subject)
        for eps in (0.05,) if quick else (0.02, 0.05, 0.1):
            results = {}
            for attack in ATTACKS:
                generator = torch.Generator().manual_seed(0)
                results[attack.name] = attack(subject.model, subject.x, subject.y, Linf(eps), generator=generator)
            found += summary(replace(subject, threat=Linf(eps)), results, shifted)
    return found


def circuits_per_gradient(subject: Subject) -> int:
    """Circuits of one gradient by shift rules, scores included: what a device without autograd needs."""
    cost = ParameterShift()(subject.model, subject.x[:1].double(), lambda scores: scores[:, 0]).cost
    return cost.circuits


def summary(subject: Subject, results: dict[str, AttackResult], shifted: int) -> list[dict[str, Any]]:
    """One row per attack at the one budget of the subject's threat.

    `circuits_on_a_device` counts what each query takes where gradients come from shifted circuits.
    """
    found = []
    reference = results[REFERENCE]
    for name, result in results.items():
        (budget,), correct = result.budgets, result.correct
        share = measured_share(int((correct & ~budget.success).sum()), len(correct))
        attacked = max(1, int(correct.sum()))
        inexact = budget.history.get("inexact")
        found.append(
            {
                "part": PART,
                "subject": subject.name,
                "eps": budget.eps,
                "attack": name,
                "samples": share.n,
                "robust_accuracy": share.value,
                "low": share.low,
                "high": share.high,
                "only_this_broke": int((budget.success & ~reference.success[0]).sum()),
                "only_apgd_broke": int((reference.success[0] & ~budget.success).sum()),
                "forwards_per_sample": budget.cost.forwards / attacked,
                "gradients_per_sample": budget.cost.backwards / attacked,
                "circuits_on_a_device": _on_a_device(budget.cost, shifted) / attacked,
                "exact_lines": None if inexact is None else not any(inexact),
                "seconds": budget.seconds,
            }
        )
    return found


def _on_a_device(cost: Cost, shifted: int) -> int:
    """Circuits where a gradient, with its scores, takes `shifted` of them."""
    return cost.forwards - cost.backwards + cost.backwards * shifted
