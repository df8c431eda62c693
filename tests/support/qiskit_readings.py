"""Values of circuits read out of Qiskit, and a network to read; imports Qiskit where it is called."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from counterspin.circuits import Readout
from counterspin.models.integrations.reading import Candidate, CircuitReading, Options
from counterspin.simulation import run

WEIGHTS = np.random.default_rng(0).normal(size=6)
FEATURES = torch.from_numpy(np.random.default_rng(1).uniform(0.0, 1.0, size=(4, 2)))


def read_values(reading: CircuitReading, x: Tensor) -> Tensor:
    """Raw values of the reading at `x`."""
    inputs = x if reading.front is None else reading.front(x)
    return run(reading.circuit, inputs, reading.weights, Readout(reading.measurement, reading.head))


def small_network(kind: str, **options: Any) -> Any:
    """A two-qubit `EstimatorQNN` or `SamplerQNN`: ZZ feature map, two layers of real amplitudes, 6 weights."""
    from qiskit.circuit.library import real_amplitudes, zz_feature_map
    from qiskit_machine_learning import neural_networks

    features, ansatz = zz_feature_map(2), real_amplitudes(2, reps=2)
    return getattr(neural_networks, kind)(
        circuit=features.compose(ansatz),
        input_params=features.parameters,
        weight_params=ansatz.parameters,
        **options,
    )


def options_for(x: Tensor = FEATURES, **said: Any) -> Options:
    """Options with these samples."""
    return Options(x=x, **said)


def assert_imported_as_at_home(
    candidate: Candidate, x: Tensor, *, values: float = 1e-10, gradients: float = 1e-8
) -> None:
    """Values and gradients, contracted with random numbers, of the reading against those at home."""
    assert isinstance(candidate.imported, CircuitReading)
    at_home, here = x.clone().requires_grad_(), x.clone().requires_grad_()
    expected, found = candidate.home(at_home), read_values(candidate.imported, here)
    assert torch.allclose(found, expected, rtol=0, atol=values)
    contrast = torch.randn(expected.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    (slope,) = torch.autograd.grad((expected * contrast).sum(), at_home)
    (found_slope,) = torch.autograd.grad((found * contrast).sum(), here)
    # A slope of 0 everywhere would agree with anything that is cut off.
    assert float(slope.abs().max()) > 1e-3
    assert torch.allclose(found_slope, slope, rtol=0, atol=gradients)
