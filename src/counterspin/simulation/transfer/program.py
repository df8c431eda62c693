"""A circuit with channels compiled for the kernel: passes, what is read, and both as its tables."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from counterspin.circuits import Circuit, Given
from counterspin.simulation.transfer.abi import TransferStruct
from counterspin.simulation.transfer.fusion import Fused, Run, fuse
from counterspin.simulation.transfer.primitives import Constant, Primitives
from counterspin.simulation.transfer.reads import Reads
from counterspin.simulation.transfer.schedule import TILE_QUBITS, schedule
from counterspin.simulation.transfer.tables import tabulated
from counterspin.simulation.transfer.trimming import Trimmed, trimmed

__all__ = ["TransferProgram", "compiled"]


@dataclass(frozen=True, eq=False, kw_only=True)
class TransferProgram:
    """What the kernel runs.

    Args:
        qubits: number of qubits.
        inputs: number of inputs, tensors given as angles appended.
        weights: number of weights.
        first: what is applied to |0…0⟩, one run per qubit; None: the state before the first pass is given.
        passes: what is applied then.
        reads: what is read behind the last pass.
        given: tensors given as gate angles, the inputs after the circuit's own.
    """

    qubits: int
    inputs: int
    weights: int
    first: tuple[Run, ...] | None
    passes: tuple[Trimmed, ...]
    reads: Reads
    given: tuple[Given, ...]

    @cached_property
    def flops(self) -> tuple[float, float]:
        """Estimated floating-point operations per sample, forward and backward."""
        forward = sum(step.flops for step in self.passes)
        first = 0.0 if self.first is None else 4.0**self.qubits
        return forward + first, 3.0 * forward + 4.0 * first

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
        tables, counts = tabulated(self.first or (), self.passes, self.reads, real)
        own = {name: counts.pop(name) for name in ("passes", "most_ops", "most_taped", "longest")}
        struct = TransferStruct(**own)
        for name, value in {**counts, "qubits": self.qubits, "inputs": self.inputs, "weights": self.weights}.items():
            setattr(struct.angles, name, value)
        struct.angles.values = self.reads.values
        for name, table in tables.items():
            owner = struct.angles if name in ("angle", "term", "rotation") else struct
            setattr(owner, name, table.ctypes.data_as(ctypes.c_void_p).value)
        struct.preparation = None if self.first is None else struct.op
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
    ops = fuse(found.steps)
    first, ops = (None, ops) if circuit.amplitudes is not None else _first_runs(ops, circuit.qubits)
    passes, last = schedule(ops, circuit.qubits)
    moved = Reads(wanted.starts, last.source[wanted.indices], wanted.coefficients * last.scale[wanted.indices])
    return TransferProgram(
        qubits=circuit.qubits,
        inputs=circuit.inputs + len(found.given),
        weights=circuit.weights,
        first=first,
        passes=trimmed(passes, moved, circuit.qubits),
        reads=moved,
        given=found.given,
    )


def _first_runs(ops: Sequence[Fused], qubits: int) -> tuple[tuple[Run, ...], list[Fused]]:
    """The run that is first on each qubit, empty where it is something else, and the rest."""
    first: dict[int, Run] = {}
    touched: set[int] = set()
    rest = []
    for op in ops:
        if isinstance(op, Run) and op.qubits[0] not in touched:
            first[op.qubits[0]] = op
        else:
            rest.append(op)
        touched |= set(op.qubits)
    return tuple(first.get(q, Run((q,), ())) for q in range(qubits)), rest
