"""What restarts buy: robust accuracy of APGD-margin against the number of starts, on `digits-reuploading`."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from benchmarks.attacks_subjects import Subject, of_recipe
from counterspin.attacks import APGD, Margin
from counterspin.evaluation.statistics import measured_mean
from counterspin.threats import Linf

__all__ = ["measure", "rows", "summary"]

PART = "restarts"
EPS = (0.03, 0.05, 0.1)
RESTARTS = (1, 2, 5, 10, 20)
SEEDS = 5
QUICK_RESTARTS, QUICK_SEEDS, QUICK_SAMPLES = (1, 2, 5), 2, 60


def rows(*, quick: bool) -> list[dict[str, Any]]:
    """One row per budget and number of restarts; every run is cold, at one budget alone."""
    subject = of_recipe("digits-reuploading", "linear head on 8 expectations")
    subject = subject.first(QUICK_SAMPLES) if quick else subject
    counts, seeds = (QUICK_RESTARTS, QUICK_SEEDS) if quick else (RESTARTS, SEEDS)
    found = []
    for eps in EPS:
        standing, gradients = {}, {}
        for count in counts:
            standing[count], gradients[count] = measure(subject, eps, count, seeds)
        found += summary(eps, standing, gradients)
    return found


def measure(subject: Subject, eps: float, restarts: int, seeds: int) -> tuple[Tensor, float]:
    """Samples that are correct and unbroken `(seeds, samples)`, and gradients per correct sample and seed."""
    attack = APGD(steps=100, restarts=restarts, loss=Margin(), precision="float32")
    standing, gradients, correct = [], 0, 0
    for seed in range(seeds):
        generator = torch.Generator().manual_seed(seed)
        result = attack(subject.model, subject.x, subject.y, Linf(eps), generator=generator)
        standing.append(result.correct & ~result.success[0])
        gradients += result.cost.backwards
        correct += int(result.correct.sum())
    return torch.stack(standing), gradients / max(1, correct)


def summary(eps: float, standing: Mapping[int, Tensor], gradients: Mapping[int, float]) -> list[dict[str, Any]]:
    """One row per number of restarts.

    Robust accuracy is the mean over seeds, with the bootstrap interval over samples; beside it the lowest and the
    highest seed. `gained` is by how much it lies below that of the fewest restarts, paired by sample.

    Args:
        eps: the budget.
        standing: for each number of restarts the samples that are correct and unbroken `(seeds, samples)`.
        gradients: for each number of restarts the gradients per correct sample.
    """
    fewest = standing[min(standing)].double().mean(dim=0)
    found = []
    for count, seen in standing.items():
        each = seen.double().mean(dim=0)
        accuracy, gain = (
            measured_mean(values, generator=torch.Generator().manual_seed(0)) for values in (each, fewest - each)
        )
        by_seed = seen.double().mean(dim=1)
        found.append(
            {
                "part": PART,
                "subject": "digits-reuploading",
                "attack": "apgd-margin",
                "steps": 100,
                "eps": eps,
                "restarts": count,
                "samples": seen.shape[1],
                "seeds": seen.shape[0],
                "robust_accuracy": accuracy.value,
                "low": accuracy.low,
                "high": accuracy.high,
                "lowest_seed": float(by_seed.min()),
                "highest_seed": float(by_seed.max()),
                "gained": gain.value,
                "gained_low": gain.low,
                "gained_high": gain.high,
                "gradients_per_sample": gradients[count],
            }
        )
    return found
