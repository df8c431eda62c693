"""Gradients from shifted circuits on a device: all shifts of all samples in one job."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from counterspin.attacks.gradients.base import Evaluation, GradientSource, Objective
from counterspin.errors import CapabilityError
from counterspin.models.integrations.backends import OnDevice
from counterspin.simulation import shifted_angles
from counterspin.types import Classifier, Cost

__all__ = ["DeviceShift"]


@dataclass(frozen=True, kw_only=True)
class DeviceShift(GradientSource):
    r"""Shift rules per gate, measured on the device of an `OnDevice` model.

    .. math:: \nabla_x \ell = \sum_k \frac{\partial \ell}{\partial z_k}
        \sum_a \Bigl(\sum_\mu c_\mu\, z_k(\theta_a + s_\mu)\Bigr) \nabla_x \theta_a

    over the gate angles :math:`\theta_a` that hang on the data (arXiv:1811.11184, arXiv:2107.12390); what makes angles
    out of features is differentiated by autograd. Scores and shifted scores come from one job. The gradient is unbiased
    where the loss is linear in the scores. `Twin` costs one circuit where this costs two or four per angle.
    """

    averages: ClassVar[bool] = True

    def check(self, model: Classifier) -> None:
        """Refuse models that run on no device, and amplitude encodings."""
        _checked(model)

    def price(self, model: Classifier, rows: int) -> Cost:
        """A circuit per row, setting and shift, and one more for the scores; all in one job."""
        device = _checked(model)
        points = rows * (1 + len(shifted_angles(device.model.circuit)))
        cost = device.call_price(points)
        return Cost(forwards=rows, circuits=cost.circuits, shots=cost.shots, jobs=cost.jobs)

    def __call__(
        self, model: Classifier, x: torch.Tensor, objective: Objective, generator: torch.Generator | None = None
    ) -> Evaluation:
        """Value and gradient from one job.

        Raises:
            CapabilityError: the model runs on no device, or encodes amplitudes.
        """
        device = _checked(model)
        shifts = shifted_angles(device.model.circuit)
        with torch.enable_grad():
            leaf = x.detach().double().requires_grad_()
            angles = device.angles(device.model.circuit_inputs(leaf))
        here = angles.detach()
        moved = here.repeat(1 + len(shifts), 1, 1)
        for place, (column, _, shift) in enumerate(shifts, start=1):
            moved[place, :, column] += shift
        scores = device.scores_at(moved.flatten(0, 1)).unflatten(0, (1 + len(shifts), len(x)))
        with torch.enable_grad():
            knob = scores[0].to(x).requires_grad_()
            value = objective(knob)
            (outer,) = torch.autograd.grad(value.sum(), knob)
        slopes = torch.zeros_like(here)
        for place, (column, coefficient, _) in enumerate(shifts, start=1):
            slopes[:, column] += coefficient * (outer.double() * scores[place]).sum(dim=1)
        gradient = torch.zeros_like(leaf)
        if angles.requires_grad:
            (found,) = torch.autograd.grad(angles, leaf, slopes, allow_unused=True)
            gradient = gradient if found is None else found
        return Evaluation(knob.detach(), value.detach(), gradient.to(x), self.price(model, len(x)))


def _checked(model: Classifier) -> OnDevice:
    if not isinstance(model, OnDevice):
        raise CapabilityError(
            f"model ({type(model).__name__}) runs on no device; use gradient=ParameterShift(), or OnDevice(model, ...)."
        )
    if model.model.circuit.amplitudes is not None:
        raise CapabilityError(
            "model encodes its features as amplitudes, which no gate angle of the device's circuit holds; use "
            "gradient=Twin(), or SPSA()."
        )
    return model
