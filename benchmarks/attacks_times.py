"""How long suite v1 and the quick tier take: whole audits in processes of their own, as a user runs them."""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.timing import available_threads
from counterspin import recipes
from counterspin.cli.samples import write_samples
from counterspin.models import save_model

__all__ = ["missed", "rows"]

PART = "times"
RECIPE, EPS = "digits-reuploading", "0.05"
# Samples and seconds of suite v1 and of the quick tier, on two processors that do nothing else.
RUNS: dict[str, dict[str, Any]] = {
    "suite v1": {"tier": "standard", "samples": 200, "target_seconds": 120.0},
    "quick tier": {"tier": "quick", "samples": 500, "target_seconds": 15.0},
}
# The short form: of the quick tier alone, without a target.
SHORT: dict[str, dict[str, Any]] = {"quick tier": {"tier": "quick", "samples": 8, "target_seconds": None}}


def rows(*, quick: bool) -> list[dict[str, Any]]:
    """One row per tier, at one ε.

    `seconds` is all a user waits for, imports and report included; `audit_seconds` is what attacks, checks and
    measurements took of it, `attack_seconds` the attacks alone.
    """
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        _write_subject(place / RECIPE)
        return [_row(name, place, **run) for name, run in (SHORT if quick else RUNS).items()]


def missed(found: list[dict[str, Any]]) -> int:
    """How many audits took longer than they should, or gave no result."""
    limits = ((row["seconds"], row["target_seconds"] or float("inf"), row["exit_code"]) for row in found)
    # Exit code 1 is an audit that finished and calls itself unreliable.
    return sum(seconds > limit or code not in (0, 1) for seconds, limit, code in limits)


def _write_subject(path: Path) -> None:
    """The committed model, and beside it the test images followed by the training images, which cost the same."""
    recipe = recipes.get(RECIPE)
    data = recipe.dataset()
    save_model(recipe.model(), path)
    write_samples(replace(data, test=data.test.joined(data.training_part)), path / "test.npz")


def _row(name: str, place: Path, *, tier: str, samples: int, target_seconds: float | None) -> dict[str, Any]:
    options = ["--norm", "linf", "--eps", EPS, "--samples", str(samples), "--tier", tier, "--json"]
    command = [sys.executable, "-c", "from counterspin.cli import main; main()", "audit", str(place / RECIPE), *options]
    load, used, began = os.getloadavg()[0], _processor_seconds(), time.perf_counter()
    done = subprocess.run([*command, "--out", str(place / tier)], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    record = json.loads(done.stdout) if done.stdout else {}
    spent = [attack["seconds"] for budget in record.get("budgets", []) for attack in budget["attacks"].values()]
    return {
        "part": PART,
        "audit": name,
        "tier": tier,
        "samples": samples,
        "eps": float(EPS),
        "exit_code": done.returncode,
        "seconds": seconds,
        "processor_seconds": _processor_seconds() - used,
        "audit_seconds": record.get("cost", {}).get("seconds"),
        "attack_seconds": sum(spent),
        "target_seconds": target_seconds,
        "processors": available_threads(),
        "threads": torch.get_num_threads(),
        "load_before": load,
    }


def _processor_seconds() -> float:
    """What finished child processes have used: on a busy machine it says more than the wall time."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
