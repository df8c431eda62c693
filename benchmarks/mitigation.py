"""Mitigated values and gradients of a batch against noisy ones: zero-noise extrapolation costs its scale factors."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from rich.table import Table
from torch import Tensor

from benchmarks.outcome import Options, Outcome
from benchmarks.tables import number
from benchmarks.timing import Samples, alternate, threads
from counterspin.circuits import Circuit, Measurement, OutcomeGroups, reuploading
from counterspin.mitigation.base import Mitigation, Variant
from counterspin.mitigation.extrapolation import Exponential
from counterspin.mitigation.pec import PEC
from counterspin.mitigation.twirling import Twirling
from counterspin.mitigation.values import mitigated_values, variant_values
from counterspin.mitigation.zne import ZNE
from counterspin.noise import GateRule, NoiseModel, depolarizing, thermal_relaxation

__all__ = ["run"]

_BATCH, _LAYERS, _REQUIRED = 256, 3, 1.2
# Folded circuits have more gates, so that only noise scaling is held to the cost of its factors.
_TECHNIQUES: tuple[tuple[str, Mitigation, bool], ...] = (
    ("ZNE, noise × 1, 2, 3, Richardson", ZNE(), True),
    ("ZNE, noise × 1, 2, 3, exponential", ZNE(extrapolation=Exponential()), True),
    ("ZNE, noise × 1, 1.5, 2, 2.5, 3, Richardson", ZNE(scale_factors=(1.0, 1.5, 2.0, 2.5, 3.0)), True),
    ("ZNE, folded × 1, 3, 5, Richardson", ZNE(scale_factors=(1.0, 3.0, 5.0), amplification="global"), False),
    ("PEC, exact limit", PEC(limit=1e12), False),
    ("twirling, exact limit", Twirling(), False),
)


def run(options: Options) -> Outcome:
    """One row per technique and size; quickly, 4 qubits alone.

    One thread, float32, in which attacks search. Variants are constructed before the clock starts.
    """
    with threads(1):
        rows = [
            row for n in ((4,) if options.quick else (4, 6, 8)) for row in _rows(n, repeats=3 if options.quick else 7)
        ]
    return Outcome(rows=rows, tables=(_table(rows),), missed=sum(row["missed"] for row in rows))


def _rows(n: int, repeats: int) -> list[dict[str, Any]]:
    circuit, noise = reuploading(n, _LAYERS), _noise()
    generator = torch.Generator().manual_seed(0)
    x, weights = (
        torch.rand(_BATCH, circuit.inputs, generator=generator),
        torch.rand(circuit.weights, generator=generator),
    )
    measurement = OutcomeGroups.first(qubits=1, classes=2)
    task = (weights, measurement)
    noisy = partial(_noisy, Variant(circuit=circuit, noise=noise), *task)
    runs = {"noisy": noisy} | {
        name: partial(_mitigated, technique, circuit, noise, *task) for name, technique, _ in _TECHNIQUES
    }
    calls = {
        (name, what): partial(measure, call, x)
        for name, call in runs.items()
        for what, measure in (("value", _value), ("gradient", _gradient))
    }
    for timed in calls.values():
        timed()
    times = alternate(calls, repeats=repeats, settle=False)
    return [
        _row(n, name, held, circuit, technique.construct(circuit, noise), times)
        for name, technique, held in _TECHNIQUES
    ]


def _noisy(variant: Variant, weights: Tensor, measurement: Measurement, x: Tensor) -> Tensor:
    return variant_values(variant, x, weights, measurement)


def _mitigated(
    technique: Mitigation, circuit: Circuit, noise: NoiseModel, weights: Tensor, measurement: Measurement, x: Tensor
) -> Tensor:
    return mitigated_values(technique, circuit, x, weights, measurement, noise)


def _row(
    n: int, name: str, held: bool, circuit: Circuit, made: tuple[Variant, ...], times: dict[tuple[str, str], Samples]
) -> dict[str, Any]:
    variants = len(made)
    row: dict[str, Any] = {
        "technique": name,
        "n": n,
        "batch": _BATCH,
        "variants": variants,
        "gates": sum(len(variant.circuit.gates) for variant in made) / len(made) / len(circuit.gates),
        "required": _REQUIRED if held else None,
    }
    for what in ("value", "gradient"):
        noisy, mitigated = times["noisy", what].median, times[name, what].median
        row |= {
            f"{what}_milliseconds": 1e3 * mitigated,
            f"noisy_{what}_milliseconds": 1e3 * noisy,
            f"{what}_ratio": mitigated / (variants * noisy),
        }
    return {**row, "missed": int(held and row["value_ratio"] > _REQUIRED)}


def _noise() -> NoiseModel:
    return NoiseModel(
        rules=(
            GateRule(channel=thermal_relaxation(1e-4, 8e-5, 1e-7), targets="each"),
            GateRule(channel=depolarizing(0.01, 2)),
        )
    )


def _value(call: Any, x: Tensor) -> Tensor:
    with torch.no_grad():
        return call(x)


def _gradient(call: Any, x: Tensor) -> Tensor:
    with torch.enable_grad():
        leaf = x.clone().requires_grad_()
        return torch.autograd.grad(call(leaf)[:, 0].sum(), leaf)[0]


def _table(rows: list[dict[str, Any]]) -> Table:
    title = f"Mitigation of {_BATCH} samples, {_LAYERS} layers, one thread: time over that of as many noisy runs"
    table = Table("technique", "n", "runs", "gates ×", title=title, title_justify="left")
    for name in ("noisy ms", "mitigated ms", "per run", "required", "with gradient ms", "per run", "missed"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            row["technique"],
            str(row["n"]),
            str(row["variants"]),
            number(row["gates"]),
            number(row["noisy_value_milliseconds"]),
            number(row["value_milliseconds"]),
            f"{number(row['value_ratio'])}×",
            "–" if row["required"] is None else f"≤ {row['required']:g}×",
            number(row["gradient_milliseconds"]),
            f"{number(row['gradient_ratio'])}×",
            "yes" if row["missed"] else "–",
        )
    return table
