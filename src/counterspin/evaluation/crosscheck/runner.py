"""The whole cross-check on one model."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import torch

from counterspin.attacks.external.extras import imported
from counterspin.attacks.modes import frozen
from counterspin.attacks.verdict import margins
from counterspin.errors import CapabilityError, ConditionsError, InputError
from counterspin.evaluation.crosscheck.accuracies import accuracy_rows
from counterspin.evaluation.crosscheck.closed_forms import closed_form_rows
from counterspin.evaluation.crosscheck.distances import distance_rows
from counterspin.evaluation.crosscheck.iterates import iterate_rows
from counterspin.evaluation.crosscheck.rows import Crosscheck, Row
from counterspin.evaluation.crosscheck.statistics import statistics_rows
from counterspin.threats import ThreatModel
from counterspin.types import Box
from counterspin.validation import as_features, as_labels, check_classifier_interface
from counterspin.versions import versions

__all__ = ["crosscheck"]

# What `pip install` calls them, and what Python does.
_TOOLS = {
    "foolbox": "foolbox",
    "adversarial-robustness-toolbox": "art",
    "pyautoattack": "pyautoattack",
    "statsmodels": "statsmodels",
}


def crosscheck(
    model: Any,
    x: Any,
    y: Any,
    threat: ThreatModel,
    *,
    seed: int = 0,
    progress: Callable[[str, int, int], None] = lambda *_: None,
) -> Crosscheck:
    """Run Foolbox, ART, AutoAttack and closed forms beside our attacks, on one model and one set of samples.

    Args:
        model: the classifier.
        x: inputs `(batch, features)`, numpy or torch.
        y: labels `(batch,)`.
        threat: L∞ or L2; the middle one of its budgets is compared, relative ones as a share of the median input norm
            (other tools take one budget for all inputs).
        seed: of all randomness.
        progress: called with a label, finished and total steps.

    Raises:
        MissingExtraError: a tool is not installed.
        InputError: data that cannot be used, or no sample that is classified correctly.
        ConditionsError: a threat with other norms, a target, constraints or a query budget.
        CapabilityError: a model without gradients, or a stochastic one.
    """
    began = time.perf_counter()
    for module in _TOOLS.values():
        imported(module)
    model = check_classifier_interface(model)
    box = model.bounds if threat.box == "data" else Box.unbounded(model.bounds.features)
    features = as_features(x, box).to(torch.float64)
    labels = as_labels(y, model.classes, len(features))
    _check(model, threat)
    correct = margins(model, features, labels) > 0
    if not bool(correct.any()):
        raise InputError(f"none of the {len(features)} samples is classified correctly; there is nothing to attack.")
    plain = _plain(threat, features)
    steps = _Steps(progress)
    rows: list[Row] = []
    skipped: list[str] = []
    with frozen(model):
        steps.next("statistics")
        rows += statistics_rows()
        steps.next("closed forms")
        rows += closed_form_rows(seed)
        steps.next("iterates of Foolbox and ART")
        rows += iterate_rows(model, features, labels, _budgets(plain, features.shape[1]))
        steps.next("distances of Foolbox")
        for found in distance_rows(model, features[correct], labels[correct], seed):
            (skipped if isinstance(found, str) else rows).append(found)  # pyright: ignore[reportArgumentType]
        rows += accuracy_rows(model, features, labels, plain, seed, steps.next)
    return Crosscheck(
        rows=tuple(rows),
        skipped=tuple(skipped),
        samples=len(features),
        versions={**versions(), **{name: version(name) for name in _TOOLS}},
        seconds=time.perf_counter() - began,
    )


class _Steps:
    def __init__(self, progress: Callable[[str, int, int], None]) -> None:
        self._progress, self._finished = progress, 0

    def next(self, label: str) -> None:
        self._progress(label, self._finished, 8)
        self._finished += 1


def _check(model: Any, threat: ThreatModel) -> None:
    if threat.norm not in ("linf", "l2"):
        raise ConditionsError(f"threat has norm {threat.norm!r}; other tools are compared in linf and l2.")
    special = [name for name in ("target", "mask", "groups", "tied", "budget") if getattr(threat, name)]
    if special:
        raise ConditionsError(
            f"threat has {' and '.join(special)}, which other tools know nothing of; give a plain one, for example "
            "cs.Linf(0.1)."
        )
    if model.stochastic or not getattr(model, "differentiable", True):
        raise CapabilityError(
            f"model ({type(model).__name__}) is stochastic or without gradients; other tools need the same scores from "
            "the same input, and their gradient."
        )


def _plain(threat: ThreatModel, x: torch.Tensor) -> ThreatModel:
    eps = threat.eps[len(threat.eps) // 2] * float(threat.scale(x).median())
    return ThreatModel(norm=threat.norm, eps=(eps,), box=threat.box)


def _budgets(threat: ThreatModel, features: int) -> dict[str, float]:
    """The budget in both norms: an L2 ball as long as the diagonal of the cube, or the cube inside the ball."""
    eps, diagonal = threat.eps[0], features**0.5
    if threat.norm == "linf":
        return {"linf": eps, "l2": eps * diagonal}
    return {"linf": eps / diagonal, "l2": eps}
