"""A circuit with channels compiled for the kernel: passes, what is read, and both as its tables."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from counterspin.circuits import Circuit, Given
from counterspin.simulation.transfer.abi import TransferStruct
from counterspin.simulation.transfer.fusion import Run, fuse
from counterspin.simulation.transfer.primitives import Constant, Primitives
from counterspin.simulation.transfer.reads import Reads
from counterspin.simulation.transfer.schedule import TILE_QUBITS, Pass, schedule
from counterspin.simulation.transfer.tables import tabulated

__all__ = ["TransferProgram", "compiled"]


@dataclass(frozen=True, eq=False, kw_only=True)
class TransferProgram:
    """What the kernel runs.

    Args:
        qubits: number of qubits.
        inputs: number of inputs, tensors given as angles appended.
        weights: number of weights.
        passes: what is applied.
        reads: what is read behind the last pass.
        given: tensors given as gate angles, the inputs after the circuit's own.
    """

    qubits: int
    inputs: int
    weights: int
    passes: tuple[Pass, ...]
    reads: Reads
    given: tuple[Given, ...]

    @cached_property
    def flops(self) -> tuple[float, float]:
        """Estimated floating-point operations per sample, forward and backward."""
        per_string = 0.0
        for step in self.passes:
            per_string += 2.0 + sum(
                5.0 if isinstance(op, Run) else 2.0 * np.count_nonzero(op.transfer) / len(op.transfer)
                for op in step.ops
            )
        return 4.0**self.qubits * per_string, 3.0 * 4.0**self.qubits * per_string

    def struct(self, dtype: torch.dtype) -> TransferStruct:
        """The program as the kernel of a precision takes it."""
        return self._single if dtype == torch.float32 else self._double

    @cached_property
    def _single(self) -> TransferStruct:
        return self._struct(np.float32)

    @cached_property
    def _double(self) -> TransferStruct:
        return self._struct(np.float64)

    def _struct(self, real: type[np.floating]) -> TransferStruct:
        tables, counts = tabulated(self.passes, self.reads, self.qubits, real)
        own = {name: counts.pop(name) for name in ("passes", "most_ops", "most_taped", "longest")}
        struct = TransferStruct(**own)
        for name, value in {**counts, "qubits": self.qubits, "inputs": self.inputs, "weights": self.weights}.items():
            setattr(struct.angles, name, value)
        struct.angles.values = self.reads.values
        for name, table in tables.items():
            owner = struct.angles if name in ("angle", "term", "rotation") else struct
            setattr(owner, name, table.ctypes.data_as(ctypes.c_void_p).value)
        struct.tables = tables  # keeps the memory alive that the struct points to
        return struct


def compiled(circuit: Circuit, found: Primitives, wanted: Reads) -> TransferProgram | None:
    """The passes of a circuit with channels; None where a map acts on more qubits than a tile has.

    Args:
        circuit: for its numbers of qubits, inputs and weights.
        found: its steps.
        wanted: what is read.
    """
    if any(isinstance(step, Constant) and len(step.qubits) > TILE_QUBITS for step in found.steps):
        return None
    passes, last = schedule(fuse(found.steps), circuit.qubits)
    moved = Reads(wanted.starts, last.source[wanted.indices], wanted.coefficients * last.scale[wanted.indices])
    return TransferProgram(
        qubits=circuit.qubits,
        inputs=circuit.inputs + len(found.given),
        weights=circuit.weights,
        passes=passes,
        reads=moved,
        given=found.given,
    )
