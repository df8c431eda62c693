"""The compiled library: found, the fastest copy for this processor chosen, called with the GIL released."""

from __future__ import annotations

import ctypes
import importlib.machinery
import logging
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from counterspin.errors import ResourceError
from counterspin.simulation.arguments import zero_vector
from counterspin.simulation.kernels.abi import LAYOUT, ProgramStruct
from counterspin.simulation.kernels.program import FlatProgram

__all__ = ["VARIANTS", "Kernel", "check_status", "kernel", "load_library", "threads_for"]

_LOG = logging.getLogger("counterspin")

_OUT_OF_MEMORY, _ZERO_VECTOR = 1, 2
# Instruction sets and the bytes of their vectors, as in setup.py.
_VECTOR_BYTES = {"v4": 64, "v3": 32, "default": 16}
VARIANTS = tuple(_VECTOR_BYTES)
_PRECISIONS = {torch.float32: "f32", torch.float64: "f64"}

# Starting a thread and waiting for it costs about 70 µs; below this much work for each, one fewer is faster.
_FLOPS_PER_THREAD = 4e6


@dataclass(frozen=True, eq=False)
class Kernel:
    """One copy of the kernel.

    Args:
        library: the loaded library.
        variant: instruction set, `"v4"` (AVX-512), `"v3"` (AVX2) or `"default"`.
    """

    library: ctypes.CDLL
    variant: str

    def thread_bytes(self, qubits: int) -> int:
        """Memory of the two states a thread works on; the same in both precisions, narrow numbers fill more lanes."""
        return 2 * 2 * _VECTOR_BYTES[self.variant] * 2**qubits

    def lanes(self, inputs: Tensor) -> int:
        """Samples of one block, in the precision of `inputs`."""
        return _VECTOR_BYTES[self.variant] // inputs.element_size()

    def state_bytes(self, qubits: int, inputs: Tensor, *, kept: bool) -> int:
        """Memory for the states of `inputs` `(batch, inputs)`: two per thread, and all of them where they are kept."""
        saved = len(inputs) * 2 * inputs.element_size() * 2**qubits if kept else 0
        return torch.get_num_threads() * self.thread_bytes(qubits) + saved

    def forward(
        self, program: FlatProgram, inputs: Tensor, weights: Tensor, *, keep_states: bool
    ) -> tuple[Tensor, Tensor]:
        """Measured values `(batch, values)` and, for the way back, the final states as bytes (none if not kept).

        Args:
            program: the compiled circuit.
            inputs: `(batch, inputs)` contiguous.
            weights: `(weights,)` contiguous, same dtype.
            keep_states: whether the way back will be walked.

        Raises:
            InputError: a sample to encode is the zero vector.
            ResourceError: out of memory.
        """
        batch = inputs.shape[0]
        values = inputs.new_empty(batch, program.values)
        size = self._function("states_size", inputs)(ctypes.byref(program.struct), batch) if keep_states else 0
        states = torch.empty(size, dtype=torch.uint8)
        status = self._function("forward", inputs)(
            ctypes.byref(program.struct),
            inputs.data_ptr(),
            weights.data_ptr(),
            batch,
            values.data_ptr(),
            states.data_ptr() or None,
            threads_for(batch * program.flops[0]),
        )
        if status == _ZERO_VECTOR:
            raise zero_vector(inputs[:, : program.encoded])
        check_status(status)
        return values, states

    def backward(
        self,
        program: FlatProgram,
        inputs: Tensor,
        weights: Tensor,
        states: Tensor,
        gradient: Tensor,
        *,
        wanted: tuple[bool, bool],
    ) -> tuple[Tensor | None, Tensor | None]:
        """Gradients `(batch, inputs)` and `(weights,)` of a loss from its gradient `(batch, values)`.

        Args:
            program: the compiled circuit.
            inputs: as in `forward`.
            weights: as in `forward`.
            states: what `forward` kept.
            gradient: contiguous, of the values.
            wanted: whether gradients of the inputs and of the weights are asked for.
        """
        of_inputs = torch.empty_like(inputs) if wanted[0] else None
        of_weights = torch.empty_like(weights) if wanted[1] else None
        status = self._function("backward", inputs)(
            ctypes.byref(program.struct),
            inputs.data_ptr(),
            weights.data_ptr(),
            inputs.shape[0],
            states.data_ptr(),
            gradient.data_ptr(),
            None if of_inputs is None else of_inputs.data_ptr(),
            None if of_weights is None else of_weights.data_ptr(),
            threads_for(inputs.shape[0] * program.flops[1]),
        )
        check_status(status)
        return of_inputs, of_weights

    def _function(self, name: str, inputs: Tensor) -> Any:
        return getattr(self.library, f"counterspin_{name}_{_PRECISIONS[inputs.dtype]}_{self.variant}")


@lru_cache(maxsize=1)
def kernel() -> Kernel | None:
    """The kernel for this processor, or None where the package has none, for want of a C compiler (said once)."""
    try:
        library = load_library()
    except OSError as reason:
        _LOG.warning("counterspin: the compiled engine is missing (%s); the torch engine serves, more slowly.", reason)
        return None
    return Kernel(library, library.counterspin_best_variant().decode())


def load_library() -> ctypes.CDLL:
    """The compiled library with its signatures declared.

    Raises:
        OSError: it was not built, or cannot be loaded.
    """
    suffixes = importlib.machinery.EXTENSION_SUFFIXES
    found = [path for suffix in suffixes if (path := Path(__file__).with_name(f"_native{suffix}")).exists()]
    if not found:
        raise FileNotFoundError("it was not built; install a C compiler such as gcc, then counterspin again")
    library = ctypes.CDLL(str(found[0]))
    if not hasattr(library, "counterspin_layout") or library.counterspin_layout() != LAYOUT:
        raise OSError(f"{found[0].name} was built from other sources; install counterspin again")
    library.counterspin_best_variant.restype = ctypes.c_char_p
    pointer, program, count = ctypes.c_void_p, ctypes.POINTER(ProgramStruct), ctypes.c_int64
    signatures = {
        "states_size": ([program, count], count),
        "forward": ([program, pointer, pointer, count, pointer, pointer, ctypes.c_int], ctypes.c_int),
        "backward": ([program, pointer, pointer, count, *[pointer] * 4, ctypes.c_int], ctypes.c_int),
    }
    for name, (arguments, result) in signatures.items():
        for precision in _PRECISIONS.values():
            for variant in VARIANTS:
                function = getattr(library, f"counterspin_{name}_{precision}_{variant}", None)
                if function is not None:
                    function.argtypes, function.restype = arguments, result
    return library


def threads_for(flops: float) -> int:
    """How many threads a call with this many floating-point operations is worth."""
    return max(1, min(torch.get_num_threads(), int(flops / _FLOPS_PER_THREAD)))


def check_status(status: int) -> None:
    """Turn what a function of the library returned into an error.

    Raises:
        ResourceError: it found no memory.
    """
    if status == _OUT_OF_MEMORY:
        raise ResourceError(
            "the compiled engine found no memory for its states; use fewer qubits, smaller batches or fewer threads "
            "(torch.set_num_threads)."
        )
