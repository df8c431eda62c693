"""A trained model with the other kind of readout: balanced where its own is not, unbalanced where its own is."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from counterspin.circuits import Linear, Scale
from counterspin.models.fronted import FrontedClassifier
from counterspin.models.quantum import QuantumClassifier
from counterspin.noise import NoiseModel
from counterspin.types import Classifier, HasCircuit, Sampled

__all__ = ["Counterpart", "counterpart", "mixed_scores"]

# Largest difference of class scores on the maximally mixed state, as a share of the largest clean score, that is zero.
_BALANCED = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class Counterpart:
    """The same circuit and weights with biases that make its readout balanced, or unbalanced.

    Args:
        own_balanced: whether the model's own readout is; None: unknown.
        balanced: whether the counterpart's is; None: there is none.
        model: the counterpart; None: the model is of a kind whose readout cannot be replaced.
        words: what was changed.
    """

    own_balanced: bool | None
    balanced: bool | None
    model: Classifier | None
    words: str


def mixed_scores(model: Classifier, x: Tensor) -> Tensor | None:
    """Scores `(classes,)` of the maximally mixed state; None where the model cannot be read under noise.

    Under global depolarising noise every score moves towards these. Where all are equal (`Tr(M_k)` equal, biases
    included) noise moves no decision at infinitely many shots.
    """
    if not isinstance(model, Sampled) or not isinstance(model, HasCircuit):
        return None
    anything = torch.Generator().manual_seed(0)
    noise = NoiseModel(global_depolarizing=1.0)
    return model.sample(x[:1].double(), shots=None, generator=anything, noise=noise)[0].double()


def counterpart(model: Classifier, x: Tensor) -> Counterpart:
    """The counterpart of a model on samples `(batch, features)`.

    Balanced: each score minus its value on the maximally mixed state. Unbalanced: class 0 is given half the median
    clean margin, so that many decisions stand close enough to the boundary to move.
    """
    mixed = mixed_scores(model, x)
    if mixed is None:
        return Counterpart(own_balanced=None, balanced=None, model=None, words="the model cannot be read under noise")
    with torch.no_grad():
        scores = model(x.double())
    own = float(mixed.max() - mixed.min()) <= _BALANCED * max(1.0, float(scores.abs().max()))
    top = scores.topk(2, dim=1).values
    shift = torch.zeros_like(mixed)
    if own:
        shift[0] = 0.5 * float((top[:, 0] - top[:, 1]).median())
        words = f"class 0 is given {float(shift[0]):.3g} (half the median margin) more"
    else:
        shift = mixed.mean() - mixed
        words = "biases take away what each class scores on the maximally mixed state"
    changed = _shifted(model, shift)
    return Counterpart(own_balanced=own, balanced=None if changed is None else not own, model=changed, words=words)


def _shifted(model: Any, shift: Tensor) -> Classifier | None:
    """The model with `shift` `(classes,)` added to its scores, inside its linear head."""
    if isinstance(model, FrontedClassifier):
        body = _shifted(model.body, shift)
        if body is None:
            return None
        changed: Any = copy.deepcopy(model)
        changed.body = body
        return changed
    if type(model) is not QuantumClassifier:
        return None
    readout = model.readout
    values = readout.measurement.values
    match readout.head:
        case Linear(weight, bias):
            head = Linear(weight.detach().double(), bias.detach().double() + shift)
        case Scale(value):
            head = Linear(float(value) * torch.eye(values, dtype=torch.float64), shift)
        case _:
            head = Linear(torch.eye(values, dtype=torch.float64), shift)
    changed = QuantumClassifier(
        model.circuit,
        readout.measurement,
        model.bounds,
        head=head,
        trainable_head=False,
        weights=model.weights.detach(),
        engine=model.engine,
    )
    return changed.requires_grad_(False).train(model.training)
