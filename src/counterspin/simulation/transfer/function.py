"""The compiled Pauli-transfer engine under autograd."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from counterspin.errors import CapabilityError
from counterspin.simulation.arguments import check_memory
from counterspin.simulation.kernels import Kernel
from counterspin.simulation.transfer.kernel import backward, forward, needed_bytes
from counterspin.simulation.transfer.program import TransferProgram

__all__ = ["compiled_values"]


def compiled_values(
    kernel: Kernel, program: TransferProgram, inputs: Tensor, weights: Tensor, start: Tensor | None
) -> Tensor:
    """Values `(batch, values)`, attached to autograd for inputs, weights and the start.

    Args:
        kernel: a copy of the kernel.
        program: the compiled circuit with what is read.
        inputs: `(batch, inputs)` on the CPU, the tensors given as angles behind the circuit's own.
        weights: `(weights,)` in the dtype of the inputs.
        start: Pauli vectors before the first gate `(batch, 4**qubits)`; None: of |0…0⟩.

    Raises:
        ResourceError: no memory.
    """
    given = [t for t in (inputs, weights, start) if t is not None]
    attached = torch.is_grad_enabled() and any(t.requires_grad for t in given)
    check_memory(program.qubits, needed_bytes(kernel, program, inputs, back=attached))
    # Outside the function, so that what it saves is part of the graph: a second derivative must be noticed.
    inputs, weights = _plain(inputs), _plain(weights)
    start = None if start is None else _plain(start)
    if attached:
        return _Forward.apply(inputs, weights, start, kernel, program)
    return forward(kernel, program, inputs.detach(), weights.detach(), None if start is None else start.detach())


def _plain(values: Tensor) -> Tensor:
    """As the kernel reads them: contiguous, and no view that owes a change of sign."""
    return values.resolve_neg().contiguous()


class _Forward(torch.autograd.Function):
    """Values; the way back walks forward once more, for memory would cost more than that."""

    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, weights: Tensor, start: Tensor | None, kernel: Kernel, program: TransferProgram
    ) -> Tensor:
        ctx.save_for_backward(inputs, weights, start)
        ctx.kernel, ctx.program = kernel, program
        return forward(kernel, program, inputs, weights, start)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None, None]:
        inputs, weights, start = ctx.saved_tensors
        wanted = tuple(ctx.needs_input_grad[:3])
        found = _Backward.apply(inputs, weights, start, gradients[0], ctx.kernel, ctx.program, wanted)
        return found[0], found[1], found[2], None, None


class _Backward(torch.autograd.Function):
    """The gradients; a function of its own so that asking for their derivative says what to do."""

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        inputs: Tensor,
        weights: Tensor,
        start: Tensor | None,
        gradient: Tensor,
        kernel: Kernel,
        program: TransferProgram,
        wanted: tuple[bool, bool, bool],
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        return backward(kernel, program, inputs, weights, start, _plain(gradient), wanted=wanted)

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: Tensor | None) -> None:
        raise CapabilityError(
            "the compiled engine has no second derivatives; run the model with engine='torch', for example "
            "model.engine = 'torch'."
        )
