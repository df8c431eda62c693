"""Final states from the compiled engine."""

import torch
from torch import Tensor

from counterspin.circuits import Circuit
from counterspin.simulation.angles import given_columns
from counterspin.simulation.arguments import check_memory
from counterspin.simulation.kernels.library import Kernel
from counterspin.simulation.kernels.lowering import lower

__all__ = ["kernel_states"]


@torch.no_grad()
def kernel_states(kernel: Kernel, circuit: Circuit, inputs: Tensor, weights: Tensor) -> Tensor:
    """State vectors `(batch, 2**qubits)` complex before the measurement, without a graph.

    Args:
        kernel: a copy of the kernel.
        circuit: what to run.
        inputs: `(batch, inputs)` on the CPU.
        weights: `(weights,)` in the dtype of the inputs.

    Raises:
        InputError: a sample to encode is the zero vector; a tensor given as angle has another batch size.
        ResourceError: no memory.
    """
    # Kept in blocks of lanes, then once more as rows.
    check_memory(circuit.qubits, 2 * kernel.state_bytes(circuit.qubits, inputs, kept=True))
    program = lower(circuit)
    if program.given:
        inputs = torch.cat([inputs, given_columns(program.given, inputs)], dim=1)
    inputs, weights = inputs.resolve_neg().contiguous(), weights.resolve_neg().contiguous()
    _, kept = kernel.forward(program, inputs, weights, keep_states=True)
    blocks = kept.view(inputs.dtype).view(-1, 2**circuit.qubits, 2, kernel.lanes(inputs))
    rows = blocks[:, torch.as_tensor(program.order)].permute(0, 3, 1, 2).flatten(0, 1)[: len(inputs)]
    states = torch.view_as_complex(rows.contiguous())
    phase = torch.full((len(inputs),), program.phase.constant, dtype=inputs.dtype)
    for term in program.phase.terms:
        factor = term.coefficient if term.weight is None else term.coefficient * weights[term.weight]
        phase += factor if term.input is None else factor * inputs[:, term.input]
    return states * torch.polar(torch.ones_like(phase), phase)[:, None]
