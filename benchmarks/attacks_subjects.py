"""What attacks are compared on: reference recipes, and small models for readouts that no recipe has."""

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import torch
from torch import Tensor

from counterspin import recipes
from counterspin.circuits import OutcomeGroups, PauliExpectations, Scale, reuploading
from counterspin.datasets import Dataset, ScaledPCA, Split, digits
from counterspin.models import QuantumClassifier
from counterspin.threats import L2, Linf, ThreatModel
from counterspin.training import CrossEntropyObjective, TrainingSettings, fit
from counterspin.types import Box

__all__ = ["Subject", "four_digits", "of_every_readout", "of_recipe", "without_head"]

_CLASSES, _FEATURES, _LAYERS = 4, 8, 3
_TRAINING = TrainingSettings(epochs=25, batch_size=64)


@dataclass(frozen=True, eq=False, kw_only=True)
class Subject:
    """A model with the samples it is attacked on.

    Args:
        name: in rows and figures.
        readout: how its scores come about, in words.
        model: the classifier.
        x: samples `(batch, features)`.
        y: labels `(batch,)`.
        threat: the attacker.
    """

    name: str
    readout: str
    model: Any
    x: Tensor
    y: Tensor
    threat: ThreatModel

    def first(self, samples: int) -> "Subject":
        """The same with its first samples only."""
        return replace(self, x=self.x[:samples], y=self.y[:samples])


def of_recipe(name: str, readout: str, threat: ThreatModel | None = None) -> Subject:
    """The committed model of a recipe on its test split, under its own threat or another one."""
    recipe = recipes.get(name)
    test = recipe.dataset().test
    threat = recipe.threat if threat is None else threat
    return Subject(name=name, readout=readout, model=recipe.model(), x=test.x, y=test.y, threat=threat)


def without_head(subject: Subject, readout: str) -> Subject:
    """The same circuit with what it measures as scores: of a positive scale the decisions are the same."""
    model = subject.model
    bare = QuantumClassifier(model.circuit, model.measurement, model.bounds, weights=model.weights.detach())
    bare.requires_grad_(False).eval()
    return replace(subject, name=f"{subject.name}, bare", readout=readout, model=bare)


@cache
def four_digits(measured: str = "expectations", seed: int = 0) -> Subject:
    """The digits 0 to 3 in the features of `digits-reuploading`, uploaded 3 times at a fixed scale; trained in seconds.

    The frequencies of each feature are 1, 2 and 3 times π, so that a line search along it is exact.

    Args:
        measured: `"expectations"`: ⟨Z⟩ of 4 qubits times a learned T; `"probabilities"`: of the outcomes of 2 qubits.
        seed: of the split, the first weights and the order of the samples.
    """
    data = _restricted(ScaledPCA.apply(digits(seed), _FEATURES))
    generator = torch.Generator().manual_seed(seed)
    sampled = measured == "probabilities"
    model = QuantumClassifier(
        reuploading(_FEATURES, _LAYERS, scale=torch.pi, trainable_scale=False),
        OutcomeGroups.first(qubits=2, classes=4) if sampled else PauliExpectations.of("Z0", "Z1", "Z2", "Z3"),
        Box.uniform(0.0, 1.0, features=_FEATURES),
        head=None if sampled else Scale(torch.tensor(5.0)),
        generator=generator,
    )
    fit(model, CrossEntropyObjective(), data.train, data.validation, _TRAINING, generator=generator)
    model.requires_grad_(False).eval()
    readout = "outcome probabilities" if sampled else "T × 4 expectations"
    return Subject(
        name="four digits", readout=readout, model=model, x=data.test.x, y=data.test.y, threat=Linf(0.03, 0.05)
    )


def of_every_readout() -> tuple[Subject, ...]:
    """Logits of a linear head, of one expectation value, of scaled outcomes; bare ones; probabilities."""
    amplitude = of_recipe("digits-amplitude", "T × 10 of 16 outcomes", L2(0.05, 0.1, units="relative"))
    expectations = four_digits()
    return (
        of_recipe("digits-reuploading", "linear head on 8 expectations", Linf(0.05, 0.1)),
        of_recipe("mnist-amplitude-1v9", "± T/2 × one expectation", Linf(0.05, 0.1)),
        amplitude,
        without_head(amplitude, "10 of 16 outcomes"),
        expectations,
        without_head(expectations, "4 expectations"),
        four_digits("probabilities"),
    )


def _restricted(data: Dataset) -> Dataset:
    train, validation, test = (
        Split(split.x[split.y < _CLASSES], split.y[split.y < _CLASSES])
        for split in (data.train, data.validation, data.test)
    )
    names = data.class_names[:_CLASSES]
    return replace(data, train=train, validation=validation, test=test, class_names=names, groups=None)
