"""The compiled kernel for Pauli vectors, called with the GIL released."""

from __future__ import annotations

import ctypes
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from counterspin.simulation.kernels import Kernel
from counterspin.simulation.kernels.library import check_status, threads_for
from counterspin.simulation.transfer.abi import TransferStruct
from counterspin.simulation.transfer.program import TransferProgram

__all__ = ["backward", "forward", "needed_bytes"]

# As in kernels/c/transfer_block.h.
_ROOM_BYTES = 2**24

_POINTER, _COUNT = ctypes.c_void_p, ctypes.c_int64
_SIGNATURES = {
    "forward": [_POINTER, _POINTER, _POINTER, _COUNT, _POINTER, ctypes.c_int],
    "backward": [*[_POINTER] * 3, _COUNT, *[_POINTER] * 4, ctypes.c_int],
}


def needed_bytes(kernel: Kernel, program: TransferProgram, inputs: Tensor, *, back: bool) -> int:
    """Memory of the Pauli vectors that threads work on; with `back` also of those that the way back makes anew."""
    state = kernel.lanes(inputs) * inputs.element_size() * 4**program.qubits
    room = min(len(program.passes), max(_ROOM_BYTES // state, 3 + len(program.passes).bit_length())) if back else 0
    given = program.first is None
    return torch.get_num_threads() * (2 + given + room) * state


def forward(kernel: Kernel, program: TransferProgram, inputs: Tensor, weights: Tensor, start: Tensor | None) -> Tensor:
    """Values `(batch, values)`.

    Args:
        kernel: a copy of the kernel.
        program: the compiled circuit.
        inputs: `(batch, inputs)` contiguous.
        weights: `(weights,)` contiguous, same dtype.
        start: Pauli vectors before the first gate, `(batch, 4**qubits)` contiguous; None: of |0…0⟩.

    Raises:
        ResourceError: out of memory.
    """
    values = inputs.new_empty(len(inputs), program.reads.values)
    status = _function(kernel, "forward", inputs.dtype)(
        ctypes.byref(program.struct(inputs.dtype)),
        inputs.data_ptr(),
        weights.data_ptr(),
        None if start is None else start.data_ptr(),
        len(inputs),
        values.data_ptr(),
        threads_for(len(inputs) * program.flops[0]),
    )
    check_status(status)
    return values


def backward(
    kernel: Kernel,
    program: TransferProgram,
    inputs: Tensor,
    weights: Tensor,
    start: Tensor | None,
    gradient: Tensor,
    *,
    wanted: tuple[bool, bool, bool],
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Gradients of the inputs, the weights and the start, of a loss from its gradient `(batch, values)`.

    Args:
        kernel: a copy of the kernel.
        program: the compiled circuit.
        inputs: as in `forward`.
        weights: as in `forward`.
        start: as in `forward`.
        gradient: contiguous, of the values.
        wanted: which of the three gradients are asked for.
    """
    given = (inputs, weights, start)
    found = [torch.empty_like(t) if t is not None and asked else None for t, asked in zip(given, wanted, strict=True)]
    status = _function(kernel, "backward", inputs.dtype)(
        ctypes.byref(program.struct(inputs.dtype)),
        inputs.data_ptr(),
        weights.data_ptr(),
        None if start is None else start.data_ptr(),
        len(inputs),
        gradient.data_ptr(),
        *(None if t is None else t.data_ptr() for t in found),
        threads_for(len(inputs) * program.flops[1]),
    )
    check_status(status)
    return found[0], found[1], found[2]


@lru_cache(maxsize=64)
def _function(kernel: Kernel, name: str, dtype: torch.dtype) -> Any:
    precision = {torch.float32: "f32", torch.float64: "f64"}[dtype]
    function = getattr(kernel.library, f"counterspin_transfer_{name}_{precision}_{kernel.variant}")
    function.argtypes, function.restype = [ctypes.POINTER(TransferStruct), *_SIGNATURES[name]], ctypes.c_int
    return function
