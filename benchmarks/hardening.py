"""Adversarial training of digits-reuploading: one step of PGD-7 against the same loop on PennyLane, and a whole run."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import torch
from rich.table import Table
from torch import Tensor
from torch.nn import functional

from benchmarks.outcome import Options, Outcome, columns
from benchmarks.peers import reuploading
from benchmarks.timing import alternate, available_threads, threads
from counterspin import recipes
from counterspin.defenses.training.compose import compose
from counterspin.defenses.training.registry import by_name
from counterspin.models import QuantumClassifier
from counterspin.training import Step, fit

__all__ = ["run"]

_RECIPE, _DEFENSE = "digits-reuploading", "pgd-at:eps=0.05"
_STEPS, _EPS, _BATCH = 7, 0.05, 64
_REQUIRED, _SECONDS = 20.0, 120.0
# Losses of one step on both sides, from the same weights and the same start of the attack, float32.
_AGREE = 1e-3


def run(options: Options) -> Outcome:
    """Steps in turns on every core; quickly, three turns instead of nine and no whole training."""
    recipe = recipes.get(_RECIPE)
    model: Any = recipe.architecture(torch.Generator().manual_seed(0), None)
    train = recipe.dataset().training_part
    x, y = train.x[:_BATCH].float(), train.y[:_BATCH]
    ours, peer = _ours(model, recipe.threat, x, y), _peer(model, x, y)
    row: dict[str, Any] = {
        "recipe": _RECIPE,
        "threads": available_threads(),
        "batch": _BATCH,
        "loss": ours(),
        "peer_loss": peer(),
    }
    with threads(available_threads()):
        times = alternate({"ours": ours, "PennyLane": peer}, repeats=3 if options.quick else 9)
    row |= {
        "step_milliseconds": 1e3 * times["ours"].median,
        "peer_milliseconds": 1e3 * times["PennyLane"].median,
        "ratio": times["PennyLane"].median / times["ours"].median,
        "required": _REQUIRED,
        "training_seconds": None,
        "limit_seconds": _SECONDS,
    }
    if not options.quick:
        row["training_seconds"] = _training(recipe)
    met = {
        "ratio": row["ratio"] >= _REQUIRED,
        "loss": abs(row["loss"] - row["peer_loss"]) <= _AGREE * abs(row["peer_loss"]),
        "training": row["training_seconds"] is None or row["training_seconds"] <= _SECONDS,
    }
    row["missed"] = ", ".join(name for name, reached in met.items() if not reached) or None
    return Outcome(rows=[row], tables=(_table(row),), missed=sum(not reached for reached in met.values()))


def _ours(model: Any, threat: Any, x: Tensor, y: Tensor) -> Callable[[], float]:
    objective = compose((by_name(f"{_DEFENSE},warmup=0", threat),))

    def step() -> float:
        model.zero_grad(set_to_none=True)
        generator = torch.Generator().manual_seed(0)
        where = Step(epoch=1, progress=0.9, rows=torch.arange(len(x)), generator=generator, memory={})
        loss = objective(model, x, y, where)
        loss.backward()
        return float(loss.detach())

    return step


def _peer(model: QuantumClassifier, x: Tensor, y: Tensor) -> Callable[[], float]:
    """The loop of the literature on a QNode: seven input gradients, then one gradient of the weights."""
    import pennylane as qml

    circuit = model.circuit
    n, layers = circuit.qubits, circuit.weights // (4 * circuit.qubits)

    @qml.qnode(qml.device("default.qubit", wires=n), interface="torch", diff_method="backprop")
    def node(features: Tensor, weights: Tensor) -> list[object]:
        reuploading(features, weights, n, layers)
        return [qml.expval(qml.Z(q)) for q in range(n)]

    # Input scales come first in both; ours are shares of pi.
    weights = model.weights.detach().clone()
    weights[: layers * n] *= math.pi
    head = model.readout.head
    matrix, bias = head.weight.detach(), head.bias.detach()  # pyright: ignore[reportOptionalMemberAccess, reportAttributeAccessIssue]

    def scores(points: Tensor, own: Tensor) -> Tensor:
        values = torch.stack(node(points, own), dim=1).to(points.dtype)  # type: ignore[arg-type]
        return values @ matrix.T + bias

    def step() -> float:
        draw = torch.rand(x.shape, generator=torch.Generator().manual_seed(0))
        point = (x + _EPS * (2 * draw - 1)).clamp(0, 1)
        for _ in range(_STEPS):
            leaf = point.clone().requires_grad_()
            (gradient,) = torch.autograd.grad(functional.cross_entropy(scores(leaf, weights), y, reduction="sum"), leaf)
            point = torch.clamp(point + 2.5 / _STEPS * _EPS * gradient.sign(), x - _EPS, x + _EPS).clamp(0, 1)
        own = weights.clone().requires_grad_()
        loss = functional.cross_entropy(scores(point, own), y)
        loss.backward()
        return float(loss.detach())

    return step


def _training(recipe: Any) -> float:
    """Seconds of a whole adversarial training with the recipe's settings."""
    generator = torch.Generator().manual_seed(0)
    model = recipe.architecture(generator, None)
    objective = compose((by_name(_DEFENSE, recipe.threat),))
    began = time.perf_counter()
    fit(model, objective, recipe.dataset().training_part, None, recipe.settings, generator=generator)
    return time.perf_counter() - began


def _table(row: dict[str, Any]) -> Table:
    return columns("PGD-7 adversarial training: one step in turns, and a whole run", [row])
