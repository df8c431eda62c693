r"""Observables in the Heisenberg picture, applied without being written down.

A frozen amplitude-encoded circuit of many qubits has scores :math:`z_k = x^T F_k x / x^T x` whose forms do not fit into
memory. Products with them do: the gradient of a combination of scores is one simulation forward and one back.
"""

import numpy as np
import torch
from torch import Tensor

from counterspin.circuits import Circuit, Linear, Readout, Scale
from counterspin.errors import ConditionsError
from counterspin.simulation.measurement import settings
from counterspin.simulation.run import run

__all__ = ["form_times", "score_range"]


def form_times(circuit: Circuit, weights: Tensor, readout: Readout, coefficients: Tensor, x: Tensor) -> Tensor:
    r"""Products `(batch, features)` of a combination of forms with each row of `x`.

    .. math:: F x = \tfrac12 \|x\|^2\, \nabla m + m\, x, \qquad F = \sum_k c_k F_k, \quad m = x^T F x / x^T x

    Args:
        circuit: amplitude-encoded, without inputs in gate angles.
        weights: `(weights,)`, frozen.
        readout: measurement and head.
        coefficients: c `(classes,)`.
        x: `(batch, features)`; a zero row gives zero.

    Raises:
        ConditionsError: the scores are no quadratic form of the unit input.

    Example:
        >>> from counterspin.circuits import OutcomeGroups, amplitude_encoding
        >>> readout = Readout(OutcomeGroups((0,), ((0,), (1,))))
        >>> x = torch.tensor([[3.0, 4.0]], dtype=torch.float64)
        >>> product = form_times(amplitude_encoding(2), torch.zeros(0), readout, torch.tensor([1.0, -1.0]), x)
        >>> product.round(decimals=9).tolist()
        [[3.0, -4.0]]
    """
    if circuit.amplitudes is None or circuit.depends_on_inputs_by_gates:
        raise ConditionsError(
            "the scores are quadratic forms only where all data enter as amplitudes; this circuit encodes data in gate "
            "angles."
        )
    zero = (x == 0).all(dim=1, keepdim=True)
    with torch.enable_grad():
        # The direction alone is simulated: gradients of unit vectors are of order 1 in any precision.
        norm = torch.linalg.vector_norm(x.detach(), dim=1, keepdim=True)
        unit = torch.where(zero, torch.ones_like(x), x.detach() / torch.where(zero, 1.0, norm)).requires_grad_()
        scores = run(circuit, unit, weights.detach(), readout)
        margin = scores @ coefficients.to(scores)
        (gradient,) = torch.autograd.grad(margin.sum(), unit)
    product = gradient / 2 + margin.detach()[:, None] * unit.detach()
    return torch.where(zero, 0.0, norm * product)


def score_range(readout: Readout, qubits: int, coefficients: Tensor) -> tuple[float, float]:
    r"""An interval that holds the spectrum of :math:`\sum_k c_k M_k`, whatever unitary comes before the measurement.

    Exact for observables measured in one setting. For several settings the ends of each are added up (Weyl), which
    bounds from outside. Restricting the form to real data or to padded inputs only narrows the spectrum.

    Args:
        readout: measurement and head.
        qubits: of the circuit.
        coefficients: c `(classes,)`.

    Example:
        >>> from counterspin.circuits import OutcomeGroups
        >>> score_range(Readout(OutcomeGroups((0,), ((0,), (1,)))), 3, torch.tensor([1.0, -1.0]))
        (-1.0, 1.0)
    """
    c = coefficients.double()
    offset = 0.0
    match readout.head:
        case Linear(weight, bias):
            c, offset = c @ weight.detach().double(), float(c @ bias.detach().double())
        case Scale(value):
            c = c * value.detach().double()
        case _:
            pass
    low, high = offset, offset
    for setting in settings(readout.measurement, qubits):
        values = setting.table @ np.asarray(c)
        low, high = low + float(values.min()), high + float(values.max())
    return low, high
