r"""A circuit whose gate angles are off: one definition for every encoding.

Each angle of each gate, whatever it is made of (a weight, data, data times a weight, a constant), becomes

.. math:: \theta_j(x) \to \theta_j(x) + \Delta_j,

a miscalibration of the machine. Where a weight is an angle this is a change of that weight. It is exactly what the
bound on gate errors, :math:`\sum_j |\Delta_j| s_j < \theta^*`, speaks about.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from counterspin.circuits import GATES, Angle, Circuit, Term
from counterspin.errors import CapabilityError, ConditionsError
from counterspin.models.noisy import NoisyClassifier
from counterspin.simulation import run
from counterspin.types import Classifier, Cost, HasChannels, HasCircuit

__all__ = ["GateErrors", "check_gate_angles", "gate_angles", "gate_errors", "with_errors"]

# Rows of one call: bounds the memory of their angles, and is long past where calls cost anything.
_ROWS = 20_000
_SAME = 1e-6


@dataclass(kw_only=True, eq=False)
class GateErrors:
    """The scores of a batch as a function of the errors of its gate angles.

    Args:
        circuit: the circuit with an error on each angle: further inputs, behind its own.
        inputs: what enters the circuit `(batch, inputs)`.
        frequencies: of an expectation value in each angle, one tuple per angle.
        gate: index of the gate each angle belongs to `(angles,)`.
        score: scores `(rows, classes)` of circuit inputs and errors, attached to autograd.
        cost: queries so far.
    """

    circuit: Circuit
    inputs: Tensor
    frequencies: tuple[tuple[float, ...], ...]
    gate: Tensor
    score: Callable[[Tensor], Tensor]
    cost: Cost

    @property
    def angles(self) -> int:
        """Number of gate angles."""
        return len(self.frequencies)

    def scores(self, errors: Tensor, rows: Tensor | None = None) -> Tensor:
        """Scores float64 `(rows, classes)`, attached to autograd.

        Args:
            errors: radians, `(rows, angles)`, or `(angles,)` for all alike.
            rows: which samples `(rows,)`; None: all.
        """
        inputs = self.inputs if rows is None else self.inputs[rows]
        errors = errors.expand(len(inputs), -1)
        backwards = len(inputs) if torch.is_grad_enabled() and errors.requires_grad else 0
        self.cost += Cost(forwards=len(inputs), backwards=backwards, circuits=len(inputs))
        pieces = zip(inputs.split(_ROWS), errors.split(_ROWS), strict=True)
        return torch.cat([self.score(torch.cat([x, e], dim=1)) for x, e in pieces])

    def shared(self, errors: Tensor, rows: Tensor | None = None) -> Tensor:
        """Scores `(lanes, rows, classes)` where all samples meet the same errors `(lanes, angles)`."""
        every = torch.arange(len(self.inputs)) if rows is None else rows
        lanes = len(errors)
        found = self.scores(errors.repeat_interleave(len(every), dim=0), every.repeat(lanes))
        return found.reshape(lanes, len(every), -1)


@lru_cache(maxsize=32)
def with_errors(circuit: Circuit) -> Circuit:
    """The circuit with one more input per gate angle, which is added to it, in the order of the circuit.

    Example:
        >>> print(with_errors(Circuit(1).add("RX", 0, 0.5)).gates[0])
        RX(0.5 + x0) q0
    """
    first, gates = circuit.inputs, []
    for gate in circuit.gates:
        angles = [
            angle + Angle(terms=(Term(1.0, input=first + place),))
            for place, angle in enumerate(gate.angles)
            if isinstance(angle, Angle)
        ]
        first += len(angles)
        gates.append(replace(gate, angles=tuple(angles)))
    return replace(circuit, gates=tuple(gates))


def gate_angles(circuit: Circuit, inputs: Tensor, weights: Tensor) -> Tensor:
    """The value of every gate angle `(batch, angles)`, for circuit inputs `(batch, inputs)` and weights.

    Example:
        >>> from counterspin.circuits import feature
        >>> circuit = Circuit(1).add("RX", 0, 2.0 * feature(0)).add("RZ", 0, 0.5)
        >>> gate_angles(circuit, torch.tensor([[0.3]]), torch.zeros(0)).tolist()
        [[0.6000000238418579, 0.5]]
    """
    found = []
    for gate in circuit.gates:
        for angle in gate.angles:
            if not isinstance(angle, Angle):
                raise _computed_outside()
            value = inputs.new_full((len(inputs),), angle.constant)
            for term in angle.terms:
                factor = term.coefficient * (1.0 if term.weight is None else weights[term.weight])
                value = value + factor * (1.0 if term.input is None else inputs[:, term.input])
            found.append(value)
    return torch.stack(found, dim=1)


def check_gate_angles(model: Classifier) -> None:
    """Refuse a model without gate angles that could be off, before any compute.

    Raises:
        CapabilityError: no circuit, or angles that are tensors computed outside.
        ConditionsError: no gate with an angle, or mitigated scores.
    """
    if not isinstance(model, HasCircuit) or (isinstance(model, HasChannels) and not isinstance(model, NoisyClassifier)):
        raise CapabilityError(
            f"model ({type(model).__name__}) does not end in one circuit, so it has no gate angles to attack; attack "
            "its features, or give a quantum model."
        )
    angles = [angle for gate in model.circuit.gates for angle in gate.angles]
    if not angles:
        raise ConditionsError("the circuit has no gate with an angle, so no angle can be off; attack its states.")
    if not all(isinstance(angle, Angle) for angle in angles):
        raise _computed_outside()
    if isinstance(model, NoisyClassifier) and model.mitigation is not None:
        raise ConditionsError(
            f"the scores are mitigated ({model.mitigation.name}), and errors of the gates would change the mitigation "
            "too; attack the model without mitigation."
        )


def gate_errors(model: Any, x: Tensor, scores: Tensor) -> GateErrors:
    """The scores of samples as a function of gate errors.

    Args:
        model: what `check_gate_angles` accepts.
        x: features float64 `(batch, features)`.
        scores: what the model returns for them `(batch, classes)`.

    Raises:
        CapabilityError: the model does more with its circuit than it shows.
    """
    own, weights, readout = model.circuit, model.weights.detach().double(), model.readout
    noise = model.noise if isinstance(model, NoisyClassifier) else None
    circuit = with_errors(own)
    angled = [(place, kind) for place, gate in enumerate(own.gates) for kind in GATES[gate.kind].frequencies]

    def score(inputs: Tensor) -> Tensor:
        # Drawn afresh from the model's own seed, as in its forward: all calls meet the same draws.
        source = None if noise is None else torch.Generator().manual_seed(model.seed)
        engine = getattr(model, "engine", "auto")
        return run(circuit, inputs, weights, readout, noise=noise, generator=source, engine=engine).double()

    site = GateErrors(
        circuit=circuit,
        inputs=model.circuit_inputs(x).detach().double(),
        frequencies=tuple(frequencies for _, frequencies in angled),
        gate=torch.tensor([place for place, _ in angled]),
        score=score,
        cost=Cost(),
    )
    gap = float((site.scores(torch.zeros(site.angles, dtype=torch.float64)) - scores).abs().max())
    if gap > _SAME * max(1.0, float(scores.abs().max())):
        raise CapabilityError(
            f"model ({type(model).__name__}) scores otherwise than the circuit it shows (by {gap:.2g}), so an error of "
            "a gate cannot be followed through it; attack its features."
        )
    return site


def _computed_outside() -> CapabilityError:
    return CapabilityError(
        "the circuit has gate angles given as tensors, which an error cannot be added to; make them inputs or weights."
    )
