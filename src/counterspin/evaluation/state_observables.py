"""The observables a circuit puts in front of the states that enter it."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from counterspin.circuits import Amplitudes, Circuit, Readout
from counterspin.errors import InputError
from counterspin.optimum.state_arguments import checked_observables
from counterspin.simulation import fold
from counterspin.simulation.arguments import check_memory
from counterspin.simulation.run import final_states

__all__ = ["effective_observables", "threshold_observables"]


@torch.no_grad()
def effective_observables(circuit: Circuit, weights: Tensor | None, readout: Readout | Tensor) -> Tensor:
    r"""The observables :math:`U^\dagger E_k U` `(classes, D, D)` complex128 of a circuit and its measurement.

    Args:
        circuit: gates without inputs; an amplitude encoding is taken off, because states enter.
        weights: `(weights,)`; None: the circuit has none.
        readout: a readout, or observables `(classes, D, D)`.

    Raises:
        InputError: inputs in gate angles, weights without values, observables that do not fit.
        ResourceError: no memory for the matrices.

    Example:
        >>> flipped = effective_observables(Circuit(1).add("X", 0), None, torch.diag_embed(torch.eye(2)).cdouble())
        >>> flipped[0].real.tolist()
        [[0.0, 0.0], [0.0, 1.0]]
    """
    if circuit.depends_on_inputs_by_gates:
        raise InputError(
            "the circuit has inputs in gate angles; states enter a circuit of fixed gates, so put numbers in the place "
            "of its inputs."
        )
    if weights is None and circuit.weights:
        raise InputError(f"the circuit takes {circuit.weights} weights and none are given; give an array of them.")
    values = torch.zeros(0, dtype=torch.float64) if weights is None else weights
    dimension = 2**circuit.qubits
    fed = replace(circuit, amplitudes=Amplitudes(dimension, complex_data=True))
    if isinstance(readout, Readout):
        return fold(fed, values, readout).matrices
    behind = checked_observables(readout)
    if behind.shape[1] != dimension:
        raise InputError(
            f"observables have shape {tuple(behind.shape)}; the circuit has {circuit.qubits} qubits, so give "
            f"(classes, {dimension}, {dimension})."
        )
    check_memory(circuit.qubits, (2 * len(behind) + 2) * 16 * 4.0**circuit.qubits)
    columns = final_states(fed, torch.eye(dimension, dtype=torch.complex128), values.cpu().double())
    return columns.conj() @ behind @ columns.T


def threshold_observables(observable: Tensor, threshold: float) -> Tensor:
    """Two observables `(2, D, D)`: the first is larger where `observable` `(D, D)` exceeds the threshold.

    Example:
        >>> threshold_observables(torch.eye(2), 0.5)[0].tolist()
        [[0.25, 0.0], [0.0, 0.25]]
    """
    shifted = (observable - threshold * torch.eye(len(observable), dtype=observable.dtype)) / 2
    return torch.stack([shifted, -shifted])
