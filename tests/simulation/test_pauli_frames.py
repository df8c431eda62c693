"""Pauli strings carried through gates, against the gates' own matrices."""

import numpy as np
import pytest
import torch
from random_circuits import random_circuit

from counterspin.circuits import GATES, Amplitudes, Angle, Circuit, Gate, feature
from counterspin.noise import Placed, amplitude_damping, bit_flip, depolarizing, pauli_channel, phase_flip
from counterspin.simulation import final_states
from counterspin.simulation.angles import angle_values
from counterspin.simulation.compiler import compile_circuit
from counterspin.simulation.pauli_frames import frame_plan

PAULIS = {"X": bit_flip(1.0), "Z": phase_flip(1.0), "Y": pauli_channel((0.0, 1.0, 0.0))}


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def states_with_paulis(circuit: Circuit, places: list[tuple[int, int, str]], x, w) -> torch.Tensor:
    """Final states of the circuit with the Pauli gates themselves in it."""
    gates = []
    for index in range(-1, len(circuit.gates)):
        gates += [circuit.gates[index]] if index >= 0 else []
        gates += [Gate(pauli, (qubit,)) for after, qubit, pauli in places if after == index]
    return final_states(Circuit(circuit.qubits, tuple(gates), circuit.amplitudes), x, w, engine="torch")


def states_of_plan(circuit: Circuit, channels: tuple[Placed, ...], x, w) -> torch.Tensor:
    """Final states of the planned circuit with the string of errors behind it, one frame."""
    plan = frame_plan(circuit, channels)
    frames = plan.draw(3, seeded(0))
    assert frames.shares.tolist() == [1.0]
    program = compile_circuit(circuit)
    angles = angle_values(program, x, w).at(program.angles.address).expand(len(x), -1)
    features = 0 if circuit.amplitudes is None else circuit.amplitudes.features
    rows = plan.rows(frames, x[:, :features], angles)
    end = [Gate("X", (q,)) for q in range(circuit.qubits) if frames.x[0, q]]
    end += [Gate("Z", (q,)) for q in range(circuit.qubits) if frames.z[0, q]]
    whole = Circuit(circuit.qubits, plan.circuit.gates + tuple(end), circuit.amplitudes)
    return final_states(whole, rows, torch.zeros(0), engine="torch")


@pytest.mark.parametrize("seed", range(6))
def test_sure_errors_equal_the_gates_up_to_a_phase(seed: int) -> None:
    rng = np.random.default_rng(seed)
    qubits = 1 + seed % 3
    circuit = random_circuit(rng, qubits, amplitudes=Amplitudes(2**qubits) if seed % 2 else None)
    x, w = torch.tensor(rng.normal(size=(2, circuit.inputs))), torch.tensor(rng.normal(size=circuit.weights))
    places = [
        (int(rng.integers(-1, len(circuit.gates))), int(rng.integers(qubits)), str(rng.choice(["X", "Y", "Z"])))
        for _ in range(12)
    ]
    channels = tuple(Placed(after=a, qubits=(q,), channel=PAULIS[p]) for a, q, p in places)
    overlap = (states_with_paulis(circuit, places, x, w).conj() * states_of_plan(circuit, channels, x, w)).sum(dim=1)
    torch.testing.assert_close(overlap.abs(), torch.ones(2).double(), atol=1e-12, rtol=0)


@pytest.mark.one_fast
@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("word", ["X", "Y", "Z"])
def test_every_gate_lets_every_error_through(kind: str, word: str) -> None:
    qubits = GATES[kind].qubits or 3
    angles = tuple(Angle(0.3 + 0.5 * k) for k in range(GATES[kind].angles))
    front = [Gate("RY", (q,), (feature(0),)) for q in range(qubits)] + [Gate("H", (q,)) for q in range(qubits)]
    circuit = Circuit(qubits, (*front, Gate(kind, tuple(range(qubits)), angles)))
    x, w = torch.tensor([[0.4]], dtype=torch.float64), torch.zeros(0, dtype=torch.float64)
    for qubit in range(qubits):
        places = [(2 * qubits - 1, qubit, word)]
        channels = (Placed(after=2 * qubits - 1, qubits=(qubit,), channel=PAULIS[word]),)
        overlap = (states_with_paulis(circuit, places, x, w).conj() * states_of_plan(circuit, channels, x, w)).sum()
        assert abs(overlap.item()) == pytest.approx(1.0, abs=1e-12)


def test_clifford_gates_and_rotations_take_no_gate_more() -> None:
    circuit = Circuit(3).add("H", 0).add("CNOT", (0, 1)).add("SX", 2).add("ECR", (1, 2)).add("CZ", (0, 2))
    circuit = circuit.add("Rot", 0, 0.1, 0.2, 0.3).add("RZZ", (0, 1), 0.4).add("SWAP", (1, 2)).add("S", 1).add("Y", 0)
    channels = tuple(Placed(after=k, qubits=(k % 3,), channel=depolarizing(0.5)) for k in range(10))
    plan = frame_plan(circuit, channels)
    assert [gate.kind for gate in plan.circuit.gates] == [gate.kind for gate in circuit.gates]
    assert len(frame_plan(circuit.add("T", 0), channels).circuit.gates) == 10 + 2 + 1


def test_two_qubit_words_and_shares() -> None:
    channel = pauli_channel({"XI": 0.25, "IZ": 0.5})
    plan = frame_plan(Circuit(3), (Placed(after=-1, qubits=(2, 0), channel=channel),))
    draws = 20_000
    frames = plan.draw(draws, seeded(0))
    found = {
        (tuple(x), tuple(z)): s for x, z, s in zip(frames.x.tolist(), frames.z.tolist(), frames.shares, strict=True)
    }
    none = (False, False, False)
    expected = {
        (none, none): 0.25,
        ((False, False, True), none): 0.25,
        (none, (True, False, False)): 0.5,
    }
    assert found.keys() == expected.keys()
    for key, share in expected.items():
        assert found[key] == pytest.approx(share, abs=5 * (share * (1 - share) / draws) ** 0.5)


def test_same_seed_same_frames_and_plans_are_kept() -> None:
    circuit = Circuit(2).add("RX", 0, 0.1).add("CNOT", (0, 1))
    channels = (Placed(after=0, qubits=(0,), channel=depolarizing(0.5)),)
    plan = frame_plan(circuit, channels)
    assert frame_plan(circuit, channels) is plan
    first, second = plan.draw(50, seeded(1)), plan.draw(50, seeded(1))
    assert np.array_equal(first.x, second.x)
    assert np.array_equal(first.factors, second.factors)
    assert first.shares.sum() == pytest.approx(1.0)


def test_what_is_no_mixture_of_pauli_strings_has_no_plan() -> None:
    assert frame_plan(Circuit(1), (Placed(after=-1, qubits=(0,), channel=amplitude_damping(0.1)),)) is None
