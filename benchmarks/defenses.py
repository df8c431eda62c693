"""Every defence in training on three recipes and three seeds, against an attacker who knows it.

One cell is one recipe, defence and seed: a training, and robust accuracy at the middle budget by the quick suite and by
points made on the undefended model of the same seed. Cells lie in `build/bench/defenses/` and are never made twice, so
that an interrupted run goes on. `RECIPES=cancer-angle` restricts it.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.table import Table
from scipy.stats import t as student

from benchmarks.outcome import Options, Outcome
from counterspin import recipes
from counterspin.attacks.evasion import APGD
from counterspin.attacks.losses import verdict_margin
from counterspin.attacks.registry import applicable, suite
from counterspin.datasets import Dataset
from counterspin.defenses.training.compose import compose
from counterspin.defenses.training.finish import Finisher
from counterspin.defenses.training.logit_scale import tuned_scale
from counterspin.defenses.training.registry import by_name, names
from counterspin.errors import CapabilityError, ConditionsError, UsageError
from counterspin.evaluation.sanity.surrogate import Hesitant
from counterspin.models.files import write_atomically
from counterspin.models.flips import FlipSolver
from counterspin.recipes.recipe import Recipe
from counterspin.threats import ThreatModel
from counterspin.training import accuracy, fit

__all__ = ["run"]

_RECIPES = ("cancer-angle", "digits-reuploading", "digits-amplitude")
_SEEDS, _SAMPLES = (0, 1, 2), 200
NONE, ZERO = "none", "defence zero"
# What a name alone does not say.
_GIVEN = {"noise": {"cancer-angle": "noise:ibm:manila"}}


def run(options: Options) -> Outcome:
    """All cells; quickly, one seed of the smallest recipe."""
    wanted = os.environ.get("RECIPES")
    chosen = _RECIPES[:1] if options.quick else tuple(wanted.split(",")) if wanted else _RECIPES
    rows = []
    for name in chosen:
        recipe = recipes.get(name)
        for defense in (NONE, ZERO, *names()):
            text = _GIVEN.get(defense, {}).get(name, defense)
            cells = [_cell(options.folder, recipe, text, seed) for seed in _SEEDS[: 1 if options.quick else None]]
            if all("refused" not in cell for cell in cells):
                rows.append(_row(name, defense, cells))
    tables = tuple(_table(name, [row for row in rows if row["recipe"] == name]) for name in chosen)
    return Outcome(rows=rows, tables=tables, missed=0)


def _cell(folder: Path, recipe: Recipe, defense: str, seed: int) -> dict[str, Any]:
    path = folder / "defenses" / recipe.name / f"{defense.replace(':', '-').replace('/', '-')}-{seed}.json"
    if path.is_file():
        return json.loads(path.read_text())
    eps = recipe.threat.eps
    threat = replace(recipe.threat, eps=(eps[(len(eps) - 1) // 2],))
    dataset, scale = recipe.dataset(seed), recipe.card()["seeds"][seed]["logit_scale"]
    try:
        model, seconds, note = _trained(recipe, dataset, defense, threat, seed, scale)
    except (CapabilityError, ConditionsError, UsageError) as reason:
        found: dict[str, Any] = {"refused": str(reason)}
    else:
        twin = None if defense == NONE else _undefended(folder, recipe, dataset, threat, seed, scale)
        found = {"seconds": seconds, "note": note} | _judged(model, twin, dataset, threat)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(found).encode())
    return found


def _trained(
    recipe: Recipe, dataset: Dataset, defense: str, threat: ThreatModel, seed: int, scale: float | None
) -> tuple[Any, float, str]:
    began = time.perf_counter()
    generator = torch.Generator().manual_seed(seed)
    if defense == ZERO:
        found = tuned_scale(recipe.architecture, dataset, recipe.settings, threat, seed=seed)
        return found.model, time.perf_counter() - began, f"T = {found.scale:g}"
    model: Any = recipe.architecture(generator, scale)
    parts = () if defense == NONE else (by_name(defense, threat, model),)
    train, objective = dataset.training_part, compose(parts)
    result = fit(model, objective, train, None, recipe.settings, generator=generator)
    for part in parts:
        if isinstance(part, Finisher):
            part.finish(model, train, None, recipe.settings, generator=generator, objective=objective)
    return model.requires_grad_(False).eval(), time.perf_counter() - began, result.note


def _undefended(folder: Path, recipe: Recipe, dataset: Dataset, threat: ThreatModel, seed: int, scale: Any) -> Any:
    """The undefended model of a seed, trained once."""
    path = folder / "defenses" / recipe.name / f"undefended-{seed}.pt"
    model: Any = recipe.architecture(torch.Generator().manual_seed(seed), scale)
    if path.is_file():
        model.load_state_dict(torch.load(path, weights_only=True))
        return model.requires_grad_(False).eval()
    model, _, _ = _trained(recipe, dataset, NONE, threat, seed, scale)
    torch.save(model.state_dict(), path)
    return model


def _judged(model: Any, twin: Any, dataset: Dataset, threat: ThreatModel) -> dict[str, Any]:
    x, y = dataset.test.x[:_SAMPLES], dataset.test.y[:_SAMPLES]
    attacks, _ = applicable(suite("quick"), model, threat)
    results = [attack(model, x, y, threat, generator=torch.Generator().manual_seed(0)) for attack in attacks]
    correct = results[0].correct
    white = torch.stack([result.success[0] for result in results]).any(dim=0)
    carried = torch.zeros_like(white)
    if twin is not None:
        points = x.clone()
        for label in y.unique().tolist():
            # An attack stops at the boundary of what it attacks; points that carry over lie beyond it.
            mine, generator = y == label, torch.Generator().manual_seed(1)
            found = APGD(steps=50, restarts=3)(Hesitant(twin, label), x[mine], y[mine], threat, generator=generator)
            points[mine] = found.x_adv[0]
        with torch.no_grad():
            carried = correct & (verdict_margin(model(points), y) <= 0)
    record = {
        "clean": accuracy(model, dataset.test),
        "clean_attacked_samples": float(correct.double().mean()),
        "robust": float((correct & ~white & ~carried).double().mean()),
        "carried_only": int((carried & ~white).sum()),
        "samples": len(x),
        "eps": threat.eps[0],
    }
    if threat.norm == "l2" and threat.units == "relative":
        flips = FlipSolver.of(model)(dataset.test.x, dataset.test.y)
        radius = flips.lower / torch.linalg.vector_norm(dataset.test.x, dim=1)
        record |= {"exact": float((radius > threat.eps[0]).double().mean()), "median_radius": float(radius.median())}
    return record


def _row(recipe: str, defense: str, cells: list[dict[str, Any]]) -> dict[str, Any]:
    row: dict[str, Any] = {"recipe": recipe, "defense": defense, "seeds": len(cells), "eps": cells[0]["eps"]}
    for key in ("clean", "robust", "exact", "median_radius", "seconds"):
        if key in cells[0]:
            values = [cell[key] for cell in cells]
            row[key] = statistics.fmean(values)
            # Of the mean over seeds; with three of them the factor is 4.30.
            spread = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else None
            row[f"{key}_half_width"] = None if spread is None else float(student.ppf(0.975, len(values) - 1)) * spread
    row["carried_only"] = sum(cell["carried_only"] for cell in cells)
    row["notes"] = sorted({cell["note"] for cell in cells if cell["note"]})
    return row


def _table(recipe: str, rows: list[dict[str, Any]]) -> Table:
    title = f"{recipe}: mean over {rows[0]['seeds']} seeds, half-width of the 95 % interval of the mean, in %"
    table = Table("defence", "clean", f"robust at {rows[0]['eps']:g}", "exact", "only carried over", "s", title=title)
    for row in sorted(rows, key=lambda row: -row["robust"]):
        shares = [_share(row, key) for key in ("clean", "robust", "exact")]
        table.add_row(row["defense"], *shares, str(row["carried_only"]), f"{row['seconds']:.0f}")
    return table


def _share(row: dict[str, Any], key: str) -> str:
    if key not in row:
        return "–"
    half = row[f"{key}_half_width"]
    return f"{100 * row[key]:.1f}" + ("" if half is None else f" ± {100 * half:.1f}")
