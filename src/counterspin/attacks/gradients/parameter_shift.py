"""Gradients from shifted circuits, as on hardware."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from counterspin.attacks.gradients.base import Evaluation, GradientSource, Objective, check_count, check_generator
from counterspin.errors import CapabilityError
from counterspin.types import Classifier, Cost, HasChannels, HasCircuit

if TYPE_CHECKING:
    from counterspin.circuits import Circuit, Readout

__all__ = ["ParameterShift"]


@dataclass(frozen=True, kw_only=True)
class ParameterShift(GradientSource):
    r"""Shift rules per gate: what a quantum device can measure, at many circuits per gradient.

    .. math:: \nabla_u \ell = \sum_k \frac{\partial \ell}{\partial z_k} \nabla_u z_k

    with :math:`\nabla_u z_k` from shifted circuits (arXiv:1811.11184, arXiv:2107.12390) and the small outer derivative
    from autograd. A classical front `circuit_inputs(x)` before the circuit is differentiated by autograd too. A noisy
    model's circuits are shifted under its noise, which hangs on no angle.

    Args:
        shots: measurements of each shifted circuit and setting, which make the gradient a random, unbiased estimate
            (scores stay those of the model); None: infinitely many.

    Raises:
        UsageError: shots below 1.
    """

    shots: int | None = None

    def __post_init__(self) -> None:
        """Refuse shots below 1."""
        if self.shots is not None:
            check_count("shots", self.shots)

    def check(self, model: Classifier) -> None:
        """Refuse a model that is not one circuit, or combines several by mitigation."""
        if not isinstance(model, HasCircuit):
            raise CapabilityError(
                f"model ({type(model).__name__}) shows no circuit, weights, readout and circuit_inputs, which "
                "ParameterShift needs; use gradient=Autodiff()."
            )
        if getattr(model, "mitigation", None) is not None:
            raise _no_circuit(model)

    def price(self, model: Classifier, rows: int) -> Cost:
        """Every shifted circuit in every setting of the readout; finite shots are those of the shifted circuits."""
        # Imported here: an attack by autodiff on a user's own model needs no simulator.
        from counterspin.simulation import shifted_circuits
        from counterspin.simulation.measurement import settings

        circuit, readout = _shown(model)
        unshifted = len(settings(readout.measurement, circuit.qubits))
        circuits = (1 + shifted_circuits(circuit)) * unshifted
        shots = 0 if self.shots is None else rows * (circuits - unshifted) * self.shots
        return Cost(forwards=rows, circuits=rows * circuits, shots=shots)

    def __call__(
        self, model: Classifier, x: Tensor, objective: Objective, generator: torch.Generator | None = None
    ) -> Evaluation:
        """Value and gradient from shifted circuits; every circuit and every shot is counted.

        Raises:
            CapabilityError: the model shows no circuit.
            UsageError: finite shots without a generator.
        """
        from counterspin.simulation import shift_jacobian

        if not isinstance(model, HasCircuit):
            raise _no_circuit(model)
        self.check(model)
        source = None if self.shots is None else check_generator(self, generator)
        with torch.enable_grad():
            leaf = x.detach().clone().requires_grad_()
            inputs = model.circuit_inputs(leaf)
        weights = model.weights.detach().to(x.dtype)
        noise = getattr(model, "noise", None) if isinstance(model, HasChannels) else None
        if noise is not None and source is None:
            # Errors drawn beyond 8 qubits are those of the model.
            source = torch.Generator().manual_seed(getattr(model, "seed", 0))
        scores, jacobian, _ = shift_jacobian(
            model.circuit, inputs.detach(), weights, model.readout, noise=noise, shots=self.shots, generator=source
        )
        with torch.enable_grad():
            knob = scores.detach().clone().requires_grad_()
            value = objective(knob)
            (outer,) = torch.autograd.grad(value.sum(), knob)
        gradient = torch.einsum("bk,bki->bi", outer, jacobian)
        if inputs is not leaf:
            (gradient,) = torch.autograd.grad(inputs, leaf, gradient)
        return Evaluation(knob.detach(), value.detach(), gradient, self.price(model, len(x)))


def _shown(model: Classifier) -> tuple[Circuit, Readout]:
    if not isinstance(model, HasCircuit):
        raise _no_circuit(model)
    return model.circuit, model.readout


def _no_circuit(model: Classifier) -> CapabilityError:
    return CapabilityError(f"model ({type(model).__name__}) shows no circuit that gives its scores; use Autodiff().")
