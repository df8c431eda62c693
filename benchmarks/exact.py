"""Exact unboxed L2 radii of amplitude-encoded digits and MNIST images, after folding."""

import statistics
import time
from typing import Any

import torch

from benchmarks.outcome import Options, Outcome, columns
from counterspin import recipes
from counterspin.optimum import nearest_flips

REPEATS = 7
QUICK_REPEATS = 3
TARGET_SECONDS = {"digits-amplitude": 1.0, "mnist-amplitude": 3.0}
SAMPLES = {"digits-amplitude": 500, "mnist-amplitude": 1000}


def run(options: Options) -> Outcome:
    """One row per recipe: median and range of the solver's time, and the largest relative duality gap."""
    rows = [_row(name, QUICK_REPEATS if options.quick else REPEATS) for name in SAMPLES]
    return Outcome(rows=rows, tables=(columns("exact", rows),))


def _row(name: str, repeats: int) -> dict[str, Any]:
    recipe = recipes.get(name)
    dataset = recipe.dataset()
    # Digits have 360 test images: the rest of the 500 are training images, which cost the same.
    x = torch.cat([dataset.test.x, dataset.train.x])[: SAMPLES[name]]
    y = torch.cat([dataset.test.y, dataset.train.y])[: SAMPLES[name]]
    forms = recipe.model().effective_observables().forms()
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        flips = nearest_flips(forms, x, y)
        seconds.append(time.perf_counter() - began)
    finite = torch.isfinite(flips.upper) & (flips.upper > 0)
    return {
        "recipe": name,
        "samples": len(x),
        "classes": forms.shape[0],
        "features": forms.shape[1],
        "threads": torch.get_num_threads(),
        "median_seconds": statistics.median(seconds),
        "min_seconds": min(seconds),
        "max_seconds": max(seconds),
        "target_seconds": TARGET_SECONDS[name],
        "max_gap": float(flips.gap[finite].max()),
    }
