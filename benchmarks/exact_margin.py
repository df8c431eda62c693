"""Exact-margin training against tuned adversarial training on digits-amplitude: three seeds or more, and the depth.

Both have as many candidates (a length and a logit scale), trained for half the epochs and chosen per seed on validation
samples by exact accuracy; what is chosen is trained anew. Differences to the tuned `pgd-at` are paired by seed.
The last rows ask what bounds the radius: both trainings at other depths, with what was chosen at the recipe's, and what
the data leave room for. Cells lie in `build/bench/exact-margin/` and are never made twice. `SEEDS=6` asks for more
seeds than three.
"""

from __future__ import annotations

import os
import statistics
from dataclasses import dataclass, replace
from typing import Any

from rich.table import Table
from scipy.stats import t as student

from benchmarks.exact_margin_cells import EXACT, ZERO, Study, Training, ceiling, chosen
from benchmarks.outcome import Options, Outcome
from counterspin import recipes

__all__ = ["run"]

_RECIPE, _DEPTH = "digits-amplitude", 30
_LAYERS = (4, 8, 16, 60)
_SCALES = (20.0, 40.0)
_GRIDS = {"pgd-at": ("eps", (0.1, 0.15, 0.2)), "exact-margin": ("target", (0.15, 0.2, 0.25))}
# Of weights that are trained already; a recipe's rate would undo the training.
_SMALL = 0.01

_REFERENCE = "pgd-at, tuned"
_QUANTITIES = ("clean", *EXACT, "median_radius", "training_exact_0.1")


@dataclass(frozen=True, kw_only=True)
class _Arms:
    """What is trained for one seed, by the row it stands in, and what choosing cost in processor seconds."""

    by_row: dict[str, Training]
    tuning: dict[str, float]


def run(options: Options) -> Outcome:
    """One row per training and one per depth; quickly, one seed, few epochs and a grid of three, which say nothing."""
    recipe = recipes.get(_RECIPE)
    layers, seeds, scales = _LAYERS, range(int(os.environ.get("SEEDS", "3"))), _SCALES
    study = Study(
        folder=options.folder / "exact-margin",
        recipe=recipe,
        settings=recipe.settings,
        candidate=replace(recipe.settings, epochs=recipe.settings.epochs // 2),
        extra=replace(recipe.settings, epochs=30, learning_rate=_SMALL),
    )
    if options.quick:
        layers, seeds, scales, few = _LAYERS[:1], range(1), _SCALES[:1], replace(recipe.settings, epochs=4)
        study = replace(
            study,
            folder=options.folder / "exact-margin-quick",
            settings=few,
            candidate=few,
            extra=replace(few, epochs=2),
        )
    arms = [_arms(study, seed, scales) for seed in seeds]
    rows = _first(study, arms)
    rows += [row for count in layers for row in _at(study, arms, count)]
    rows.append({"row": "what the data leave room for"} | _means([ceiling(recipe.dataset(seed)) for seed in seeds]))
    return Outcome(rows=rows, tables=(_table(rows, len(seeds)),), missed=0)


def _arms(study: Study, seed: int, scales: tuple[float, ...]) -> _Arms:
    tuned, tuning = {}, {}
    for name, (option, values) in _GRIDS.items():
        candidates = [
            Training(defense=f"{name}:{option}={value:g}", scale=scale) for value in values for scale in scales
        ]
        found = [study.figures(candidate, seed, choosing=True) for candidate in candidates]
        tuned[name], tuning[f"{name}, tuned"] = chosen(candidates, found), sum(cell["seconds"] for cell in found)
    pgd, margin = tuned["pgd-at"], tuned["exact-margin"]
    by_row = {
        "none": Training(),
        ZERO: Training(defense=ZERO),
        "pgd-at, T of the recipe": Training(defense="pgd-at"),
        _REFERENCE: pgd,
        "pgd-at, tuned, without the box": replace(pgd, box=False),
        "exact-margin, T of the recipe": Training(defense="exact-margin"),
        "exact-margin, tuned": margin,
        "tuned pgd-at, then exact-margin": replace(pgd, defense="exact-margin:warmup=0", after=pgd),
        "tuned pgd-at, then pgd-at": replace(pgd, defense=f"{pgd.defense},warmup=0", after=pgd),
    }
    return _Arms(by_row=by_row, tuning=tuning)


def _first(study: Study, arms: list[_Arms]) -> list[dict[str, Any]]:
    cells = {
        name: [study.figures(each.by_row[name], seed) for seed, each in enumerate(arms)] for name in arms[0].by_row
    }
    rows = []
    for name, mine in cells.items():
        row = _row(name, mine, cells[_REFERENCE]) | {"layers": _DEPTH}
        row["trainings"] = [each.by_row[name].name for each in arms]
        row["notes"] = sorted({cell["note"] for cell in mine if cell["note"]})
        if name in arms[0].tuning:
            row["tuning_seconds"] = statistics.fmean(each.tuning[name] for each in arms)
        rows.append(row)
    return rows


def _at(study: Study, arms: list[_Arms], layers: int) -> list[dict[str, Any]]:
    """Both tuned trainings at another depth, compared there."""
    names = (_REFERENCE, "exact-margin, tuned")
    cells = {
        name: [study.figures(replace(each.by_row[name], layers=layers), seed) for seed, each in enumerate(arms)]
        for name in names
    }
    return [
        _row(f"{name}, {layers} layers", cells[name], cells[_REFERENCE]) | {"layers": layers, "notes": []}
        for name in names
    ]


def _row(name: str, cells: list[dict[str, Any]], reference: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over seeds and the gain over `reference`, paired by seed, with the half-width of its 95 % interval."""
    row: dict[str, Any] = {"row": name, "seeds": len(cells)} | _means(cells)
    for key in (*_QUANTITIES, "seconds"):
        gains = [cell[key] - other[key] for cell, other in zip(cells, reference, strict=True)]
        row[f"{key}_gain"], row[f"{key}_half_width"] = statistics.fmean(gains), None
        if len(gains) > 1:
            spread = statistics.stdev(gains) / len(gains) ** 0.5
            row[f"{key}_half_width"] = float(student.ppf(0.975, len(gains) - 1)) * spread
    return row


def _means(cells: list[dict[str, Any]]) -> dict[str, float]:
    return {key: statistics.fmean(cell[key] for cell in cells) for key in (*_QUANTITIES, "seconds") if key in cells[0]}


def _table(rows: list[dict[str, Any]], seeds: int) -> Table:
    title = (
        f"{_RECIPE}, exact L2 radii as shares of the norm, {seeds} seeds: % (gain over the tuned pgd-at of the same "
        "depth, half-width of its 95 % interval over seeds); median radius × 100"
    )
    heads = ("clean", *(key.replace("exact_", "exact at ") for key in EXACT), "median radius", "training, exact at 0.1")
    table = Table("training", *heads, "s", title=title)
    for row in rows:
        seconds = "–" if "seconds" not in row else f"{row['seconds']:.0f}"
        if "tuning_seconds" in row:
            seconds += f" + {row['tuning_seconds']:.0f}"
        table.add_row(row["row"], *(_text(row, key) for key in _QUANTITIES), seconds)
    return table


def _text(row: dict[str, Any], key: str) -> str:
    if key not in row:
        return "–"
    gain, half = row.get(f"{key}_gain"), row.get(f"{key}_half_width")
    # No gain over itself.
    if gain is None or half in (None, 0.0):
        return f"{100 * row[key]:.1f}"
    return f"{100 * row[key]:.1f} ({100 * gain:+.1f} ± {100 * half:.1f})"
