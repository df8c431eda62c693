"""Unitary folding: no change of ideal values, counts, and the noise of every copy."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterspin.circuits import Circuit, PauliExpectations, Readout, feature
from counterspin.errors import UsageError
from counterspin.mitigation.folding import fold_global, fold_local, folded_noise, inverse_gates
from counterspin.noise import GateRule, NoiseModel, bit_flip, depolarizing
from counterspin.simulation import final_states, run
from tests.support.noisy_circuits import AMPLITUDES, GATES, IDLE, NOISE
from tests.support.random_circuits import random_circuit


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("seed", range(3))
def test_a_circuit_followed_by_its_inverse_gates_is_the_identity(seed: int) -> None:
    circuit = random_circuit(np.random.default_rng(seed), 3)
    back = tuple(inverse for gate in reversed(circuit.gates) for inverse in inverse_gates(gate))
    both = Circuit(3, (*circuit.gates, *back))
    x, w = torch.randn(4, circuit.inputs, generator=seeded(1)), torch.randn(circuit.weights, generator=seeded(2))
    states = final_states(both, x.double(), w.double())
    assert torch.allclose(states[:, 0].abs(), torch.ones(4, dtype=torch.float64), atol=1e-12)


def test_tensors_given_as_angles_are_negated_with_their_gradient() -> None:
    angle = torch.tensor([0.3, 0.7], dtype=torch.float64, requires_grad=True)
    folded = fold_global(Circuit(1).add("RY", 0, angle), 3.0).circuit
    values = run(folded, torch.zeros(2, 0, dtype=torch.float64), torch.zeros(0), Readout(PauliExpectations.of("Z0")))
    assert torch.allclose(values[:, 0], torch.cos(angle))
    assert torch.allclose(torch.autograd.grad(values.sum(), angle)[0], -torch.sin(angle), atol=1e-12)


@pytest.mark.slow
@given(st.floats(1.0, 9.0), st.integers(0, 2**31))
@settings(max_examples=25, deadline=None)
def test_folding_keeps_ideal_values_and_reaches_its_factor(factor: float, seed: int) -> None:
    circuit = random_circuit(np.random.default_rng(seed), 2, extra=2)
    x, w = torch.randn(2, circuit.inputs, generator=seeded(1)), torch.randn(circuit.weights, generator=seeded(2))
    readout = Readout(PauliExpectations.of("Z0", "X1"))
    expected = run(circuit, x.double(), w.double(), readout)
    for folded in (fold_global(circuit, factor), fold_local(circuit, factor, generator=seeded(seed))):
        assert torch.allclose(run(folded.circuit, x.double(), w.double(), readout), expected, atol=1e-10)
        assert abs(folded.factor - factor) <= 1 / len(circuit.gates) + 1e-12
        noisy = [origin for origin in folded.origins if origin is not None]
        assert len(noisy) == round(folded.factor * len(circuit.gates))
        assert len(folded.origins) == len(folded.circuit.gates)


def test_order_of_global_and_local_folding() -> None:
    circuit = Circuit(1).add("H", 0).add("X", 0).add("Y", 0)
    kinds = [gate.kind for gate in fold_global(circuit, 3 + 4 / 3).circuit.gates]
    assert kinds == ["H", "X", "Y", "Y", "X", "H", "H", "X", "Y", "Y", "X", "X", "Y"]
    local = fold_local(circuit, 5 / 3, generator=seeded(0))
    folded = [origin for origin in range(3) if local.origins.count(origin) == 3]
    assert len(folded) == 1
    assert len(local.origins) == 5
    choices = {fold_local(circuit, 5 / 3, generator=seeded(seed)).origins for seed in range(20)}
    assert len(choices) == 3


@pytest.mark.parametrize("gate", ["S", "T", "SX"])
def test_inverses_written_as_other_kinds_bring_the_noise_of_their_gate_once(gate: str) -> None:
    circuit = Circuit(1).add(gate, 0)
    noise = NoiseModel(rules=(GateRule(channel=bit_flip(0.1), kinds=(gate,)),))
    folded = fold_global(circuit, 3.0)
    assert len(folded_noise(noise, circuit, folded).placed) == 3


def test_noise_by_rules_for_every_gate_is_that_of_the_folded_circuit() -> None:
    rule = GateRule(channel=depolarizing(0.1), targets="each")
    noise = NoiseModel(rules=(rule,))
    folded = fold_local(GATES, 2.0, generator=seeded(0))
    found, expected = folded_noise(noise, GATES, folded).placed, noise.place(folded.circuit)
    assert found == expected


def test_waiting_qubits_are_scheduled_anew() -> None:
    folded = fold_global(AMPLITUDES, 3.0)
    found, expected = folded_noise(IDLE, AMPLITUDES, folded).placed, IDLE.place(folded.circuit)
    assert [(p.after, p.qubits) for p in found] == [(p.after, p.qubits) for p in expected]
    assert all(torch.equal(a.channel.transfer, b.channel.transfer) for a, b in zip(found, expected, strict=True))


def test_factor_1_changes_nothing() -> None:
    folded = fold_global(AMPLITUDES, 1.0)
    assert folded.circuit.gates == AMPLITUDES.gates
    assert folded.factor == 1.0
    assert folded_noise(NOISE, AMPLITUDES, folded).placed == NOISE.place(AMPLITUDES)


def test_global_depolarising_grows_with_the_gates() -> None:
    circuit = Circuit(1).add("H", 0).add("X", 0)
    noise = folded_noise(NoiseModel(global_depolarizing=0.1), circuit, fold_global(circuit, 3.0))
    assert noise.global_depolarizing == pytest.approx(1 - 0.9**3, abs=1e-15)


@pytest.mark.parametrize("factor", [0.5, float("nan"), float("inf")])
def test_factors_below_1_are_refused(factor: float) -> None:
    with pytest.raises(UsageError, match="scale factor"):
        fold_global(Circuit(1).add("RX", 0, feature(0)), factor)
    with pytest.raises(UsageError, match="scale factor"):
        fold_local(Circuit(1).add("RX", 0, feature(0)), factor, generator=seeded(0))
