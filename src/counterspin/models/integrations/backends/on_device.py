"""A classifier whose forward passes run on a device the user holds."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from counterspin.errors import CapabilityError, UsageError
from counterspin.models.integrations.backends.choice import backend_of
from counterspin.models.integrations.backends.work import Backend, Work, angle_columns, template_of
from counterspin.simulation import checked_inputs
from counterspin.simulation.compiler import compile_circuit
from counterspin.simulation.measurement import settings
from counterspin.simulation.statevector import encode_amplitudes
from counterspin.types import Box, Classifier, Cost, HasChannels, HasCircuit, Outputs
from counterspin.validation import check_classifier_interface

__all__ = ["OnDevice"]


class OnDevice(nn.Module):
    """A stochastic classifier: the circuit of `model`, read from measurements of a device.

    Each gate angle that hangs on the data becomes a parameter of the device's circuit, so that one job serves all
    samples of a call, in every setting of the readout; a gradient by `DeviceShift` is one job as well. Attacks in an
    audit take their gradients from `twin`, the same model simulated without noise, and their verdicts from the device:
    one circuit per sample and step instead of all shifted ones.

    Args:
        model: a classifier that shows its circuit (imported, native, or with a classical front).
        backend: a PennyLane device; a Qiskit V2 sampler or estimator; or a Qiskit backend (Aer, a fake one, a real
            one), which is read through a sampler.
        shots: measurements of each circuit, at least 1. They replace shots that the device was given.

    Attributes:
        executed: circuits, shots and jobs that were handed to the device so far.

    Raises:
        CapabilityError: the model shows no bare circuit, or the backend cannot measure its readout.
        UsageError: shots below 1, or something that is no backend.
        MissingExtraError: the backend's library is not installed.
    """

    stochastic = True
    differentiable = False

    def __init__(self, model: Any, backend: Any, *, shots: int = 1000) -> None:
        super().__init__()
        check_classifier_interface(model)
        if not isinstance(model, HasCircuit) or isinstance(model, HasChannels):
            raise CapabilityError(
                f"model ({type(model).__name__}) shows no bare circuit that a device could run; give a model that was "
                "imported (see counterspin.wrap), or a QuantumClassifier."
            )
        if not (isinstance(shots, int) and not isinstance(shots, bool) and shots >= 1):
            raise UsageError(f"shots is {shots!r}; give a whole number of at least 1.")
        template_of(model.circuit, model.weights.detach())
        self.model: Any = model
        self.shots = shots
        self.backend: Backend = backend_of(backend, model.readout.measurement)
        self.executed = Cost()
        self.train(bool(getattr(model, "training", False)))

    @property
    def bounds(self) -> Box:
        """The box of the inputs."""
        return self.model.bounds

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.model.classes

    @property
    def outputs(self) -> Outputs:
        """What the scores estimate."""
        return self.model.outputs

    @property
    def twin(self) -> Classifier:
        """The same model simulated, with infinitely many shots and no noise."""
        return self.model

    @property
    def shots_per_call(self) -> int:
        """Measurement shots of one call, per sample."""
        return self.shots * self._settings

    def call_price(self, rows: int, /) -> Cost:
        """A forward per row; a circuit per row and setting of the readout, each with its shots; one job."""
        circuits = rows * self._settings
        return Cost(forwards=rows, circuits=circuits, shots=circuits * self.shots, jobs=int(rows > 0))

    def forward(self, x: Tensor) -> Tensor:
        """Scores `(batch, classes)` of `x` `(batch, features)` from fresh measurements, without a gradient."""
        with torch.no_grad():
            inputs = self.model.circuit_inputs(x.double())
            return self.scores_at(self.angles(inputs), self._start(inputs)).to(x)

    def angles(self, inputs: Tensor) -> Tensor:
        """Gate angles that hang on the data, `(batch, angles)` in the order of the circuit, attached to autograd."""
        return angle_columns(self.model.circuit, inputs, self.model.weights.detach().double())

    def scores_at(self, angles: Tensor, start: Tensor | None = None) -> Tensor:
        """Scores `(points, classes)` at gate angles `(points, angles)` float64, from one job.

        Args:
            angles: in the order of `angles`.
            start: amplitudes each point starts in, `(points, 2**qubits)`; None: |0…0⟩.
        """
        readout = self.model.readout
        if len(angles) == 0:
            return angles.new_zeros(0, self.classes)
        work = Work(
            template=template_of(self.model.circuit, self.model.weights.detach().double()),
            columns=angles.detach(),
            amplitudes=start,
            measurement=readout.measurement,
            shots=self.shots,
        )
        values, cost = self.backend.values(work)
        self.executed += cost
        return readout.scores(values.to(angles)).detach()

    def extra_repr(self) -> str:
        """What tells two of them apart."""
        return f"backend={self.backend.name}, shots={self.shots}"

    @property
    def _settings(self) -> int:
        return len(settings(self.model.readout.measurement, self.model.circuit.qubits))

    def _start(self, inputs: Tensor) -> Tensor | None:
        amplitudes = self.model.circuit.amplitudes
        if amplitudes is None:
            return None
        checked = checked_inputs(self.model.circuit, inputs)
        return encode_amplitudes(compile_circuit(self.model.circuit), checked[:, : amplitudes.features])
