"""Gradients from shifted circuits of a model that is read with finite shots, noise and mitigation included."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from counterspin.attacks.gradients.base import Evaluation, GradientSource, Objective, check_generator
from counterspin.attacks.stochastic import call_cost
from counterspin.circuits import Angle, feature
from counterspin.errors import CapabilityError
from counterspin.models import NoisyClassifier, QuantumClassifier, SampledModel
from counterspin.models.integrations.backends.work import angle_columns
from counterspin.simulation import shifted_angles
from counterspin.types import Box, Classifier, Cost, HasChannels, HasCircuit

__all__ = ["MeasuredShift", "by_angles"]


@dataclass(frozen=True, kw_only=True)
class MeasuredShift(GradientSource):
    r"""Shift rules per gate, each shifted circuit read as the model itself is read: its shots, noise and mitigation.

    .. math:: \nabla_x \ell = \sum_k \frac{\partial \ell}{\partial z_k}
        \sum_a \Bigl(\sum_\mu c_\mu\, z_k(\theta_a + s_\mu)\Bigr) \nabla_x \theta_a

    over the gate angles :math:`\theta_a` that hang on the data (arXiv:1811.11184, arXiv:2107.12390); what makes angles
    out of features is differentiated by autograd. Channels between gates do not hang on the angles, and mitigation
    combines the values of circuits that all carry the same shift, so the rule holds under both; non-linear mitigation
    makes it approximate. It asks for nothing a device cannot give.

    Example:
        >>> from counterspin.circuits import Circuit, PauliExpectations, feature
        >>> from counterspin.attacks.losses import Margin
        >>> circuit = Circuit(1).add("RY", 0, feature(0))
        >>> model = QuantumClassifier(circuit, PauliExpectations.of("Z0", "X0"), Box.uniform(0.0, 3.0, features=1))
        >>> MeasuredShift().price(SampledModel(model, shots=100), rows=1).shots  # 3 circuits, 2 settings
        600
    """

    averages: ClassVar[bool] = True

    def check(self, model: Classifier) -> None:
        """Refuse models without shots or a circuit, amplitude encodings, and angles computed outside."""
        _checked(model)

    def price(self, model: Classifier, rows: int) -> Cost:
        """A call of the model for each row and shift, and one more for the scores."""
        sampled = _checked(model)
        cost = call_cost(model, rows * (1 + len(shifted_angles(sampled.model.circuit))))
        return replace(cost, forwards=rows)

    def __call__(
        self, model: Classifier, x: Tensor, objective: Objective, generator: torch.Generator | None = None
    ) -> Evaluation:
        """Value and gradient from measurements alone.

        Raises:
            CapabilityError: see `check`.
            UsageError: no generator.
        """
        sampled, source = _checked(model), check_generator(self, generator)
        shown = sampled.model
        shifts = shifted_angles(shown.circuit)
        with torch.enable_grad():
            leaf = x.detach().double().requires_grad_()
            angles = angle_columns(shown.circuit, shown.circuit_inputs(leaf), shown.weights.detach().double())
        here = angles.detach()
        moved = here.repeat(1 + len(shifts), 1, 1)
        for place, (column, _, shift) in enumerate(shifts, start=1):
            moved[place, :, column] += shift
        read = by_angles(sampled.model).sample(
            moved.flatten(0, 1), shots=sampled.shots, generator=source, noise=sampled.noise
        )
        scores = read.double().unflatten(0, (1 + len(shifts), len(x)))
        with torch.enable_grad():
            knob = scores[0].requires_grad_()
            value = objective(knob)
            (outer,) = torch.autograd.grad(value.sum(), knob)
        slopes = torch.zeros_like(here)
        for place, (column, coefficient, _) in enumerate(shifts, start=1):
            slopes[:, column] += coefficient * (outer * scores[place].detach()).sum(dim=1)
        gradient = torch.zeros_like(leaf)
        if angles.requires_grad:
            (found,) = torch.autograd.grad(angles, leaf, slopes, allow_unused=True)
            gradient = gradient if found is None else found
        return Evaluation(knob.detach().to(x), value.detach().to(x), gradient.to(x), self.price(model, len(x)))


def by_angles(model: HasCircuit) -> NoisyClassifier | QuantumClassifier:
    """The same circuit, noise and mitigation as a classifier of the gate angles that hold an input, in their order.

    Raises:
        CapabilityError: an angle is a tensor computed outside.
    """
    gates, column = [], 0
    for gate in model.circuit.gates:
        angles = []
        for angle in gate.angles:
            if not isinstance(angle, Angle):
                raise CapabilityError(
                    "the circuit holds angles that are tensors computed outside, which no shift rule reaches; write "
                    "them as expressions of inputs and weights."
                )
            angles.append(feature(column) if angle.inputs else angle)
            column += bool(angle.inputs)
        gates.append(replace(gate, angles=tuple(angles)))
    readout = model.readout
    circuit = replace(model.circuit, gates=tuple(gates))
    body = QuantumClassifier(
        circuit,
        readout.measurement,
        Box.unbounded(column),
        head=readout.head,
        trainable_head=False,
        # Those that only scaled features are gone with them, and stand last.
        weights=model.weights.detach()[: circuit.weights],
    )
    if not isinstance(model, NoisyClassifier):
        return body
    return NoisyClassifier(body, noise=model.noise, mitigation=model.mitigation, engine=model.engine)


def _checked(model: Classifier) -> SampledModel:
    if not isinstance(model, SampledModel):
        raise CapabilityError(
            f"model ({type(model).__name__}) is not read with finite shots; wrap it in SampledModel, or use "
            "gradient=ParameterShift()."
        )
    shown = model.model
    if not isinstance(shown, HasCircuit) or (isinstance(shown, HasChannels) and not isinstance(shown, NoisyClassifier)):
        raise CapabilityError(
            f"model ({type(shown).__name__}) shows no circuit that could be shifted; use gradient=SPSA()."
        )
    if shown.circuit.amplitudes is not None:
        raise CapabilityError(
            "model encodes its features as amplitudes, which no gate angle holds; use gradient=SPSA() or Twin()."
        )
    return model
