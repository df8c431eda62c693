"""Which library a device belongs to."""

from __future__ import annotations

from typing import Any

from counterspin.circuits import Measurement, PauliExpectations
from counterspin.errors import CapabilityError, UsageError
from counterspin.models.integrations.backends.work import Backend

__all__ = ["backend_of"]


def backend_of(device: Any, measurement: Measurement) -> Backend:
    """The device behind the one interface.

    Args:
        device: a PennyLane device, a Qiskit V2 primitive or backend, or something with `name` and `values` already.
        measurement: what it will have to measure.

    Raises:
        UsageError: something else.
        CapabilityError: an estimator for a readout that is no list of Pauli observables.
    """
    if isinstance(device, Backend):
        return device
    # By name: a library that nobody uses is not imported.
    kinds = {f"{kind.__module__.split('.')[0]}.{kind.__name__}" for kind in type(device).__mro__}
    if kinds & {"pennylane.Device", "pennylane_lightning.LightningBase"}:
        from counterspin.models.integrations.backends.pennylane_device import PennyLaneDevice

        return PennyLaneDevice(device)
    if kinds & {"qiskit.BaseEstimatorV2"}:
        if not isinstance(measurement, PauliExpectations):
            raise CapabilityError(
                f"backend ({type(device).__name__}) estimates observables, and the readout counts outcomes; use a "
                "sampler."
            )
        from counterspin.models.integrations.backends.qiskit_estimator import QiskitEstimator

        return QiskitEstimator(device)
    if kinds & {"qiskit.BaseSamplerV2", "qiskit.BackendV2"}:
        from counterspin.models.integrations.backends.qiskit_sampler import QiskitSampler

        return QiskitSampler(device)
    raise UsageError(
        f"backend is {type(device).__module__}.{type(device).__name__}; give a PennyLane device (qml.device(...)), a "
        "Qiskit V2 sampler or estimator, or a Qiskit backend."
    )
