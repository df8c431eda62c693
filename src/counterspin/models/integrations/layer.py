"""A quantum layer of another library that runs here: the same parameters, the same values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from counterspin.circuits import Circuit, Linear, Measurement, Readout
from counterspin.errors import ModelError
from counterspin.models.integrations.reading import Unreadable
from counterspin.simulation import run

__all__ = ["ImportedLayer", "LayerReading", "affine_weights"]


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerReading:
    """A layer as a circuit, with its parameters still free.

    Args:
        circuit: its inputs and weights are computed from activations and parameters.
        inputs: activations `(batch, features)` float64 and parameters by name -> circuit inputs `(batch, inputs)`.
        weights: parameters by name -> circuit weights `(weights,)` float64.
        measurement: what is measured.
        head: values = head(measured values); None: the measured values are the values.
    """

    circuit: Circuit
    inputs: Callable[[Tensor, Mapping[str, Tensor]], Tensor]
    weights: Callable[[Mapping[str, Tensor]], Tensor]
    measurement: Measurement
    head: Linear | None


class ImportedLayer(nn.Module):
    """A layer whose circuit was read: its `state_dict` is that of the layer it replaces.

    It computes in float64, as simulators of other libraries do, and returns the dtype of its input. Gradients reach the
    input and the parameters.

    Args:
        reading: the circuit.
        parameters: the layer's parameters by name; they are shared, not copied.
        flat: a single value per sample comes without an axis of its own.
    """

    def __init__(self, reading: LayerReading, parameters: Mapping[str, nn.Parameter], *, flat: bool) -> None:
        super().__init__()
        for name, parameter in parameters.items():
            self.register_parameter(name, parameter)
        self.reading = reading
        self.flat = flat

    def forward(self, x: Tensor) -> Tensor:
        """Values `(..., values)`, or `(...)` if flat, of `x` `(..., features)`.

        Raises:
            ModelError: parameters for which the layer is another circuit than the one that was read.
        """
        parameters = dict(self.named_parameters(remove_duplicate=False))
        rows = x.reshape(-1, x.shape[-1]).double()
        readout = Readout(self.reading.measurement, self.reading.head)
        try:
            inputs, weights = self.reading.inputs(rows, parameters), self.reading.weights(parameters)
        except Unreadable as obstacle:
            raise ModelError(f"the layer cannot run with these parameters: {obstacle}; accelerate it again.") from None
        values = run(self.reading.circuit, inputs, weights.to(inputs), readout)
        shape = x.shape[:-1] if self.flat else (*x.shape[:-1], values.shape[-1])
        return values.reshape(shape).to(x.dtype)

    def extra_repr(self) -> str:
        """For example `4 qubits, 24 gates`."""
        return f"{self.reading.circuit.qubits} qubits, {len(self.reading.circuit.gates)} gates"


def affine_weights(function: Callable[[Tensor], Tensor], start: Tensor) -> Callable[[Tensor], Tensor]:
    """The function itself, or the affine map that it is: from its Jacobian, confirmed at another point.

    Args:
        function: parameters `(count,)` float64 -> circuit weights `(weights,)`, attached to autograd.
        start: a point.

    Example:
        >>> twice = affine_weights(lambda w: 2 * w, torch.zeros(2, dtype=torch.float64))
        >>> twice(torch.tensor([1.0, 3.0], dtype=torch.float64)).tolist()
        [2.0, 6.0]
    """
    start = start.detach().double()
    leaf = start.clone().requires_grad_()
    with torch.enable_grad():
        values = function(leaf)
        rows = [torch.autograd.grad(v, leaf, retain_graph=True, allow_unused=True)[0] for v in values]
    slope = (
        torch.stack([torch.zeros_like(start) if row is None else row for row in rows])
        if rows
        else leaf.new_zeros(0, len(start))
    )
    constant = values.detach() - slope @ start
    other = start + torch.randn(start.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with torch.no_grad():
        affine = torch.allclose(slope @ other + constant, function(other), rtol=1e-12, atol=1e-10)
    return (lambda weights: slope.to(weights) @ weights + constant.to(weights)) if affine else function
