"""Training under the noise of one device, judged on devices it never saw: cancer-angle, three seeds or more.

Every model is attacked through the noise it runs under, and each arm is paired with the undefended model of its seed.
Cells lie in `build/bench/noise_aware/` and are never made twice. `SEEDS=6` asks for more seeds than three.
"""

from __future__ import annotations

import json
import os
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.table import Table
from scipy.stats import t as student

from benchmarks.outcome import Options, Outcome
from counterspin import recipes
from counterspin.attacks.evasion import APGD
from counterspin.attacks.losses import CrossEntropy, Margin
from counterspin.defenses.training.compose import compose
from counterspin.defenses.training.logit_scale import tuned_scale
from counterspin.defenses.training.registry import parse
from counterspin.models.conditioned import conditioned
from counterspin.models.conditions import Conditions
from counterspin.models.files import write_atomically
from counterspin.training import fit

__all__ = ["run"]

_SEEN = "ibm:manila"
_UNSEEN = ("ibm:lima", "ibm:jakarta", "ibm:fez", "google:weber")
_NONE, _ZERO, _EPS = "none", "defence zero", 0.05
_ARMS = (_NONE, _ZERO, f"noise:{_SEEN}", f"noise:{_SEEN}*0.5-2", f"pgd-at,noise:{_SEEN}", "pgd-at", "shot-noise")
_SUITE = (APGD(steps=40, restarts=3, loss=Margin()), APGD(steps=40, restarts=2, loss=CrossEntropy()))


def run(options: Options) -> Outcome:
    """One row per arm; quickly, one seed of three arms."""
    seeds = range(1 if options.quick else int(os.environ.get("SEEDS", "3")))
    arms = _ARMS[:3] if options.quick else _ARMS
    cells = {(arm, seed): _cell(options.folder, arm, seed) for seed in seeds for arm in arms}
    rows = [_row(arm, [cells[arm, seed] for seed in seeds], [cells[_NONE, seed] for seed in seeds]) for arm in arms]
    return Outcome(rows=rows, tables=(_table(rows),), missed=0)


def _cell(folder: Path, arm: str, seed: int) -> dict[str, Any]:
    path = folder / "noise_aware" / f"{arm.replace(':', '-').replace('*', 'x')}-{seed}.json"
    if path.is_file():
        return json.loads(path.read_text())
    recipe = recipes.get("cancer-angle")
    dataset, threat = recipe.dataset(seed), replace(recipe.threat, eps=(_EPS,))
    generator = torch.Generator().manual_seed(seed)
    model: Any
    if arm == _ZERO:
        model = tuned_scale(recipe.architecture, dataset, recipe.settings, threat, seed=seed).model
    else:
        model = recipe.architecture(generator, None)
        objective = compose(() if arm == _NONE else parse(arm, threat, model))
        fit(model, objective, dataset.training_part, None, recipe.settings, generator=generator)
        model.requires_grad_(False).eval()
    x, y, found = dataset.test.x, dataset.test.y, {}
    for device in (None, _SEEN, *_UNSEEN):
        seen = model if device is None else conditioned(model, Conditions(device=device), x).model
        results = [attack(seen, x, y, threat, generator=torch.Generator().manual_seed(0)) for attack in _SUITE]
        correct = results[0].correct
        standing = correct & ~torch.stack([result.success[0] for result in results]).any(dim=0)
        found[device or "ideal"] = {"clean": _share(correct), "robust": _share(standing)}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(found).encode())
    return found


def _share(verdicts: torch.Tensor) -> float:
    return float(verdicts.double().mean())


def _row(arm: str, cells: list[dict[str, Any]], bare: list[dict[str, Any]]) -> dict[str, Any]:
    row: dict[str, Any] = {"arm": arm, "seeds": len(cells), "eps": _EPS}
    for place, devices in (("ideal", ("ideal",)), ("seen", (_SEEN,)), ("unseen", _UNSEEN)):
        for key in ("clean", "robust"):
            values, without = ([_mean(cell, devices, key) for cell in side] for side in (cells, bare))
            gains = [a - b for a, b in zip(values, without, strict=True)]
            half = None
            if len(gains) > 1:
                half = float(student.ppf(0.975, len(gains) - 1)) * statistics.stdev(gains) / len(gains) ** 0.5
            row[f"{place}_{key}"] = statistics.fmean(values)
            row[f"{place}_{key}_gain"], row[f"{place}_{key}_half_width"] = statistics.fmean(gains), half
    return row


def _mean(cell: dict[str, Any], devices: tuple[str, ...], key: str) -> float:
    return statistics.fmean(cell[device][key] for device in devices)


def _table(rows: list[dict[str, Any]]) -> Table:
    title = (
        f"cancer-angle under devices, L∞ {_EPS:g}, {rows[0]['seeds']} seeds: % (gain over no defence, half-width of "
        "its 95 % interval over seeds)"
    )
    places = [(place, key) for place in ("ideal", "seen", "unseen") for key in ("clean", "robust")]
    table = Table("training", *(f"{place}, {key}" for place, key in places), title=title)
    for row in rows:
        table.add_row(row["arm"], *(_text(row, f"{place}_{key}") for place, key in places))
    return table


def _text(row: dict[str, Any], name: str) -> str:
    half = row[f"{name}_half_width"]
    interval = "" if half is None else f" ± {100 * half:.1f}"
    return f"{100 * row[name]:.1f} ({100 * row[f'{name}_gain']:+.1f}{interval})"
