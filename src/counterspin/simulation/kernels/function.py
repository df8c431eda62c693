"""The compiled engine under autograd."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from counterspin.circuits import Circuit, Measurement
from counterspin.errors import CapabilityError
from counterspin.simulation.angles import given_columns
from counterspin.simulation.arguments import check_memory
from counterspin.simulation.kernels.library import Kernel
from counterspin.simulation.kernels.lowering import lower
from counterspin.simulation.kernels.program import FlatProgram

__all__ = ["kernel_values"]


def kernel_values(
    kernel: Kernel, circuit: Circuit, inputs: Tensor, weights: Tensor, measurement: Measurement
) -> Tensor:
    """Exact values `(batch, values)` of the measurement, attached to autograd for inputs and weights.

    Args:
        kernel: a copy of the kernel.
        circuit: what to run.
        inputs: `(batch, inputs)` on the CPU.
        weights: `(weights,)` in the dtype of the inputs.
        measurement: what is measured.

    Raises:
        InputError: a sample to encode is the zero vector; a tensor given as angle has another batch size.
        ResourceError: no memory.
    """
    kept = _needs_graph(inputs, weights)
    check_memory(circuit.qubits, kernel.state_bytes(circuit.qubits, inputs, kept=kept))
    program = lower(circuit, measurement)
    if program.given:
        inputs = torch.cat([inputs, given_columns(program.given, inputs)], dim=1)
    # Outside the function, so that what it saves is part of the graph: a second derivative must be noticed.
    inputs, weights = _plain(inputs), _plain(weights)
    if _needs_graph(inputs, weights):
        return _Forward.apply(inputs, weights, kernel, program)
    values, _ = kernel.forward(program, inputs.detach(), weights.detach(), keep_states=False)
    return values


def _needs_graph(inputs: Tensor, weights: Tensor) -> bool:
    return torch.is_grad_enabled() and (inputs.requires_grad or weights.requires_grad)


def _plain(values: Tensor) -> Tensor:
    """As the kernel reads them: contiguous, and no view that owes a change of sign (`z.conj().imag`)."""
    return values.resolve_neg().contiguous()


class _Forward(torch.autograd.Function):
    """Values, keeping the final states; the way back rebuilds everything else from them."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weights: Tensor, kernel: Kernel, program: FlatProgram) -> Tensor:
        values, states = kernel.forward(program, inputs, weights, keep_states=True)
        ctx.save_for_backward(inputs, weights, states)
        ctx.kernel, ctx.program = kernel, program
        return values

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        inputs, weights, states = ctx.saved_tensors
        wanted = (ctx.needs_input_grad[0], ctx.needs_input_grad[1])
        found = _Backward.apply(inputs, weights, gradients[0], states, ctx.kernel, ctx.program, wanted)
        return found[0], found[1], None, None


class _Backward(torch.autograd.Function):
    """The gradients; a function of its own so that asking for their derivative says what to do."""

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        inputs: Tensor,
        weights: Tensor,
        gradient: Tensor,
        states: Tensor,
        kernel: Kernel,
        program: FlatProgram,
        wanted: tuple[bool, bool],
    ) -> tuple[Tensor | None, Tensor | None]:
        return kernel.backward(program, inputs, weights, states, _plain(gradient), wanted=wanted)

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> None:
        raise CapabilityError(
            "the compiled engine has no second derivatives; run the model with engine='torch', for example "
            "model.engine = 'torch'."
        )
