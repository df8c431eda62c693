"""Imported models against the same models in their own libraries: value and input gradient of a batch, in turns."""

from __future__ import annotations

import time
from typing import Any

import torch
from rich.table import Table
from torch import Tensor

from benchmarks.integrations_models import SUBJECTS, Subject, samples
from benchmarks.outcome import Options, Outcome
from benchmarks.tables import number
from benchmarks.timing import alternate, threads
from counterspin.errors import ModelError
from counterspin.models.integrations import adopt
from counterspin.models.integrations.build import build
from counterspin.models.integrations.detect import integration_of
from counterspin.models.integrations.reading import CircuitReading
from counterspin.models.integrations.reading import Options as Said
from counterspin.models.integrations.scores import score_map
from counterspin.types import Box

__all__ = ["run"]

_BATCH, _ALIKE = 256, 4
_VALUES, _GRADIENTS, _IMPORT_SECONDS = 1e-6, 1e-5, 1.0
_STEP = 1e-4


def run(options: Options) -> Outcome:
    """One row per model; quickly, three turns instead of seven.

    One thread. Times in float32 on both sides, in which attacks search; differences in float64, in which verdicts fall.
    """
    with threads(1):
        rows = [_row(subject, 3 if options.quick else 7) for subject in SUBJECTS]
    return Outcome(rows=rows, tables=(_table(rows),), missed=sum(len(row["missed"]) for row in rows))


def _row(subject: Subject, repeats: int) -> dict[str, Any]:
    model = subject.build()
    points, _ = samples(subject.features)
    x = torch.from_numpy(points[:_BATCH])
    # Before anything else has warmed up what an import needs.
    reading = _reading_seconds(model, x, subject)
    began = time.perf_counter()
    adopted = adopt(model, x, bounds=(0.0, 1.0), weights=subject.weights)
    adoption = time.perf_counter() - began
    if adopted.route.route != "imported" or adopted.route.home is None:
        raise ModelError(f"{subject.name} was not imported: {adopted.route.reason}.")
    ours, home = adopted.model, adopted.route.home
    batch, part = x.float(), x[: subject.rows].float()
    # A home without a gradient is timed on its values alone, which flatters it.
    by_autograd = bool(getattr(home, "differentiable", True))
    calls = {"ours": lambda: _value_and_gradient(ours, batch)}
    calls["home"] = (lambda: _value_and_gradient(home, part)) if by_autograd else (lambda: _value(home, part))
    for call in calls.values():
        call()
    times = alternate(calls, repeats=repeats, settle=False)
    scaled = times["home"].median * _BATCH / subject.rows
    row = {
        "model": subject.name,
        "n": subject.features,
        "batch": _BATCH,
        "milliseconds": 1e3 * times["ours"].median,
        "range": [1e3 * times["ours"].fastest, 1e3 * times["ours"].slowest],
        "home_milliseconds": 1e3 * scaled,
        "home_rows": subject.rows,
        "home_gradient": by_autograd,
        "ratio": scaled / times["ours"].median,
        "required": subject.required,
        **_differences(ours, home, x[:_ALIKE], by_autograd),
        "import_seconds": reading,
        "adoption_seconds": adoption,
    }
    return {**row, "missed": _missed(row)}


def _reading_seconds(model: Any, x: Tensor, subject: Subject) -> float:
    """Seconds from the model to the imported classifier, without the calls at home that check it."""
    began = time.perf_counter()
    said = Said(x=x, weights=subject.weights, inputs=None, route="auto", gradient="auto", readout=None)
    candidate = integration_of(model).read(model, said)
    seconds = time.perf_counter() - began
    if isinstance(candidate.imported, CircuitReading):
        with torch.no_grad():
            scores = score_map(candidate.home(x[:2]), candidate.values, above=candidate.above)
        began = time.perf_counter()
        build(candidate.imported, scores, Box.uniform(0.0, 1.0, subject.features), x)
        seconds += time.perf_counter() - began
    return seconds


def _value(model: Any, x: Tensor) -> Tensor:
    with torch.no_grad():
        return model(x)


def _value_and_gradient(model: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    """Scores, and the gradient of a combination of them in which no two classes weigh the same."""
    with torch.enable_grad():
        leaf = x.clone().requires_grad_()
        scores = model(leaf)
        weights = torch.arange(1.0, scores.shape[1] + 1, dtype=scores.dtype)
        return scores.detach(), torch.autograd.grad((scores @ weights).sum(), leaf)[0]


def _differences(ours: Any, home: Any, x: Tensor, by_autograd: bool) -> dict[str, float]:
    """Largest difference of scores, and of gradients relative to the largest of them."""
    scores, gradient = _value_and_gradient(ours, x)
    if by_autograd:
        expected, slope = _value_and_gradient(home, x)
    else:
        expected, slope = _value(home, x), _central_differences(home, x)
    return {
        "value_difference": float((scores - expected).abs().max()),
        "gradient_difference": float((gradient - slope).abs().max() / slope.abs().max()),
    }


def _central_differences(home: Any, x: Tensor) -> Tensor:
    """What `_value_and_gradient` computes, of a model that has values only; off by the step squared."""
    steps = _STEP * torch.eye(x.shape[1], dtype=x.dtype)
    above, below = ((x[:, None] + sign * steps).flatten(0, 1) for sign in (1, -1))
    rise = (_value(home, above) - _value(home, below)) / (2 * _STEP)
    weights = torch.arange(1.0, rise.shape[1] + 1, dtype=rise.dtype)
    return (rise @ weights).reshape(len(x), -1)


def _missed(row: dict[str, Any]) -> list[str]:
    """Names of the requirements that were not met."""
    met = {
        "ratio": row["ratio"] >= row["required"],
        "value_difference": row["value_difference"] <= _VALUES,
        "gradient_difference": row["gradient_difference"] <= _GRADIENTS,
        "import_seconds": row["import_seconds"] <= _IMPORT_SECONDS,
    }
    return [name for name, reached in met.items() if not reached]


def _table(rows: list[dict[str, Any]]) -> Table:
    title = f"Imported against home: value and input gradient of {_BATCH} samples, one thread (differences in float64)"
    table = Table("model", "n", "ours ms", "home ms", "home from", "ratio", "required", title=title)
    for name in ("Δ value", "Δ gradient", "import s", "with checks s", "missed"):
        table.add_column(name)
    for row in rows:
        table.add_row(
            row["model"],
            str(row["n"]),
            number(row["milliseconds"]),
            number(row["home_milliseconds"]),
            f"{row['home_rows']} samples" + ("" if row["home_gradient"] else ", values alone"),
            f"{number(row['ratio'])}×",
            f"≥ {row['required']:g}×",
            number(row["value_difference"]),
            number(row["gradient_difference"]),
            number(row["import_seconds"]),
            number(row["adoption_seconds"]),
            ", ".join(row["missed"]) or "–",
        )
    return table
