"""A classical stand-in for the audited model, from which adversarial points are transferred (arXiv:1602.02697)."""

import torch
from torch import Tensor, nn

from counterspin.datasets import Split
from counterspin.models import MLP
from counterspin.training import CrossEntropyObjective, TrainingSettings, fit
from counterspin.types import Box, Classifier, Outputs

__all__ = ["Hesitant", "Surrogate", "train_surrogate"]

_HIDDEN = (32,)
_SETTINGS = TrainingSettings(epochs=40, batch_size=32)
# Logits by which a point must lie beyond the boundary before an attack is content.
_CONFIDENCE = 20.0


class Surrogate(nn.Module):
    """A small network on standardised features, in the box of the model it stands for.

    Args:
        network: logits of standardised features.
        bounds: the box the inputs live in.
        shift: mean of each feature `(features,)`.
        scale: its standard deviation `(features,)`; 1 for a feature that never changes.
    """

    outputs: Outputs = "logits"
    stochastic = False
    differentiable = True

    def __init__(self, network: MLP, bounds: Box, shift: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.network, self.bounds, self.classes = network, bounds, network.classes
        self.shift, self.scale = shift, scale

    def forward(self, x: Tensor) -> Tensor:
        """Logits `(batch, classes)` of `x` `(batch, features)`."""
        return self.network((x - self.shift.to(x)) / self.scale.to(x))


class Hesitant(nn.Module):
    r"""A model that keeps to one class until another leads by 20 logits.

    An attack stops at the boundary of what it attacks; points that transfer lie beyond it. Adding :math:`\kappa` to the
    logit of the true class asks for that confidence (Carlini and Wagner, arXiv:1608.04644, section V).

    Args:
        surrogate: what to ask: a surrogate, or another model points are transferred from.
        label: the class it keeps to.
    """

    outputs: Outputs = "logits"
    stochastic = False
    differentiable = True

    def __init__(self, surrogate: Classifier, label: int) -> None:
        super().__init__()
        self.surrogate, self.label = surrogate, label
        self.bounds, self.classes = surrogate.bounds, surrogate.classes

    def forward(self, x: Tensor) -> Tensor:
        """Logits `(batch, classes)` of `x` `(batch, features)`."""
        logits = self.surrogate(x)
        bonus = torch.zeros_like(logits[0])
        bonus[self.label] = _CONFIDENCE
        return logits + bonus


def train_surrogate(model: Classifier, x: Tensor, predicted: Tensor, *, generator: torch.Generator) -> Surrogate:
    """Train a surrogate on what `model` predicts.

    Args:
        model: whom it stands for; it is not asked anything.
        x: inputs `(batch, features)`.
        predicted: the model's predictions `(batch,)`.
        generator: initial weights and order of the samples.
    """
    shift, deviation = x.double().mean(dim=0), x.double().std(dim=0, correction=0)
    scale = torch.where(deviation > 0, deviation, 1.0)
    everywhere = Box.unbounded(x.shape[1])
    network = MLP(everywhere, classes=model.classes, hidden=_HIDDEN, generator=generator)
    split = Split(((x.double() - shift) / scale), predicted)
    fit(network, CrossEntropyObjective(), split, None, _SETTINGS, generator=generator)
    return Surrogate(network.eval(), model.bounds, shift, scale).eval()
