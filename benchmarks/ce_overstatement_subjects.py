"""Amplitude models whose scores are read in several ways: the decisions stay, the loss an attack climbs does not."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from counterspin import recipes
from counterspin.circuits import Linear, Measurement, OutcomeGroups, PauliExpectations, Scale
from counterspin.models import QuantumClassifier
from counterspin.training import CrossEntropyObjective, TrainingSettings, fit
from counterspin.types import Box, Classifier, Outputs

__all__ = ["Case", "LogLink", "committed", "measured_values", "trained"]

_RECIPE = "digits-amplitude"
_EPOCHS, _QUICK_EPOCHS = 80, 4
_LOUD = 100.0
# Outcomes 10 to 15 count for the classes 0 to 5, so that the ten probabilities sum to 1.
_COMPLETE = OutcomeGroups((0, 1, 2, 3), tuple((k, k + 10) if k < 6 else (k,) for k in range(10)))
_EXPECTATIONS = PauliExpectations.of(*(f"Z{qubit}" for qubit in range(6)))


@dataclass(frozen=True, eq=False, kw_only=True)
class Case:
    """Weights with the samples they are tested on and the ways their scores are handed to an attack.

    Args:
        part: `"same weights"` or `"trained"`, the panel of the figure.
        subject: the weights, in words.
        seed: of the split and the training.
        x: samples `(batch, features)`.
        y: labels `(batch,)`.
        readouts: models of equal decisions by what their scores are; their exact radii are equal, too.
    """

    part: str
    subject: str
    seed: int
    x: Tensor
    y: Tensor
    readouts: dict[str, Any]


class LogLink:
    """Probabilities of outcomes that need not be all, announced as probabilities: an attack climbs -log of them.

    Args:
        model: gives the probabilities.
    """

    stochastic = False
    differentiable = True
    outputs: Outputs = "probabilities"

    def __init__(self, model: Classifier) -> None:
        self._model = model

    @property
    def bounds(self) -> Box:
        return self._model.bounds

    @property
    def classes(self) -> int:
        return self._model.classes

    def __call__(self, x: Tensor, /) -> Tensor:
        return self._model(x)


def committed(recipe: str, samples: int | None = None) -> Case:
    """The committed weights of a recipe whose scores are T × outcome probabilities, read in four ways."""
    found = recipes.get(recipe)
    model, test = found.model(), found.dataset().test
    learned = float(model.readout.head.value)
    readouts = {
        "log p": LogLink(measured_values(model)),
        "softmax of p": measured_values(model, scale=1.0),
        # Groups that leave outcomes out are expectation values: cross-entropy divides them by its temperature 0.1.
        "softmax of 10 p": measured_values(model),
        f"softmax of {learned:.0f} p (own T)": measured_values(model, scale=learned),
    }
    return Case(part="same weights", subject=recipe, seed=0, x=test.x[:samples], y=test.y[:samples], readouts=readouts)


def trained(*, seed: int, quick: bool = False) -> Iterator[Case]:
    """The circuit of `digits-amplitude` trained through each readout and attacked through the same one.

    What was trained on log p is attacked as 100 × p as well: is it the weights or the way they are read?
    """
    data = recipes.get(_RECIPE).dataset(seed)
    x, y = (values[:60] if quick else values for values in (data.test.x, data.test.y))
    for measurement, head, name in (
        (OutcomeGroups.first(qubits=4, classes=10), Scale(torch.tensor(10.0)), "softmax of T p (own T)"),
        (_EXPECTATIONS, _linear(seed), "linear head on 6 Z"),
        (_COMPLETE, None, "log p"),
    ):
        model = _fitted(measurement, head, seed=seed, epochs=_QUICK_EPOCHS if quick else _EPOCHS)
        readouts: dict[str, Any] = {name: model}
        if model.outputs == "probabilities":
            readouts[f"log p, attacked as {_LOUD:.0f} p"] = measured_values(model, scale=_LOUD)
        yield Case(part="trained", subject=_RECIPE, seed=seed, x=x, y=y, readouts=readouts)


def measured_values(model: QuantumClassifier, *, scale: float | None = None) -> QuantumClassifier:
    """The frozen model with what it measures as scores, times a logit scale where one is given."""
    head = None if scale is None else Scale(torch.tensor(scale))
    bare = QuantumClassifier(
        model.circuit, model.measurement, model.bounds, head=head, trainable_head=False, weights=model.weights.detach()
    )
    return _frozen(bare)


def _fitted(measurement: Measurement, head: Scale | Linear | None, *, seed: int, epochs: int) -> QuantumClassifier:
    """Trained like the recipe, in one stage: a learned scale keeps moving until the end."""
    recipe = recipes.get(_RECIPE)
    data, generator = recipe.dataset(seed), torch.Generator().manual_seed(seed)
    architecture: Any = recipe.architecture(torch.Generator(), None)
    model = QuantumClassifier(architecture.circuit, measurement, architecture.bounds, head=head, generator=generator)
    settings = TrainingSettings(epochs=epochs, batch_size=recipe.settings.batch_size)
    fit(model, CrossEntropyObjective(), data.training_part, None, settings, generator=generator, progress=False)
    return _frozen(model)


def _linear(seed: int) -> Linear:
    """PyTorch's own start of a linear layer, from a generator."""
    generator = torch.Generator().manual_seed(seed)
    bound = 1 / _EXPECTATIONS.values**0.5
    weight = torch.empty(10, _EXPECTATIONS.values).uniform_(-bound, bound, generator=generator)
    return Linear(weight, torch.zeros(10))


def _frozen(model: QuantumClassifier) -> QuantumClassifier:
    return model.requires_grad_(False).eval()
