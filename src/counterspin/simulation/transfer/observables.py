"""Observables carried back through a circuit with channels, for circuits whose gates hold no input."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from counterspin.circuits import Circuit, Measurement
from counterspin.errors import ConditionsError
from counterspin.noise.kraus import Placed
from counterspin.simulation.arguments import check_parameters
from counterspin.simulation.measurement import Setting
from counterspin.simulation.transfer.paulis import operators
from counterspin.simulation.transfer.places import check_places
from counterspin.simulation.transfer.primitives import primitives
from counterspin.simulation.transfer.reads import reads
from counterspin.simulation.transfer.reference import carried_back

__all__ = ["transfer_observables"]


def transfer_observables(
    circuit: Circuit, weights: Tensor, measured: Measurement | Sequence[Setting], channels: Sequence[Placed]
) -> Tensor:
    r"""The measured operators right behind the preparation, :math:`\Phi^\dagger(M_v)`.

    Their expectation values in the prepared state are the noisy values, and its quadratic forms for encoded amplitudes.

    Args:
        circuit: at most 8 qubits, no input in a gate angle.
        weights: `(weights,)`.
        measured: what is measured, or settings with tables of one's own (for example with readout errors in them).
        channels: what acts between the gates.

    Returns:
        Hermitian matrices `(values, D, D)` complex128, attached to autograd for the weights.

    Raises:
        ConditionsError: a gate angle holds inputs, so that the operators would differ between samples.
        UsageError: too many qubits, or a channel outside the circuit.
        InputError: weights of the wrong shape.

    Example:
        >>> from counterspin.circuits import PauliExpectations
        >>> from counterspin.noise.channels import bit_flip
        >>> circuit, placed = Circuit(1).add("X", 0), Placed(after=0, qubits=(0,), channel=bit_flip(0.25))
        >>> found = transfer_observables(circuit, torch.zeros(0), PauliExpectations.of("Z0"), (placed,))
        >>> found.real.round(decimals=6).tolist()
        [[[-0.5, 0.0], [0.0, 0.5]]]
    """
    check_places(circuit, channels)
    check_parameters(circuit, weights)
    if circuit.depends_on_inputs_by_gates:
        raise ConditionsError(
            "the observables of a circuit whose gate angles hold inputs differ between samples; use transfer_values, "
            "or a circuit that encodes its data as amplitudes alone."
        )
    vectors = torch.as_tensor(reads(measured, circuit.qubits).vectors(circuit.qubits), device=weights.device)
    return operators(carried_back(primitives(circuit, channels), vectors, weights.double()))
