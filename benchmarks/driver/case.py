"""Case files: one call of the kernel with everything it takes, as driver.c reads them, and the results it writes."""

import ctypes
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from counterspin.circuits import Circuit, Measurement
from counterspin.simulation.kernels import lower
from counterspin.simulation.kernels.abi import ProgramStruct

__all__ = ["Case", "Results"]

_TABLES = ("angle", "term", "rotation", "pass_", "signs", "pauli", "group")
_NEEDS_WEIGHTS, _NEEDS_INPUTS = 1, 2


class _Header(ctypes.Structure):
    _fields_ = (
        ("magic", ctypes.c_char * 8),
        ("real_bytes", ctypes.c_int32),
        ("wanted", ctypes.c_int32),
        ("batch", ctypes.c_int64),
        ("program", ProgramStruct),
        ("bytes", ctypes.c_int64 * (len(_TABLES) + 3)),
    )


@dataclass(frozen=True, kw_only=True)
class Results:
    """What the kernel computed: values `(batch, values)` and the wanted gradients, shaped like what they belong to."""

    values: Tensor
    inputs: Tensor | None
    weights: Tensor | None
    start: Tensor | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """One call of the kernel.

    Args:
        circuit: what runs; it holds no tensors as angles.
        measurement: what is measured; None: nothing.
        inputs: `(batch, inputs)`, float32 or float64.
        weights: `(weights,)`, same dtype.
        gradient: `(batch, values)` of a loss, same dtype.
        wanted: whether the gradients of the inputs and of the weights are computed.
    """

    circuit: Circuit
    measurement: Measurement | None
    inputs: Tensor
    weights: Tensor
    gradient: Tensor
    wanted: tuple[bool, bool]

    @classmethod
    def random(
        cls,
        circuit: Circuit,
        measurement: Measurement | None,
        batch: int,
        *,
        dtype: torch.dtype = torch.float32,
        wanted: tuple[bool, bool] = (True, True),
    ) -> "Case":
        """A case with normally distributed numbers, always the same ones."""
        generator, values = torch.Generator().manual_seed(0), 0 if measurement is None else measurement.values
        shapes = {"inputs": (batch, circuit.inputs), "weights": (circuit.weights,), "gradient": (batch, values)}
        tensors = {name: torch.randn(shape, generator=generator, dtype=dtype) for name, shape in shapes.items()}
        return cls(circuit=circuit, measurement=measurement, wanted=wanted, **tensors)

    def write(self, path: Path) -> None:
        """Write the case file."""
        struct = lower(self.circuit, self.measurement).struct
        tensors = (self.inputs, self.weights, self.gradient)
        sections = [
            *(struct.tables[name].tobytes() for name in _TABLES),
            *(tensor.detach().contiguous().numpy().tobytes() for tensor in tensors),
        ]
        header = _Header(
            magic=b"cs-case1",
            real_bytes=self.inputs.element_size(),
            wanted=self.wanted[0] * _NEEDS_INPUTS | self.wanted[1] * _NEEDS_WEIGHTS,
            batch=len(self.inputs),
            program=struct,
            bytes=tuple(map(len, sections)),
        )
        path.write_bytes(b"".join([bytes(header), *sections]))

    def read_results(self, path: Path) -> Results:
        """Read what the driver wrote for this case."""
        numbers = torch.from_numpy(np.fromfile(path, dtype=self.gradient.numpy().dtype))
        inputs, weights = self.inputs.shape, self.weights.shape
        sizes = [self.gradient.numel(), inputs.numel() * self.wanted[0], weights.numel() * self.wanted[1]]
        values, of_inputs, of_weights = numbers.split(sizes)
        return Results(
            values=values.view(self.gradient.shape),
            inputs=of_inputs.view(inputs) if self.wanted[0] else None,
            weights=of_weights.view(weights) if self.wanted[1] else None,
        )
