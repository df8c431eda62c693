r"""The parts of a model as attack surfaces in common units.

A surface is a list of numbers that an attacker may change, each relative to a scale of its own,

.. math:: u_i \to u_i + s_i\, \delta_i, \qquad |\delta_i| \le b,

so that a budget b means the same share everywhere: of the box for features and circuit inputs, of a whole turn for
gate angles, of the root mean square of its tensor for a weight. The change becomes the input of a classifier, and every
attack on features serves every surface.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from counterspin.attacks.quantum.encoding.inputs import input_box, scores_of_inputs
from counterspin.attacks.quantum.parameters.gate_errors import check_gate_angles, with_errors
from counterspin.circuits import Linear, Readout
from counterspin.errors import CapabilityError, ConditionsError
from counterspin.simulation import run
from counterspin.types import Box, Outputs

__all__ = ["ChangedModel", "Surface", "surfaces"]

# Scores `(rows, classes)` of changes `(rows, numbers)` and the features they are made at `(rows, features)`.
Changed = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, kw_only=True, eq=False)
class Surface:
    """A part of a model that an attacker may change.

    Args:
        name: short, part of table rows.
        numbers: how many numbers it has.
        scale: what a budget is a share of, in words.
        scores: see `Changed`; a change of 0 is the model itself.
        boxed: whether changed features stay in the data's box.
    """

    name: str
    numbers: int
    scale: str
    scores: Changed
    boxed: bool = False


class ChangedModel:
    """A classifier of changes of one surface, followed by the features they are made at.

    Attackers may touch the first `surface.numbers` inputs only.

    Args:
        surface: what is changed.
        model: the unchanged classifier.

    Example:
        >>> from counterspin import recipes
        >>> recipe = recipes.get("cancer-angle")
        >>> model, x = recipe.model(), recipe.dataset().test.x[:3]
        >>> found, _ = surfaces(model, x)
        >>> changed = ChangedModel(found[0], model)
        >>> bool(torch.allclose(changed(changed.inputs(x)), model(x)))
        True
    """

    stochastic = False
    differentiable = True

    def __init__(self, surface: Surface, model: Any) -> None:
        self.surface = surface
        self.classes: int = model.classes
        self.outputs: Outputs = model.outputs
        self.bounds = Box.unbounded(surface.numbers + model.bounds.features)

    @property
    def mask(self) -> tuple[bool, ...]:
        """What an attacker may touch."""
        own = self.surface.numbers
        return (*[True] * own, *[False] * (self.bounds.features - own))

    def inputs(self, x: Tensor) -> Tensor:
        """Inputs without any change, for features `x` `(batch, features)`."""
        return torch.cat([x.new_zeros(len(x), self.surface.numbers), x], dim=1)

    def __call__(self, inputs: Tensor) -> Tensor:
        """Scores `(rows, classes)`."""
        numbers = self.surface.numbers
        return self.surface.scores(inputs[:, :numbers], inputs[:, numbers:])


def surfaces(model: Any, x: Tensor) -> tuple[tuple[Surface, ...], dict[str, str]]:
    """The continuous surfaces of a model, from features to readout, and why others are missing.

    Args:
        model: a noiseless classifier that ends in one circuit.
        x: samples `(batch, features)` float64, which tell the range of what is not bounded.
    """
    found = [_features(model, x)]
    left_out = {}
    front = getattr(model, "front", None)
    if isinstance(front, nn.Module) and any(True for _ in front.parameters()):
        found.append(_front(model, front))
    else:
        left_out["classical front"] = "the features enter the circuit without one"
    z = model.circuit_inputs(x).detach()
    if z is x or (z.shape == x.shape and torch.equal(z, x)):
        left_out["circuit inputs"] = "they are the features"
    else:
        found.append(_inputs(model, z))
    try:
        check_gate_angles(model)
        found.append(_angles(model))
    except (CapabilityError, ConditionsError) as reason:
        left_out["gate angles"] = str(reason)
    head = model.readout.head
    if isinstance(head, Linear):
        found.append(_head(model, head))
    else:
        left_out["head"] = "there is no linear head"
    return tuple(found), left_out


def _features(model: Any, x: Tensor) -> Surface:
    lower, upper = model.bounds.lower.to(x), model.bounds.upper.to(x)
    bounded = bool(torch.isfinite(upper - lower).all())
    width = upper - lower if bounded else (x.amax(dim=0) - x.amin(dim=0)).clamp_min(1e-12)

    def scores(change: Tensor, at: Tensor) -> Tensor:
        return model(model.bounds.clamp(at + width.to(at) * change))

    words = "the width of its box" if bounded else "its range over the samples"
    return Surface(name="features", numbers=x.shape[1], scale=words, scores=scores, boxed=bounded)


class _Inputs(nn.Module):
    """What a model's front computes, as a module whose weights can be exchanged for one call."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return self.model.circuit_inputs(x)


def _front(model: Any, front: nn.Module) -> Surface:
    """Each row has weights of its own, so the front runs once per row."""
    module = _Inputs(model)
    own = {id(parameter) for parameter in front.parameters()}
    weights = {name: p.detach().double() for name, p in module.named_parameters() if id(p) in own}
    scales = {name: float(p.square().mean().sqrt()) or 1.0 for name, p in weights.items()}
    sizes = [p.numel() for p in weights.values()]

    def once(change: Tensor, x: Tensor) -> Tensor:
        parts = change.split(sizes)
        moved = {
            name: weight + scales[name] * part.view(weight.shape)
            for (name, weight), part in zip(weights.items(), parts, strict=True)
        }
        return torch.func.functional_call(module, moved, (x[None],))[0]

    def scores(change: Tensor, at: Tensor) -> Tensor:
        return scores_of_inputs(model, torch.vmap(once)(change.double(), at.double()))

    words = "the root mean square of its matrix or bias"
    return Surface(name="classical front", numbers=sum(sizes), scale=words, scores=scores)


def _inputs(model: Any, z: Tensor) -> Surface:
    box = input_box(model, z)
    width = box.upper - box.lower

    def scores(change: Tensor, at: Tensor) -> Tensor:
        return scores_of_inputs(model, model.circuit_inputs(at) + width.to(at) * change)

    return Surface(name="circuit inputs", numbers=z.shape[1], scale="the width of its range", scores=scores)


def _angles(model: Any) -> Surface:
    circuit, readout = with_errors(model.circuit), model.readout
    weights = model.weights.detach()

    def scores(change: Tensor, at: Tensor) -> Tensor:
        inputs = torch.cat([model.circuit_inputs(at), 2 * math.pi * change], dim=1)
        return run(circuit, inputs, weights.to(at), readout, engine=model.engine)

    numbers = circuit.inputs - model.circuit.inputs
    return Surface(name="gate angles", numbers=numbers, scale="a whole turn", scores=scores)


def _head(model: Any, head: Linear) -> Surface:
    weight, bias = head.weight.detach().double(), head.bias.detach().double()
    scale_w, scale_b = (float(part.square().mean().sqrt()) or 1.0 for part in (weight, bias))
    measured = Readout(model.readout.measurement)

    def scores(change: Tensor, at: Tensor) -> Tensor:
        values = run(model.circuit, model.circuit_inputs(at), model.weights.detach().to(at), measured)
        moved_w, moved_b = change.split([weight.numel(), bias.numel()], dim=1)
        matrices = weight.to(at) + scale_w * moved_w.view(-1, *weight.shape)
        return (matrices @ values[:, :, None])[:, :, 0] + bias.to(at) + scale_b * moved_b

    words = "the root mean square of its matrix or bias"
    return Surface(name="head", numbers=weight.numel() + bias.numel(), scale=words, scores=scores)
