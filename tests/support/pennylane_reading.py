"""QNodes read, and what was read compared with what they compute at home."""

from typing import Any

import torch
from torch import Tensor

from counterspin.circuits import Readout
from counterspin.models.integrations.pennylane import read
from counterspin.models.integrations.reading import Candidate, CircuitReading, Options
from counterspin.simulation import run

__all__ = ["features", "imported", "read_qnode", "same_as_home"]


def features(count: int, samples: int = 12, seed: int = 0) -> Tensor:
    """Features between 0.1 and 1.1, `(samples, count)` float64."""
    return 0.1 + torch.rand(samples, count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def read_qnode(model: Any, x: Tensor, *, route: str = "auto", gradient: str = "auto", **weights: Any) -> Candidate:
    return read(model, Options(x=x, weights=weights, route=route, gradient=gradient))


def imported(reading: CircuitReading, x: Tensor) -> Tensor:
    """Raw values `(batch, values)` of the circuit that was read."""
    inputs = x if reading.front is None else reading.front(x)
    return run(reading.circuit, inputs, reading.weights, Readout(reading.measurement, reading.head))


def same_as_home(
    candidate: Candidate, x: Tensor, *, values: float = 1e-10, gradients: float = 1e-9, flat: bool = False
) -> CircuitReading:
    """Fail unless the circuit was read, and gives the values and gradients of the home; returns the reading.

    `flat`: values that hardly depend on the features are all right.
    """
    reading = candidate.imported
    assert isinstance(reading, CircuitReading), candidate.reason
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    got, expected = imported(reading, ours), candidate.home(theirs)
    assert got.shape == expected.shape
    assert float((got - expected).detach().abs().max()) < values
    weights = torch.linspace(-1, 1.5, got.shape[1], dtype=torch.float64)
    (got,) = torch.autograd.grad((got @ weights).sum(), ours)
    (expected,) = torch.autograd.grad((expected @ weights).sum(), theirs)
    assert flat or float(expected.abs().max()) > 1e-3
    assert float((got - expected).abs().max()) < gradients
    return reading
