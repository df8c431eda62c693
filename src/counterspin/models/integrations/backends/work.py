"""What a device is asked: one circuit with free angles, at many points, in every setting of a measurement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from counterspin.circuits import Angle, Circuit, Measurement
from counterspin.errors import CapabilityError
from counterspin.types import Cost

__all__ = ["Backend", "Column", "Template", "Work", "angle_columns", "template_of"]


@dataclass(frozen=True)
class Column:
    """A gate angle that is a column of the points."""

    index: int


@dataclass(frozen=True, kw_only=True)
class Template:
    """A circuit whose angles are numbers, or columns of values that change from point to point.

    Args:
        qubits: number of qubits, 0 being the most significant.
        gates: kind, qubits and angles of each gate, see `counterspin.circuits.GATES`.
        columns: number of columns, in the order in which gates and angles use them.
    """

    qubits: int
    gates: tuple[tuple[str, tuple[int, ...], tuple[float | Column, ...]], ...]
    columns: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Work:
    """One job.

    Args:
        template: the circuit.
        columns: its free angles `(points, columns)` float64.
        amplitudes: state that each point starts in `(points, 2**qubits)`; None: |0…0⟩.
        measurement: what is measured.
        shots: measurements of each point in each setting.
    """

    template: Template
    columns: Tensor
    amplitudes: Tensor | None
    measurement: Measurement
    shots: int


@runtime_checkable
class Backend(Protocol):
    """A device that runs work."""

    @property
    def name(self) -> str:
        """What results call it."""
        ...

    def values(self, work: Work, /) -> tuple[Tensor, Cost]:
        """Measured values `(points, values)` float64 from one job, and the circuits, shots and jobs it took."""
        ...


def template_of(circuit: Circuit, weights: Tensor) -> Template:
    """The circuit with its weights put in and one column for each angle that holds an input.

    Raises:
        CapabilityError: an angle is a tensor computed outside.
    """
    gates, column = [], 0
    for gate in circuit.gates:
        angles: list[float | Column] = []
        for angle in gate.angles:
            if not isinstance(angle, Angle):
                raise CapabilityError(
                    "the circuit holds angles that are tensors computed outside, which no device can be given; write "
                    "them as expressions of inputs and weights."
                )
            if angle.inputs:
                angles.append(Column(column))
                column += 1
            else:
                angles.append(float(_value(angle, torch.empty(1, 0, dtype=torch.float64), weights)))
        gates.append((gate.kind, gate.qubits, tuple(angles)))
    return Template(qubits=circuit.qubits, gates=tuple(gates), columns=column)


def angle_columns(circuit: Circuit, inputs: Tensor, weights: Tensor) -> Tensor:
    """The values of the angles that hold an input, `(batch, columns)`, attached to autograd.

    Args:
        circuit: the circuit.
        inputs: what enters it, `(batch, inputs)`.
        weights: `(weights,)`.
    """
    angles = [angle for gate in circuit.gates for angle in gate.angles if isinstance(angle, Angle) and angle.inputs]
    columns = [_value(angle, inputs, weights) for angle in angles]
    return torch.stack(columns, dim=1) if columns else inputs.new_zeros(len(inputs), 0)


def _value(angle: Angle, inputs: Tensor, weights: Tensor) -> Tensor:
    total = inputs.new_full((len(inputs),), angle.constant)
    for term in angle.terms:
        part = inputs.new_full((len(inputs),), term.coefficient)
        part = part if term.input is None else part * inputs[:, term.input]
        total = total + (part if term.weight is None else part * weights[term.weight].to(inputs))
    return total
