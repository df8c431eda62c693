"""Models whose exact distances are known: a linear one and a one-qubit code."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from counterspin.attacks.base import Attack
from counterspin.attacks.evasion.carlini_wagner import CarliniWagner
from counterspin.attacks.evasion.ddn import DDN
from counterspin.attacks.evasion.fmn import FMN
from counterspin.circuits import Circuit, Linear, PauliExpectations, feature
from counterspin.evaluation.crosscheck.distances import distances_of
from counterspin.evaluation.crosscheck.rows import Relation, Row
from counterspin.models import LogisticRegression, QuantumClassifier
from counterspin.types import Box, Classifier

__all__ = ["closed_form_rows", "linear_case", "one_qubit_case"]

_SAMPLES = 20
_FEATURES = 6

_ATTACKS: dict[str, tuple[Attack, ...]] = {"linf": (FMN(),), "l2": (FMN(), DDN(), CarliniWagner())}


def closed_form_rows(seed: int) -> Iterator[Row]:
    """Smallest, median and largest ratio of attack distance and exact distance, for each minimum-norm attack."""
    for norm, attacks in _ATTACKS.items():
        for label, (model, x, y, exact) in (
            ("linear model", linear_case(norm)),
            ("one-qubit RY code", one_qubit_case()),
        ):
            for attack in attacks:
                ratio = distances_of(attack, model, x, y, norm, seed) / exact
                yield from _rows(attack.name, f"distance / exact, {norm}, {label}", ratio)


def linear_case(norm: str) -> tuple[Classifier, Tensor, Tensor, Tensor]:
    r"""Two classes with margin :math:`w \cdot x + b`: the boundary is :math:`|w \cdot x + b| / \|w\|_*` away.

    Returns:
        Model, inputs `(samples, features)`, labels and exact distances `(samples,)`. No bound is in the way.
    """
    generator = torch.Generator().manual_seed(7)
    weight = torch.randn(_FEATURES, generator=generator)
    model = LogisticRegression(Box.uniform(-50.0, 50.0, features=_FEATURES), classes=2)
    with torch.no_grad():
        model.weight.copy_(torch.stack([weight, -weight]) / 2)
        model.bias.copy_(torch.tensor([0.15, -0.15]))
    model.requires_grad_(False)
    x = torch.randn(_SAMPLES, _FEATURES, generator=generator, dtype=torch.float64)
    margin = x @ weight.double() + 2 * float(model.bias[0])
    dual = torch.linalg.vector_norm(weight.double(), ord={"linf": 1, "l2": 2}[norm])
    return model, x, (margin < 0).long(), margin.abs() / dual


def one_qubit_case() -> tuple[Classifier, Tensor, Tensor, Tensor]:
    r"""One feature behind :math:`R_Y(\pi x)`, read by :math:`\langle Z \rangle = \cos \pi x`: the boundary is 1/2.

    Returns:
        Model, inputs `(samples, 1)`, labels and exact distances `(samples,)`, the same in every norm.
    """
    model = QuantumClassifier(
        Circuit(1).add("RY", 0, math.pi * feature(0)),
        PauliExpectations.of("Z0"),
        Box.uniform(0.0, 1.0, features=1),
        head=Linear(torch.tensor([[1.0], [-1.0]]), torch.zeros(2)),
        trainable_head=False,
    ).requires_grad_(False)
    x = torch.linspace(0.0, 1.0, _SAMPLES, dtype=torch.float64)[:, None]
    return model, x, (x[:, 0] > 0.5).long(), (x[:, 0] - 0.5).abs()


def _rows(attack: str, quantity: str, ratio: Tensor) -> Iterator[Row]:
    demands: tuple[tuple[str, Tensor, float, Relation], ...] = (
        ("smallest", ratio.min(), 1e-5, ">="),
        ("median", ratio.median(), 0.01, "<="),
        ("largest", ratio.max(), 0.05, "<="),
    )
    for word, value, tolerance, relation in demands:
        yield Row(
            tool="closed form",
            attack=attack,
            quantity=f"{word} {quantity}",
            theirs=1.0,
            ours=float(value),
            tolerance=tolerance,
            relation=relation,
        )
