"""A device that computes exactly what it is asked, and counts how often it is asked."""

from __future__ import annotations

import torch

from counterspin.circuits import Amplitudes, Circuit, Readout, feature
from counterspin.models.integrations.backends.work import Column
from counterspin.simulation import run
from counterspin.simulation.measurement import settings
from counterspin.types import Cost

__all__ = ["ExactDevice"]


class ExactDevice:
    """Exact expectation values by our simulator, from nothing but the work: columns are its inputs."""

    name = "exact"

    def __init__(self):
        self.jobs = []

    def values(self, work):
        self.jobs.append(len(work.columns))
        circuit, inputs = Circuit(work.template.qubits), work.columns
        offset = 0
        if work.amplitudes is not None:
            offset = 2 ** (work.template.qubits + 1)
            circuit = Circuit(work.template.qubits, amplitudes=Amplitudes(offset // 2, complex_data=True))
            inputs = torch.cat([work.amplitudes.real, work.amplitudes.imag, work.columns], dim=1).double()
        for kind, qubits, angles in work.template.gates:
            filled = (feature(offset + angle.index) if isinstance(angle, Column) else angle for angle in angles)
            circuit = circuit.add(kind, qubits, *filled)
        weights = torch.zeros(0, dtype=torch.float64)
        found = run(circuit, inputs[:, : circuit.inputs], weights, Readout(work.measurement), engine="torch")
        circuits = len(found) * len(settings(work.measurement, work.template.qubits))
        return found, Cost(circuits=circuits, shots=circuits * work.shots, jobs=1)
