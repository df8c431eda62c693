"""Work on a PennyLane device: one tape per point and setting, all of them in one batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from counterspin.models.integrations.backends.work import Column, Work
from counterspin.simulation.measurement import Setting, measured_values, settings
from counterspin.types import Cost

__all__ = ["PennyLaneDevice"]


class PennyLaneDevice:
    """A PennyLane device (`qml.device(...)`) with at least as many wires as the circuit has qubits.

    Args:
        device: the device. Its own shots are replaced by those of the work.
    """

    def __init__(self, device: Any) -> None:
        self.device = device

    @property
    def name(self) -> str:
        """For example `PennyLane default.qubit`."""
        return f"PennyLane {getattr(self.device, 'name', type(self.device).__name__)}"

    def values(self, work: Work, /) -> tuple[Tensor, Cost]:
        """Measured values `(points, values)` from one `qml.execute`."""
        import pennylane as qml

        chosen = settings(work.measurement, work.template.qubits)
        points = work.columns.numpy()
        tapes = [_tape(qml, self.device, work, setting, index) for setting in chosen for index in range(len(points))]
        found = np.stack([np.asarray(result) for result in qml.execute(tapes, self.device, diff_method=None)])
        outcomes = torch.as_tensor(found, dtype=torch.float64).reshape(len(chosen), len(points), -1)
        cost = Cost(circuits=len(tapes), shots=len(tapes) * work.shots, jobs=1)
        return measured_values(list(outcomes.unbind(0)), chosen), cost


def _tape(qml: Any, device: Any, work: Work, setting: Setting, point: int) -> Any:
    template = work.template
    wires = list(device.wires)[: template.qubits] if device.wires else list(range(template.qubits))
    row = work.columns[point].tolist()
    steps = []
    if work.amplitudes is not None:
        steps.append(qml.StatePrep(work.amplitudes[point].numpy(), wires=wires))
    for kind, qubits, angles in template.gates:
        values: list[float] = [row[angle.index] if isinstance(angle, Column) else angle for angle in angles]
        steps.append(_operation(qml, kind, values, [wires[qubit] for qubit in qubits]))
    for qubit, pauli in setting.basis:
        steps += [qml.adjoint(qml.S(wires[qubit]))] * (pauli == "Y") + [qml.Hadamard(wires[qubit])]
    return qml.tape.QuantumScript(steps, [qml.probs(wires=wires)], shots=work.shots)


def _operation(qml: Any, kind: str, angles: list[float], wires: list[Any]) -> Any:
    if kind == "MCZ":
        return qml.ctrl(qml.PauliZ(wires[-1]), wires[:-1]) if len(wires) > 1 else qml.PauliZ(wires[-1])
    named: dict[str, Callable[..., Any]] = {
        "X": qml.PauliX,
        "Y": qml.PauliY,
        "Z": qml.PauliZ,
        "H": qml.Hadamard,
        "P": qml.PhaseShift,
        "CP": qml.ControlledPhaseShift,
        "RXX": qml.IsingXX,
        "RYY": qml.IsingYY,
        "RZZ": qml.IsingZZ,
    }
    return named.get(kind, getattr(qml, kind, None))(*angles, wires=wires)  # pyright: ignore[reportOptionalCall]
