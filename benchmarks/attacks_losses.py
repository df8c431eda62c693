"""Which loss suits which readout: cross-entropy, margin and one rival after another, at equally many starts."""

from typing import Any

import torch
from torch import Tensor

from benchmarks.attacks_subjects import Subject, of_every_readout
from counterspin.attacks import APGD, Attack, CrossEntropy, Margin, TargetedAPGD
from counterspin.evaluation.statistics import mcnemar, measured_share

__all__ = ["contenders", "rows", "summary"]

PART = "losses"
# 9 rivals of ten classes, 3 of four classes and 1 of two divide it.
STARTS = 9
SAMPLES, QUICK_SAMPLES = 200, 24
REFERENCE = "apgd-margin"


def rows(*, quick: bool) -> list[dict[str, Any]]:
    """One row per readout, budget and loss."""
    found = []
    for subject in of_every_readout():
        found += _of_subject(subject.first(QUICK_SAMPLES if quick else SAMPLES))
    return found


def contenders(classes: int) -> tuple[Attack, ...]:
    """APGD of 100 steps and 9 starts per sample, with each loss."""
    rivals = min(STARTS, classes - 1)
    return (
        APGD(steps=100, restarts=STARTS, loss=CrossEntropy(), precision="float32"),
        APGD(steps=100, restarts=STARTS, loss=Margin(), precision="float32"),
        TargetedAPGD(steps=100, restarts=STARTS // rivals, rivals=rivals, precision="float32"),
    )


def summary(subject: Subject, position: int, correct: Tensor, broken: dict[str, Tensor]) -> list[dict[str, Any]]:
    """One row per attack at one budget, each compared with the margin on the same samples (exact McNemar).

    Args:
        subject: what was attacked.
        position: of the budget in the subject's threat.
        correct: samples classified correctly `(batch,)`.
        broken: samples each attack broke `(batch,)`.
    """
    threat, reference, found = subject.threat, broken[REFERENCE], []
    for attack, success in broken.items():
        share = measured_share(int((correct & ~success).sum()), len(correct))
        alone, margin_alone = int((success & ~reference).sum()), int((reference & ~success).sum())
        found.append(
            {
                "part": PART,
                "subject": subject.name,
                "readout": subject.readout,
                "outputs": subject.model.outputs,
                "classes": subject.model.classes,
                "norm": threat.norm,
                "units": threat.units,
                "eps": threat.eps[position],
                "attack": attack,
                "samples": share.n,
                "robust_accuracy": share.value,
                "low": share.low,
                "high": share.high,
                "only_this_broke": alone,
                "only_margin_broke": margin_alone,
                "p_value": None if attack == REFERENCE else mcnemar(alone, margin_alone),
            }
        )
    return found


def _of_subject(subject: Subject) -> list[dict[str, Any]]:
    results = {}
    for attack in contenders(subject.model.classes):
        generator = torch.Generator().manual_seed(0)
        results[attack.name] = attack(subject.model, subject.x, subject.y, subject.threat, generator=generator)
    correct, found = results[REFERENCE].correct, []
    for position in range(len(subject.threat.eps)):
        found += summary(subject, position, correct, {name: r.success[position] for name, r in results.items()})
    return found
