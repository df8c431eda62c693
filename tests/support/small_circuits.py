"""Two small circuits, their arguments, and values with all gradients: shared by the tests of both engines."""

import torch
from torch import Tensor

from counterspin.circuits import (
    Circuit,
    PauliExpectations,
    Readout,
    amplitude_encoding,
    reuploading,
    strongly_entangling,
)
from counterspin.simulation import run

__all__ = ["AMPLITUDES", "BATCH", "GATES", "READOUT", "arguments", "gradients", "seeded"]

GATES = reuploading(3, 2)
AMPLITUDES = amplitude_encoding(6) + strongly_entangling(3, 2)
READOUT = Readout(PauliExpectations.of("Z0", "X1 Y2", "Z2"))
BATCH = 19  # more than one block of the widest vectors


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def arguments(circuit: Circuit, dtype: torch.dtype = torch.float64, batch: int = BATCH) -> tuple[Tensor, Tensor]:
    x = torch.randn(batch, circuit.inputs, generator=seeded(0), dtype=torch.float64).to(dtype)
    return x, torch.randn(circuit.weights, generator=seeded(1), dtype=torch.float64).to(dtype)


def gradients(circuit: Circuit, x: Tensor, w: Tensor, engine: str) -> tuple[Tensor, Tensor, Tensor]:
    x, w = x.detach().clone().requires_grad_(), w.detach().clone().requires_grad_()
    values = run(circuit, x, w, READOUT, engine=engine)
    return values.detach(), *torch.autograd.grad(values.square().sum(), (x, w))
