"""Where an attack's gradient comes from: autograd, shifted circuits, differences of scores, or another model."""

from counterspin.attacks.gradients.autodiff import Autodiff
from counterspin.attacks.gradients.averaging import EOT
from counterspin.attacks.gradients.base import Evaluation, GradientSource, Objective
from counterspin.attacks.gradients.bpda import BPDA
from counterspin.attacks.gradients.device_shift import DeviceShift
from counterspin.attacks.gradients.measured_shift import MeasuredShift
from counterspin.attacks.gradients.parameter_shift import ParameterShift
from counterspin.attacks.gradients.simultaneous import SPSA
from counterspin.attacks.gradients.transfer import TransferGradient, Twin

__all__ = [
    "BPDA",
    "EOT",
    "SPSA",
    "Autodiff",
    "DeviceShift",
    "Evaluation",
    "GradientSource",
    "MeasuredShift",
    "Objective",
    "ParameterShift",
    "TransferGradient",
    "Twin",
]
