"""Readout errors against the full confusion matrix."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterspin.circuits import OutcomeGroups, PauliExpectations, Readout, strongly_entangling
from counterspin.noise import NoiseModel, ReadoutErrors
from counterspin.simulation import outcome_distributions, run
from counterspin.simulation.measurement import settings as settings_of
from counterspin.simulation.readout_noise import misread, noisy_settings, noisy_tables

FLIPS = (0.1, 0.25)
MEASUREMENTS = [PauliExpectations.of("Z0", "X1 Z2", "Z0 Z2"), OutcomeGroups((2, 0), ((0,), (1, 2), (3,)))]


def random_errors(seed: int, qubits: int) -> ReadoutErrors:
    """Different flips on every qubit, and one correlated pair in reversed order where there are two qubits."""
    rng = np.random.default_rng(seed)
    flips = tuple((float(a), float(b)) for a, b in rng.uniform(0, 0.4, size=(qubits, 2)))
    if qubits == 1:
        return ReadoutErrors(flips=flips)
    pair = torch.tensor(rng.dirichlet(np.ones(4), size=4).T)
    return ReadoutErrors(flips=flips, pairs=(((qubits - 1, 0), pair),))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), qubits=st.integers(1, 5))
def test_misreading_is_the_confusion_matrix(seed: int, qubits: int) -> None:
    errors = random_errors(seed, qubits)
    p = torch.rand(3, 2**qubits, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    p = p / p.sum(1, keepdim=True)
    read = misread(p, errors)
    assert torch.allclose(read, p @ errors.matrix().T, atol=1e-14)
    assert torch.allclose(read.sum(1), torch.ones(3, dtype=torch.float64), atol=1e-14)
    assert misread(p.float(), errors).dtype == torch.float32


def test_a_correlated_pair_is_read_together() -> None:
    # Qubits 2 and 0 swap their values: 001 is read as 100, qubit 1 stays.
    swap = torch.eye(4, dtype=torch.float64)[[0, 2, 1, 3]]
    errors = ReadoutErrors(flips=((0.0, 0.0),) * 3, pairs=(((2, 0), swap),))
    assert misread(torch.eye(8, dtype=torch.float64), errors).argmax(dim=1).tolist() == [0, 4, 2, 6, 1, 5, 3, 7]


def test_no_errors_change_nothing() -> None:
    p = torch.rand(3, 8)
    assert misread(p, None) is p
    for table, setting in zip(noisy_tables(MEASUREMENTS[0], 3, None), settings_of(MEASUREMENTS[0], 3), strict=True):
        assert table is setting.table


@pytest.mark.parametrize("measurement", MEASUREMENTS)
def test_noisy_tables_are_the_adjoint_of_misreading(measurement: PauliExpectations | OutcomeGroups) -> None:
    errors, p = random_errors(7, 3), 0.2
    tables = noisy_tables(measurement, 3, NoiseModel(readout=errors))
    both = noisy_tables(measurement, 3, NoiseModel(readout=errors, global_depolarizing=p))
    for setting, table, mixed in zip(settings_of(measurement, 3), tables, both, strict=True):
        expected = errors.matrix().T.numpy() @ setting.table
        assert np.allclose(table, expected, atol=1e-14)
        assert np.allclose(mixed, (1 - p) * expected + p * expected.mean(axis=0), atol=1e-14)


def test_noisy_settings_are_kept() -> None:
    noise = NoiseModel(readout_flips=FLIPS)
    assert noisy_settings(MEASUREMENTS[0], 3, noise) is noisy_settings(MEASUREMENTS[0], 3, noise)
    found, plain = noisy_settings(MEASUREMENTS[0], 3, noise), settings_of(MEASUREMENTS[0], 3)
    assert [s.basis for s in found] == [s.basis for s in plain]


def test_single_bit_scores_shrink_and_shift() -> None:
    # <Z> read with flips: (1 - up - down) <Z> + down - up.
    circuit = strongly_entangling(2, 2)
    w = torch.randn(circuit.weights, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    x, readout = torch.zeros(1, 0, dtype=torch.float64), Readout(PauliExpectations.of("Z0", "Z1"))
    clean = run(circuit, x, w, readout)
    read = run(circuit, x, w, readout, noise=NoiseModel(readout_flips=FLIPS))
    assert torch.allclose(read, 0.65 * clean + 0.15, atol=1e-15)


@pytest.mark.parametrize("measurement", MEASUREMENTS)
def test_run_reads_distributions_as_the_confusion_matrix_says(measurement: PauliExpectations | OutcomeGroups) -> None:
    circuit, errors = strongly_entangling(3, 1), random_errors(2, 3)
    w = torch.randn(circuit.weights, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    x, readout = torch.zeros(1, 0, dtype=torch.float64), Readout(measurement)
    noise = NoiseModel(readout=errors, global_depolarizing=0.1)
    clean, read = (outcome_distributions(circuit, x, w, readout, noise=n) for n in (None, noise))
    total = torch.zeros(1, measurement.values, dtype=torch.float64)
    for before, after, setting in zip(clean, read, settings_of(measurement, 3), strict=True):
        expected = (0.9 * before + 0.1 / 8) @ errors.matrix().T
        assert torch.allclose(after, expected, atol=1e-14)
        total += expected @ torch.as_tensor(setting.table)
    assert torch.allclose(run(circuit, x, w, readout, noise=noise), total, atol=1e-14)


def test_gradients_pass_the_readout() -> None:
    # The compiled engine differentiates the probabilities of all outcomes.
    circuit, errors = strongly_entangling(3, 1), random_errors(4, 3)
    w = torch.randn(circuit.weights, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    x, noise, readout = torch.zeros(2, 0).double(), NoiseModel(readout=errors), Readout(MEASUREMENTS[0])
    found = []
    for engine in ("auto", "torch"):
        knob = w.clone().requires_grad_()
        scores = run(circuit, x, knob, readout, noise=noise, engine=engine)
        found.append(torch.autograd.grad(scores.square().sum(), knob)[0])
    assert torch.allclose(found[0], found[1], atol=1e-13)
    assert float(found[0].abs().max()) > 0.01
