"""Readout flips against the full confusion matrix."""

import functools

import numpy as np
import pytest
import torch

from counterspin.circuits import OutcomeGroups, PauliExpectations, Readout, strongly_entangling
from counterspin.noise import NoiseModel
from counterspin.simulation import run
from counterspin.simulation.measurement import settings
from counterspin.simulation.readout_noise import flipped, noisy_tables

FLIPS = (0.1, 0.25)


def confusion(qubits: int) -> np.ndarray:
    """Column: true outcome, row: outcome read."""
    up, down = FLIPS
    return functools.reduce(np.kron, [np.array([[1 - up, down], [up, 1 - down]])] * qubits)


@pytest.mark.parametrize("qubits", [1, 2, 4])
def test_flips_are_the_confusion_matrix(qubits: int) -> None:
    p = torch.rand(3, 2**qubits, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    p = p / p.sum(1, keepdim=True)
    assert np.allclose(flipped(p, FLIPS).numpy(), p.numpy() @ confusion(qubits).T, atol=1e-15)


def test_no_flips_change_nothing() -> None:
    p = torch.rand(3, 8)
    assert flipped(p, (0.0, 0.0)) is p


@pytest.mark.parametrize(
    "measurement", [PauliExpectations.of("Z0", "X1 Z2", "Z0 Z2"), OutcomeGroups((2, 0), ((0,), (1, 2), (3,)))]
)
def test_noisy_tables_are_the_adjoint_of_the_flips(measurement: PauliExpectations | OutcomeGroups) -> None:
    noise = NoiseModel(readout_flips=FLIPS)
    tables = noisy_tables(measurement, 3, noise)
    for setting, table in zip(settings(measurement, 3), tables, strict=True):
        assert np.allclose(table, confusion(3).T @ setting.table, atol=1e-15)


def test_single_bit_scores_shrink_and_shift() -> None:
    # <Z> read with flips: (1 - up - down) <Z> + down - up.
    circuit = strongly_entangling(2, 2)
    w = torch.randn(circuit.weights, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    x, readout = torch.zeros(1, 0, dtype=torch.float64), Readout(PauliExpectations.of("Z0", "Z1"))
    clean = run(circuit, x, w, readout)
    read = run(circuit, x, w, readout, noise=NoiseModel(readout_flips=FLIPS))
    assert torch.allclose(read, 0.65 * clean + 0.15, atol=1e-15)
