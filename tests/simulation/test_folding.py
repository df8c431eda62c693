"""Folded observables give the same scores as the circuit, with and without noise (D4)."""

import numpy as np
import pytest
import torch
from random_circuits import random_circuit, random_groups, random_paulis

from counterspin.circuits import (
    Amplitudes,
    Circuit,
    Linear,
    OutcomeGroups,
    PauliExpectations,
    Readout,
    Scale,
    amplitude_encoding,
    feature,
    strongly_entangling,
)
from counterspin.errors import ConditionsError, InputError
from counterspin.noise import NoiseModel
from counterspin.simulation import EffectiveObservables, fold, run

NOISES = {
    "ideal": None,
    "global": NoiseModel(global_depolarizing=0.3),
    "flips": NoiseModel(readout_flips=(0.05, 0.2)),
    "both": NoiseModel(global_depolarizing=0.15, readout_flips=(0.1, 0.0)),
}


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def heads(values: int) -> list[Scale | Linear | None]:
    g = seeded(0)
    linear = Linear(torch.randn(3, values, generator=g).double(), torch.randn(3, generator=g).double())
    return [None, Scale(torch.tensor(7.0)), linear]


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("amplitudes", [Amplitudes(8), Amplitudes(5), Amplitudes(8, True), Amplitudes(5, True)])
def test_fold_equals_run(amplitudes: Amplitudes, noise: str) -> None:
    rng = np.random.default_rng(1)
    circuit = random_circuit(rng, 3, amplitudes=amplitudes, uploads=False)
    x, w = torch.tensor(rng.normal(size=(6, circuit.inputs))), torch.tensor(rng.normal(size=circuit.weights))
    for measurement in (random_paulis(rng, 3), random_groups(rng, 3)):
        for head in heads(measurement.values):
            readout = Readout(measurement, head)
            folded = fold(circuit, w, readout, NOISES[noise])
            expected = run(circuit, x, w, readout, noise=NOISES[noise])
            assert torch.allclose(folded.scores(x), expected, atol=1e-12)
            assert folded.features == circuit.inputs
            assert torch.allclose(folded.matrices, folded.matrices.mH, atol=1e-13)
            assert torch.equal(folded.forms(), folded.forms().mT)


def test_observables_add_and_scale() -> None:
    circuit = amplitude_encoding(4) + strongly_entangling(2, 1)
    w, x = torch.randn(6, generator=seeded(1)).double(), torch.randn(3, 4, generator=seeded(2)).double()
    first = fold(circuit, w, Readout(PauliExpectations.of("Z0", "Z1")))
    second = fold(circuit, w, Readout(PauliExpectations.of("X0", "Y1")))
    combined = 2.0 * first + second * -0.5
    assert isinstance(combined, EffectiveObservables)
    assert torch.allclose(combined.scores(x), 2 * first.scores(x) - 0.5 * second.scores(x), atol=1e-14)


def test_zero_noise_extrapolation_of_global_depolarizing_recovers_the_ideal() -> None:
    # Linear mitigation stays linear: 2·A(p) - A(2p) is exact for a score linear in p.
    circuit = amplitude_encoding(8) + strongly_entangling(3, 2)
    w, readout = torch.randn(18, generator=seeded(1)).double(), Readout(OutcomeGroups.first(qubits=2, classes=3))
    once, twice = (fold(circuit, w, readout, NoiseModel(global_depolarizing=p)) for p in (0.1, 0.2))
    assert torch.allclose((2.0 * once + -1.0 * twice).matrices, fold(circuit, w, readout).matrices, atol=1e-14)


def test_conditions_are_stated() -> None:
    readout, w = Readout(PauliExpectations.of("Z0")), torch.zeros(0)
    with pytest.raises(ConditionsError, match="gate angles"):
        fold(Circuit(1).add("RX", 0, feature(0)), w, readout)
    with pytest.raises(ConditionsError, match="gate angles"):
        fold(amplitude_encoding(2).add("RX", 0, feature(0)), w, readout)
    with pytest.raises(ConditionsError, match="trajectories"):
        fold(amplitude_encoding(2), w, readout, NoiseModel(qubit_depolarizing=0.1))
    with pytest.raises(InputError, match="weights have shape"):
        fold(amplitude_encoding(2), torch.zeros(2), readout)
    with pytest.raises(InputError, match="measures qubit 1"):
        fold(amplitude_encoding(2), w, Readout(PauliExpectations.of("Z1")))


# D4: global depolarising adds p·Tr(E_k)/D to every score; it moves an argmax only where the traces differ.


def argmax_under(groups: OutcomeGroups, strengths: tuple[float, ...]) -> list[torch.Tensor]:
    circuit = amplitude_encoding(64) + strongly_entangling(6, 3)
    w = torch.randn(circuit.weights, generator=seeded(3)).double()
    x = torch.randn(2000, 64, generator=seeded(4)).double()
    noises = [None, *(NoiseModel(global_depolarizing=p) for p in strengths)]
    return [run(circuit, x, w, Readout(groups), noise=noise).argmax(1) for noise in noises]


def test_balanced_groups_keep_every_prediction() -> None:
    ideal, *noisy = argmax_under(OutcomeGroups.first(qubits=4, classes=10), (0.1, 0.5, 0.9))
    assert all(torch.equal(ideal, prediction) for prediction in noisy)


def test_unbalanced_groups_move_predictions_towards_the_larger_traces() -> None:
    groups = OutcomeGroups(tuple(range(6)), tuple(tuple(range(k, 64, 10)) for k in range(10)))
    assert [len(g) for g in groups.groups] == [7, 7, 7, 7, 6, 6, 6, 6, 6, 6]
    ideal, noisy = argmax_under(groups, (0.9,))
    moved = ideal != noisy
    assert 20 < int(moved.sum()) < len(ideal)
    assert bool((noisy[moved] < 4).all())
    assert bool((ideal[moved] >= 4).all())
