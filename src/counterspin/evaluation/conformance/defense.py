"""Whether a defence is one: it keeps the contracts, and an attacker who knows it finds nothing masked."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from counterspin.circuits import Linear, PauliExpectations, reuploading
from counterspin.datasets import Split
from counterspin.defenses.training.base import TrainingDefense
from counterspin.errors import UsageError
from counterspin.evaluation.conformance.defense_checks import OF_A_CLASSIFIER, OF_AN_OBJECTIVE, DefenseCase
from counterspin.evaluation.conformance.report import Check, ConformanceReport, run_all
from counterspin.models import QuantumClassifier
from counterspin.threats import Linf, ThreatModel
from counterspin.types import Box

__all__ = ["check_defense", "small_problem"]

_SAMPLES = 60


def check_defense(
    defense: Any,
    *,
    model: Any = None,
    x: Tensor | None = None,
    y: Tensor | None = None,
    threat: ThreatModel | None = None,
    seed: int = 0,
) -> ConformanceReport:
    """Defend a small model, attack it with full knowledge of the defence, and check everything a user relies on.

    The attacks know the defence: they go through the substitute it offers (`HasSubstitute`), average over its
    randomness, and carry points over from the undefended model. A defence that only hides gradients fails: random
    draws, gradient-free attacks or transferred points then break what gradients did not.

    Args:
        defense: a wrapper, called with a classifier it returns one that shows it as `undefended`; or a defence of
            `counterspin.defenses.training`, whose objective is then trained with.
        model: what is defended; a training defence trains a copy of it. None: a circuit of two features and two
            classes, trained without a defence.
        x: samples `(batch, features)` in the model's box; None: those of the small problem.
        y: labels `(batch,)`.
        threat: the attacker; None: two budgets in the L-infinity norm.
        seed: seed of the generators.

    Returns:
        One outcome per check; `report.raise_if_failed()` makes a test of it.

    Raises:
        UsageError: something that is no defence, or a model without samples.
    """
    if not (isinstance(defense, TrainingDefense) or callable(defense)):
        raise UsageError(
            f"defense is a {type(defense).__name__}; give a function from a classifier to a classifier, or a defence "
            "of counterspin.defenses.training."
        )
    if model is not None and (x is None or y is None):
        raise UsageError("model is given without x and y; give samples and labels to attack it on.")
    data, plain = small_problem(seed) if model is None else (Split(torch.as_tensor(x).double(), _labels(y)), model)
    case = DefenseCase(
        defense=defense,
        plain=plain,
        train=data,
        x=data.x[:_SAMPLES],
        y=data.y[:_SAMPLES],
        threat=Linf(0.05, 0.15) if threat is None else threat,
        seed=seed,
    )
    trained = isinstance(defense, TrainingDefense)
    checks: dict[str, Check] = (
        {name: partial(check, case) for name, check in OF_AN_OBJECTIVE.items()} if trained else {}
    )
    checks |= {name: partial(check, case) for name, check in OF_A_CLASSIFIER.items()}
    return run_all(case.name, checks)


def small_problem(seed: int = 0) -> tuple[Split, QuantumClassifier]:
    """Two classes on the unit square, divided by a curve, and an untrained circuit that can learn them."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(240, 2, generator=generator, dtype=torch.float64)
    y = (x[:, 1] > 0.5 + 0.25 * torch.sin(6.0 * x[:, 0])).long()
    circuit = reuploading(2, 3, scale=torch.pi)
    head = Linear(torch.tensor([[2.0, 1.0], [-2.0, -1.0]]), torch.zeros(2))
    model = QuantumClassifier(
        circuit, PauliExpectations.of("Z0", "Z1"), Box.uniform(0.0, 1.0, features=2), head=head, generator=generator
    )
    return Split(x, y), model


def _labels(y: Any) -> Tensor:
    return torch.as_tensor(y).to(torch.int64)
