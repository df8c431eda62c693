"""Case files of the kernel for Pauli vectors: one call with everything it takes, as transfer_driver.c reads them."""

import ctypes
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.driver.case import Results
from counterspin.simulation.transfer.abi import TransferStruct
from counterspin.simulation.transfer.program import TransferProgram

__all__ = ["TransferCase"]

_TABLES = (
    *("angle", "term", "rotation", "pass_", "op", "offset", "source", "scale", "map", "start", "entry", "coefficient"),
    *("read_start", "read_entry", "read_coefficient"),
)
_NEEDS = (2, 1, 4)  # of inputs, weights and start


class _Header(ctypes.Structure):
    _fields_ = (
        ("magic", ctypes.c_char * 8),
        ("real_bytes", ctypes.c_int32),
        ("wanted", ctypes.c_int32),
        ("batch", ctypes.c_int64),
        ("transfer", TransferStruct),
        ("bytes", ctypes.c_int64 * (len(_TABLES) + 4)),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class TransferCase:
    """One call of the kernel.

    Args:
        program: what runs.
        inputs: `(batch, inputs)`, float32 or float64.
        weights: `(weights,)`, same dtype.
        start: Pauli vectors before the first gate, `(batch, 4**qubits)`; None: of |0…0⟩.
        gradient: `(batch, values)` of a loss, same dtype.
        wanted: whether the gradients of the inputs, the weights and the start are computed.
    """

    program: TransferProgram
    inputs: Tensor
    weights: Tensor
    start: Tensor | None
    gradient: Tensor
    wanted: tuple[bool, bool, bool]

    def write(self, path: Path) -> None:
        """Write the case file."""
        struct = self.program.struct(self.inputs.dtype)
        tensors = (self.inputs, self.weights, self._given, self.gradient)
        sections = [
            *(struct.tables[name].tobytes() for name in _TABLES),
            *(tensor.detach().contiguous().numpy().tobytes() for tensor in tensors),
        ]
        header = _Header(
            magic=b"cs-case2",
            real_bytes=self.inputs.element_size(),
            wanted=sum(bit for bit, asked in zip(_NEEDS, self.wanted, strict=True) if asked),
            batch=len(self.inputs),
            transfer=struct,
            bytes=tuple(map(len, sections)),
        )
        path.write_bytes(b"".join([bytes(header), *sections]))

    def read_results(self, path: Path) -> Results:
        """Read what the driver wrote for this case."""
        numbers = torch.from_numpy(np.fromfile(path, dtype=self.gradient.numpy().dtype))
        given = (self.inputs, self.weights, self._given)
        sizes = [t.numel() if asked else 0 for t, asked in zip(given, self.wanted, strict=True)]
        values, *parts = numbers.split([self.gradient.numel(), *sizes])
        found = [
            part.view(t.shape) if asked else None for part, t, asked in zip(parts, given, self.wanted, strict=True)
        ]
        return Results(values=values.view(self.gradient.shape), inputs=found[0], weights=found[1], start=found[2])

    @property
    def _given(self) -> Tensor:
        return self.inputs.new_empty(0) if self.start is None else self.start
