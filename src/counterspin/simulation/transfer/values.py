"""Exact values and outcome distributions of a circuit with channels between its gates, up to 8 qubits."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from counterspin.circuits import Circuit, Measurement, OutcomeGroups, PauliExpectations
from counterspin.errors import InputError
from counterspin.noise.kraus import Placed
from counterspin.simulation.arguments import check_memory, check_parameters, checked_inputs
from counterspin.simulation.engines import choose
from counterspin.simulation.measurement import Setting
from counterspin.simulation.transfer.function import compiled_values
from counterspin.simulation.transfer.known import known
from counterspin.simulation.transfer.places import check_places
from counterspin.simulation.transfer.reference import evolved, extended_inputs, prepared, read
from counterspin.simulation.transfer.schedule import TILE_QUBITS

__all__ = ["transfer_distributions", "transfer_values"]


def transfer_values(
    circuit: Circuit,
    inputs: Tensor,
    weights: Tensor,
    measured: Measurement | Sequence[Setting],
    channels: Sequence[Placed],
    *,
    engine: str = "auto",
) -> Tensor:
    """Exact noisy values `(batch, values)` before any readout error, attached to autograd for inputs and weights.

    Args:
        circuit: at most 8 qubits; starts in |0…0⟩, or in the exactly prepared state of the encoded amplitudes.
        inputs: `(batch, inputs)`, float32 or float64: the precision of the result.
        weights: `(weights,)`.
        measured: what is measured, or settings with tables of one's own (for example with readout errors in them).
        channels: what acts between the gates; those after one gate act in this order.
        engine: `"compiled"`, `"torch"`, or `"auto"`: the compiled one where it can serve, else torch. They agree to
            1e-10 in float64 and 1e-5 in float32.

    Raises:
        UsageError: too many qubits, a channel outside the circuit, an engine that cannot serve.
        InputError: inputs or weights of the wrong shape, a measured qubit that is not there, a zero vector to encode.
        ResourceError: no memory for the states.

    Example:
        >>> from counterspin.circuits import feature
        >>> from counterspin.noise.channels import bit_flip
        >>> circuit = Circuit(1).add("RY", 0, torch.pi * feature(0))
        >>> placed = Placed(after=0, qubits=(0,), channel=bit_flip(0.25))
        >>> x = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
        >>> values = transfer_values(circuit, x, torch.zeros(0), PauliExpectations.of("Z0"), (placed,))
        >>> values.flatten().round(decimals=12).tolist()
        [0.5, -0.5]
    """
    return _values(circuit, inputs, weights, measured, channels, engine=engine, whole=False)


def transfer_distributions(
    circuit: Circuit,
    inputs: Tensor,
    weights: Tensor,
    measured: Measurement | Sequence[Setting],
    channels: Sequence[Placed],
    *,
    engine: str = "auto",
) -> list[Tensor]:
    """Outcome probabilities `(batch, 2**qubits)`, one tensor per setting, attached to autograd.

    Arguments and errors are those of `transfer_values`; of settings only the bases count.
    """
    found = _values(circuit, inputs, weights, measured, channels, engine=engine, whole=True)
    return [_probabilities(strings) for strings in found.split(2**circuit.qubits, dim=1)]


def _values(
    circuit: Circuit,
    inputs: Tensor,
    weights: Tensor,
    measured: Measurement | Sequence[Setting],
    channels: Sequence[Placed],
    *,
    engine: str,
    whole: bool,
) -> Tensor:
    check_places(circuit, channels)
    inputs = checked_inputs(circuit, inputs)
    check_parameters(circuit, weights)
    if isinstance(measured, PauliExpectations | OutcomeGroups) and measured.qubits > circuit.qubits:
        raise InputError(f"the readout measures qubit {measured.qubits - 1}; the circuit has {circuit.qubits} qubits.")
    found = known(circuit, channels, measured, whole=whole)
    wide = None if found.program else f"a channel acts on more than {TILE_QUBITS} qubits"
    kernel = choose(engine, inputs, weights, obstacle=wide)
    weights, extended = weights.to(inputs.dtype), extended_inputs(found.steps, inputs)
    if kernel is not None and found.program is not None:
        start = None if circuit.amplitudes is None else prepared(circuit, inputs)
        return compiled_values(kernel, found.program, extended, weights, start)
    check_memory(circuit.qubits, 4.0 * len(inputs) * inputs.element_size() * 4**circuit.qubits)
    return read(found.reads, evolved(found.steps, prepared(circuit, inputs), extended, weights))


def _probabilities(strings: Tensor) -> Tensor:
    """Probabilities `(batch, 2**n)` from the expectation values of all products of the measured letters."""
    batch, size = strings.shape
    step = 1
    while step < size:
        low, high = strings.reshape(batch, -1, 2, step).unbind(2)
        strings = torch.stack([low + high, low - high], dim=2).reshape(batch, size)
        step *= 2
    return strings / size
