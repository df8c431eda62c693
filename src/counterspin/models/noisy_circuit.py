"""The circuit that a model runs under noise: its own, or as a device runs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from counterspin.circuits import Circuit, Measurement
from counterspin.errors import CapabilityError, ModelError, UsageError
from counterspin.noise import NoiseModel, Placed
from counterspin.simulation.preparation import prepared_circuit
from counterspin.types import HasChannels, HasCircuit

__all__ = ["CircuitPlacement", "NoisyCircuit", "noisy_circuit"]

_PREPARATIONS = ("ideal", "simulated")


@runtime_checkable
class CircuitPlacement(Protocol):
    """A circuit as a device runs it (`counterspin.noise.devices`)."""

    @property
    def circuit(self) -> Circuit:
        """The device's gates; inputs and weights are those of the circuit that was placed."""
        ...

    @property
    def noise(self) -> NoiseModel:
        """The device's noise for that circuit."""
        ...

    def measured(self, measurement: Measurement, /) -> Measurement:
        """A measurement of the qubits where they end."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class NoisyCircuit:
    """What runs.

    Args:
        circuit: the gates, translated and routed where a device runs them.
        noise: what they run under.
        channels: the noise at its places in that circuit.
    """

    circuit: Circuit
    noise: NoiseModel
    channels: tuple[Placed, ...]


def noisy_circuit(
    body: Any, *, noise: NoiseModel | None, placement: CircuitPlacement | None, preparation: str
) -> NoisyCircuit:
    """The circuit of `body` as it runs under `noise`.

    Args:
        body: a classifier that shows its circuit.
        noise: what the circuit runs under; None: that of the placement.
        placement: the circuit as a device runs it; None: as it is.
        preparation: of encoded amplitudes, `"ideal"` or `"simulated"`.

    Raises:
        CapabilityError: the body shows no circuit, or has noise of its own.
        UsageError: noise that does not fit the circuit, none at all, or an unknown preparation.
        ModelError: a placement of another circuit.
    """
    if not isinstance(body, HasCircuit) or isinstance(body, HasChannels):
        has = "runs under noise of its own" if isinstance(body, HasCircuit) else "shows no circuit"
        raise CapabilityError(
            f"model ({type(body).__name__}) {has}, and noise acts in one bare circuit; give a quantum classifier, or "
            "one behind a classical front."
        )
    if noise is None:
        if placement is None:
            raise UsageError("noise is None and there is no placement to take it from; give a NoiseModel.")
        noise = placement.noise
    if preparation not in _PREPARATIONS:
        raise UsageError(f"preparation is {preparation!r}; allowed: {', '.join(_PREPARATIONS)}.")
    own = prepared_circuit(body.circuit) if preparation == "simulated" else body.circuit
    circuit = own if placement is None else placement.circuit
    sizes = [(c.inputs, c.weights, c.amplitudes) for c in (own, circuit)]
    if sizes[0] != sizes[1]:
        raise ModelError(
            f"placement runs a circuit of {circuit.inputs} inputs and {circuit.weights} weights, and the model's has "
            f"{own.inputs} and {own.weights}; place the circuit that this model runs."
        )
    channels = noise.place(circuit)
    noise.readout_errors(circuit.qubits)
    return NoisyCircuit(circuit=circuit, noise=noise, channels=channels)
