"""Checks of what is run, before any compute."""

import os

import torch
from torch import Tensor

from counterspin.circuits import Circuit, Readout
from counterspin.errors import InputError, ResourceError

__all__ = ["check_memory", "check_parameters", "checked_inputs", "in_range", "zero_vector"]

# Squares of amplitudes between these, and their sums, stay far inside float32.
_SMALL, _LARGE = 1e-12, 1e12


def checked_inputs(circuit: Circuit, inputs: Tensor) -> Tensor:
    """Real inputs `(batch, inputs)`; complex amplitudes become real parts followed by imaginary parts.

    Raises:
        InputError: wrong shape or dtype, complex data for a circuit of real data.
    """
    if inputs.is_complex():
        if circuit.amplitudes is None or not circuit.amplitudes.complex_data:
            raise InputError("inputs are complex, but the circuit encodes no complex amplitudes; give real inputs.")
        inputs = torch.cat([inputs.real, inputs.imag], dim=-1)
    if inputs.ndim != 2 or inputs.shape[1] != circuit.inputs or inputs.dtype not in (torch.float32, torch.float64):
        raise InputError(
            f"inputs have shape {tuple(inputs.shape)} and dtype {inputs.dtype}; "
            f"the circuit takes (batch, {circuit.inputs}), float32 or float64."
        )
    return inputs


def check_parameters(circuit: Circuit, weights: Tensor, readout: Readout | None = None) -> None:
    """Refuse weights or a readout that do not fit the circuit.

    Raises:
        InputError: wrong number of weights, a measured qubit the circuit does not have.
    """
    if weights.shape != (circuit.weights,):
        raise InputError(f"weights have shape {tuple(weights.shape)}; the circuit takes ({circuit.weights},).")
    if weights.is_complex():
        raise InputError(f"weights have dtype {weights.dtype}; angles are real, so give real weights.")
    if readout is not None and readout.measurement.qubits > circuit.qubits:
        raise InputError(
            f"the readout measures qubit {readout.measurement.qubits - 1}; the circuit has {circuit.qubits} qubits."
        )


def in_range(data: Tensor) -> Tensor:
    """Amplitudes of which no square overflows or vanishes in float32: each row over its largest modulus, if need be.

    Only for functions of the direction alone: their gradient passes through the division as through any other scale.

    Args:
        data: `(batch, amplitudes)`.

    Raises:
        InputError: a row is the zero vector, which has no direction. Inside `torch.func` transforms, where values
            cannot be looked at, its row is NaN instead.
    """
    low, high = torch.aminmax(data.detach(), dim=1, keepdim=True)
    largest = torch.maximum(high, -low)
    safe = (largest > _SMALL) & (largest < _LARGE)
    if not torch._C._are_functorch_transforms_active():
        if bool((largest == 0).any()):
            raise zero_vector(data.detach())
        if bool(safe.all()):
            return data  # as nearly always: the division would cost a tenth of a folded circuit
    return data / torch.where(safe, 1.0, largest)


def zero_vector(data: Tensor) -> InputError:
    """What to raise when a row of amplitudes `(batch, amplitudes)` is zero."""
    first = int((data == 0).all(dim=1).nonzero()[0])
    return InputError(
        f"sample {first} is the zero vector; amplitude encoding divides by the norm, so remove such samples."
    )


def check_memory(qubits: int, bytes_needed: float) -> None:
    """Refuse states that this machine cannot hold, before any of them is made.

    Raises:
        ResourceError: more bytes than the machine has.
    """
    if bytes_needed < 2**30:
        return
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if bytes_needed > memory:
        raise ResourceError(
            f"the circuit has {qubits} qubits; its states need {bytes_needed / 2**30:.3g} GiB and this machine has "
            f"{memory / 2**30:.3g} GiB. Use fewer qubits or smaller batches."
        )
