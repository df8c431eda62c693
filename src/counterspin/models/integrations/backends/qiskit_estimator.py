"""Work on a Qiskit estimator: one PUB of all observables and all points."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from counterspin.circuits import PauliExpectations
from counterspin.errors import CapabilityError
from counterspin.models.integrations.backends.qiskit_circuit import parametrised, pass_manager_for
from counterspin.models.integrations.backends.work import Template, Work
from counterspin.simulation.measurement import settings
from counterspin.types import Cost

__all__ = ["QiskitEstimator"]


class QiskitEstimator:
    r"""A Qiskit V2 estimator, asked for the precision :math:`1/\sqrt{\text{shots}}`.

    That is the standard error of a Pauli observable with mean 0, so an estimator measures as often as a sampler would.
    Observables that commute qubit by qubit count as one circuit, as estimators measure them.

    Args:
        device: the estimator.
    """

    def __init__(self, device: Any) -> None:
        self.device = device
        self._transpiler = pass_manager_for(device)
        self._ready: tuple[Template, Any] | None = None

    @property
    def name(self) -> str:
        """For example `Qiskit StatevectorEstimator`."""
        return f"Qiskit {type(self.device).__name__}"

    def values(self, work: Work, /) -> tuple[Tensor, Cost]:
        """Measured values `(points, values)` from one `run`.

        Raises:
            CapabilityError: the readout is no list of Pauli observables.
        """
        measurement, points = work.measurement, work.columns.numpy()
        if not isinstance(measurement, PauliExpectations):
            raise CapabilityError("an estimator measures Pauli observables, and the readout counts outcomes.")
        paulis = [_label(string, work.template.qubits) for string in measurement.observables]
        if work.amplitudes is None:
            pubs = [(circuit := self._circuit(work.template), _laid_out(paulis, circuit), points)]
        else:
            starts = self._transpiler.run([parametrised(work.template, start) for start in work.amplitudes.numpy()])
            pubs = [(c, _laid_out(paulis, c), point[None]) for c, point in zip(starts, points, strict=True)]
        results = self.device.run(pubs, precision=1 / math.sqrt(work.shots)).result()
        found = np.concatenate([np.asarray(result.data.evs) for result in results], axis=1).T
        circuits = len(points) * len(settings(measurement, work.template.qubits))
        cost = Cost(circuits=circuits, shots=circuits * work.shots, jobs=1)
        return torch.as_tensor(np.ascontiguousarray(found), dtype=torch.float64), cost

    def _circuit(self, template: Template) -> Any:
        if self._ready is None or self._ready[0] != template:
            self._ready = (template, self._transpiler.run(parametrised(template)))
        return self._ready[1]


def _label(string: tuple[tuple[int, str], ...], qubits: int) -> str:
    letters = dict(string)
    # Qiskit writes qubit 0 last.
    return "".join(letters.get(qubit, "I") for qubit in reversed(range(qubits)))


def _laid_out(labels: list[str], circuit: Any) -> list[list[Any]]:
    """The observables on the qubits a transpiled circuit uses, as a column that is broadcast over the points."""
    from qiskit.quantum_info import SparsePauliOp

    layout = circuit.layout
    return [[SparsePauliOp(label) if layout is None else SparsePauliOp(label).apply_layout(layout)] for label in labels]
