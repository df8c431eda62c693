"""Final states of the compiled engine, phase included, against dense matrices and the torch engine."""

import numpy as np
import pytest
import torch
from dense_oracle import start, unitary
from random_circuits import random_circuit

from counterspin.circuits import GATES, Amplitudes, Angle, Circuit, feature
from counterspin.errors import UsageError
from counterspin.simulation import final_states
from counterspin.simulation.kernels import kernel

pytestmark = pytest.mark.skipif(kernel() is None, reason="built without a C compiler")


@pytest.mark.parametrize("kind", [name for name, gate in GATES.items() if name != "MCZ"])
def test_every_gate_alone_with_its_phase(kind: str) -> None:
    # A superposition with unequal phases on both sides makes every entry of the gate's matrix count.
    turned = Circuit(2).add("U3", 0, 0.4, 0.9, 0.2).add("U3", 1, 1.1, -0.5, 0.7).add("CNOT", (0, 1))
    angles = [Angle(0.8 + 0.3 * k) for k in range(GATES[kind].angles)]
    circuit = turned.add(kind, (1, 0)[: GATES[kind].qubits], *angles).add("RX", 0, 0.3)
    empty = np.zeros(0)
    expected = unitary(circuit, empty, empty) @ start(circuit, empty)
    found = final_states(circuit, torch.zeros(1, 0, dtype=torch.float64), torch.zeros(0), engine="compiled")
    assert np.allclose(found[0].numpy(), expected, atol=1e-14)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 1e-5)])
@pytest.mark.parametrize("qubits", range(1, 7))
def test_random_circuits_equal_the_torch_engine(qubits: int, dtype: torch.dtype, tolerance: float) -> None:
    rng = np.random.default_rng(qubits)
    amplitudes = Amplitudes(2**qubits - (qubits > 1), qubits % 2 == 0) if qubits > 3 else None
    circuit = random_circuit(rng, qubits, amplitudes=amplitudes, extra=6 * qubits)
    x = torch.tensor(rng.normal(size=(19, circuit.inputs)), dtype=dtype)
    w = torch.tensor(rng.normal(size=circuit.weights), dtype=dtype)
    ours, reference = (final_states(circuit, x, w, engine=engine) for engine in ("compiled", "torch"))
    assert ours.dtype == reference.dtype
    assert torch.allclose(ours, reference, atol=tolerance, rtol=0)


def test_permutations_alone_move_the_ground_state() -> None:
    circuit = Circuit(3).add("X", 0).add("CNOT", (0, 2)).add("SWAP", (0, 1))
    state = final_states(circuit, torch.zeros(2, 0), torch.zeros(0), engine="compiled")
    # |000> -> |100> -> |101> -> |011>
    assert state.tolist() == [[0, 0, 0, 1, 0, 0, 0, 0]] * 2


def test_an_empty_batch() -> None:
    assert final_states(Circuit(2).add("H", 0), torch.zeros(0, 0), torch.zeros(0), engine="compiled").shape == (0, 4)


def test_states_with_a_graph_come_from_torch() -> None:
    circuit = Circuit(1).add("RY", 0, feature(0))
    x, w = torch.zeros(2, 1, requires_grad=True), torch.zeros(0)
    assert final_states(circuit, x, w).requires_grad
    with pytest.raises(UsageError, match="engine is 'compiled', but states attached to autograd"):
        final_states(circuit, x, w, engine="compiled")
    with torch.no_grad():
        assert final_states(circuit, x, w, engine="compiled").grad_fn is None
