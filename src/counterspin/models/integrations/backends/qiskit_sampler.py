"""Work on a Qiskit sampler: one PUB per setting with all points as parameter values, all PUBs in one job."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from counterspin.circuits import Measurement
from counterspin.models.integrations.backends.qiskit_circuit import (
    bit_reversed,
    parametrised,
    pass_manager_for,
    turned,
)
from counterspin.models.integrations.backends.work import Template, Work
from counterspin.simulation.measurement import measured_values, settings
from counterspin.types import Cost

__all__ = ["QiskitSampler"]


class QiskitSampler:
    """A Qiskit V2 sampler, or a backend read through `BackendSamplerV2`.

    Circuits without data in their initial state are transpiled once, by the pass manager of the backend behind.

    Args:
        device: the sampler or backend.
    """

    def __init__(self, device: Any) -> None:
        from qiskit.primitives import BackendSamplerV2, BaseSamplerV2

        self.device: Any = device if isinstance(device, BaseSamplerV2) else BackendSamplerV2(backend=device)
        self._transpiler = pass_manager_for(self.device)
        self._ready: tuple[Template, Measurement, list[Any]] | None = None

    @property
    def name(self) -> str:
        """For example `Qiskit StatevectorSampler`."""
        return f"Qiskit {type(self.device).__name__}"

    def values(self, work: Work, /) -> tuple[Tensor, Cost]:
        """Measured values `(points, values)` from one `run`."""
        qubits, points = work.template.qubits, work.columns.numpy()
        chosen = settings(work.measurement, qubits)
        results = self.device.run(self._pubs(work, points), shots=work.shots).result()
        reverse = bit_reversed(qubits)
        counts = [_counts(result, 2**qubits) for result in results]
        # One PUB per setting, or with amplitudes one per setting and point.
        outcomes = np.concatenate(counts).reshape(len(chosen), len(points), 2**qubits)[..., reverse]
        frequencies = torch.as_tensor(outcomes / work.shots, dtype=torch.float64)
        circuits = len(chosen) * len(points)
        cost = Cost(circuits=circuits, shots=circuits * work.shots, jobs=1)
        return measured_values(list(frequencies.unbind(0)), chosen), cost

    def _pubs(self, work: Work, points: np.ndarray) -> list[tuple[Any, np.ndarray]]:
        chosen = settings(work.measurement, work.template.qubits)
        if work.amplitudes is None:
            return [(circuit, points) for circuit in self._circuits(work)]
        starts = [parametrised(work.template, start) for start in work.amplitudes.numpy()]
        circuits = self._transpiler.run([turned(start, setting) for setting in chosen for start in starts])
        return [(circuit, points[index % len(points)][None]) for index, circuit in enumerate(circuits)]

    def _circuits(self, work: Work) -> list[Any]:
        key = work.template, work.measurement
        if self._ready is None or self._ready[:2] != key:
            bare = parametrised(work.template)
            chosen = settings(work.measurement, work.template.qubits)
            self._ready = (*key, self._transpiler.run([turned(bare, setting) for setting in chosen]))
        return self._ready[2]


def _counts(result: Any, outcomes: int) -> np.ndarray:
    """How often each outcome came at each point of a PUB, `(points, outcomes)`."""
    # Shots as bytes, the most significant first.
    packed = result.data.meas.array
    points = packed.reshape(-1, *packed.shape[-2:]).astype(np.int64)
    states = points @ (256 ** np.arange(points.shape[-1] - 1, -1, -1))
    return np.stack([np.bincount(point, minlength=outcomes) for point in states])
