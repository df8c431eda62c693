"""Both engines against dense matrices in numpy, float32 against float64, and the ends of their range."""

import math

import numpy as np
import pytest
import torch
from compiled_engine import ENGINES, each_engine
from dense_oracle import observables, start, unitary
from hypothesis import given, settings
from hypothesis import strategies as st
from random_circuits import random_circuit, random_groups, random_paulis
from torch import Tensor

from counterspin.circuits import (
    GATES,
    Amplitudes,
    Circuit,
    Given,
    Linear,
    OutcomeGroups,
    PauliExpectations,
    Readout,
    feature,
    weight,
)
from counterspin.errors import InputError
from counterspin.simulation import final_states, run


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def dense_states(circuit: Circuit, x: torch.Tensor, w: torch.Tensor) -> np.ndarray:
    return np.stack([unitary(circuit, row, w.numpy()) @ start(circuit, row) for row in x.numpy()])


def encoding(kind: str, qubits: int) -> Amplitudes | None:
    full = 2**qubits
    return {
        "ground": None,
        "real": Amplitudes(full),
        "padded": Amplitudes(full - 1),
        "complex": Amplitudes(full - 1, complex_data=True),
    }[kind]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ground", "real", "padded", "complex"])
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), qubits=st.integers(1, 4))
def test_scores_of_random_circuits_equal_dense_matrices(kind: str, seed: int, qubits: int) -> None:
    rng = np.random.default_rng(seed)
    circuit = random_circuit(rng, qubits, amplitudes=encoding(kind, qubits))
    x = torch.tensor(rng.normal(size=(3, circuit.inputs)))
    w = torch.tensor(rng.normal(size=circuit.weights))
    states = dense_states(circuit, x, w)
    for engine in ENGINES:
        found = final_states(circuit, x, w, engine=engine)
        assert torch.allclose(found, torch.tensor(states), atol=1e-12, rtol=0), engine
    for measurement in (random_paulis(rng, qubits), random_groups(rng, qubits)):
        expected = [[np.vdot(s, o @ s).real for o in observables(measurement, qubits)] for s in states]
        for engine in ENGINES:
            scores = run(circuit, x, w, Readout(measurement), engine=engine)
            assert np.allclose(scores.numpy(), expected, atol=1e-12, rtol=0), engine


def test_random_circuits_hold_every_gate() -> None:
    circuit = random_circuit(np.random.default_rng(0), 4)
    assert {gate.kind for gate in circuit.gates} == set(GATES)
    assert any(g.qubits[1] < g.qubits[0] for g in circuit.gates if len(g.qubits) == 2)


@pytest.mark.one_fast
@pytest.mark.parametrize("kind", [name for name, gate in GATES.items() if gate.qubits != 1])
@pytest.mark.parametrize("wires", [(0, 1), (1, 0), (0, 2), (2, 0), (2, 1)])
def test_two_qubit_gates_on_every_pair_and_order(kind: str, wires: tuple[int, int]) -> None:
    circuit = Circuit(3, amplitudes=Amplitudes(8, complex_data=True)).add(kind, wires, *[0.7] * GATES[kind].angles)
    x = torch.randn(2, 16, generator=seeded(1), dtype=torch.float64)
    w = torch.zeros(0, dtype=torch.float64)
    expected = dense_states(circuit, x, w)
    for engine in ENGINES:
        assert np.allclose(final_states(circuit, x, w, engine=engine).numpy(), expected, atol=1e-14), engine


@pytest.mark.parametrize("kind", ["ground", "padded"])
def test_large_batch_through_one_unitary_equals_small_batches(kind: str) -> None:
    # Without inputs in gates, a batch larger than the dimension takes another path through the torch engine.
    rng = np.random.default_rng(2)
    circuit = random_circuit(rng, 3, amplitudes=encoding(kind, 3), uploads=False)
    x = torch.tensor(rng.normal(size=(20, circuit.inputs)))
    w = torch.tensor(rng.normal(size=circuit.weights), requires_grad=True)
    whole = final_states(circuit, x, w, engine="torch")
    parts = torch.cat([final_states(circuit, block, w, engine="torch") for block in x.split(3)])
    assert torch.allclose(whole, parts, atol=1e-14)
    gradients = [torch.autograd.grad(s[:, 1].abs().square().sum(), w)[0] for s in (whole, parts)]
    assert torch.allclose(*gradients, atol=1e-13)
    assert float(gradients[0].abs().max()) > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ground", "padded", "complex"])
def test_gradients_pass_gradcheck(kind: str) -> None:
    rng = np.random.default_rng(3)
    circuit = random_circuit(rng, 2, amplitudes=encoding(kind, 2), inputs=2, weights=2, extra=0)
    head = Linear(torch.tensor(rng.normal(size=(3, 2))), torch.tensor(rng.normal(size=3)))
    readout = Readout(PauliExpectations.of("Z0", "X0 Y1"), head)
    x = torch.tensor(rng.normal(size=(1, circuit.inputs)), requires_grad=True)
    w = torch.tensor(rng.normal(size=circuit.weights), requires_grad=True)

    def scores(x: Tensor, w: Tensor) -> Tensor:
        return run(circuit, x, w, readout, engine="torch")

    assert torch.autograd.gradcheck(scores, (x, w), atol=1e-7)
    assert torch.autograd.gradgradcheck(scores, (x, w), atol=1e-6, fast_mode=True)


@pytest.mark.one_fast
@each_engine
@pytest.mark.parametrize("qubits", range(1, 7))
def test_single_precision_is_close_to_double(qubits: int, engine: str) -> None:
    rng = np.random.default_rng(qubits)
    circuit = random_circuit(rng, qubits)
    readout = Readout(random_paulis(rng, qubits))
    results = []
    for dtype in (torch.float32, torch.float64):
        x = torch.tensor(np.random.default_rng(1).normal(size=(4, circuit.inputs)), dtype=dtype, requires_grad=True)
        w = torch.tensor(np.random.default_rng(2).normal(size=circuit.weights), dtype=dtype, requires_grad=True)
        scores = run(circuit, x, w, readout, engine=engine)
        assert scores.dtype == dtype
        results.append([scores, *torch.autograd.grad(scores.sum(), (x, w))])
    for single, double in zip(*results, strict=True):
        assert torch.allclose(single.double(), double, atol=1e-5, rtol=1e-5)


@each_engine
def test_computes_in_the_dtype_of_the_inputs(engine: str) -> None:
    circuit = Circuit(1).add("RY", 0, feature(0) * weight(0))
    readout = Readout(PauliExpectations.of("Z0"))
    w = torch.tensor([1.0 / 3.0], requires_grad=True)
    scores = run(circuit, torch.tensor([[1.0]], dtype=torch.float64), w, readout, engine=engine)
    assert scores.item() == pytest.approx(math.cos(float(w.detach().double())), abs=1e-15)
    assert torch.autograd.grad(scores.sum(), w)[0].dtype == torch.float32


@pytest.mark.one_fast
@each_engine
@pytest.mark.parametrize("measurement", [PauliExpectations.of("X0", "Y1"), OutcomeGroups((1,), ((0,), (1,)))])
@pytest.mark.parametrize("kind", ["ground", "padded", "complex"])
def test_empty_batch_and_single_sample(kind: str, measurement: PauliExpectations | OutcomeGroups, engine: str) -> None:
    rng = np.random.default_rng(4)
    circuit = random_circuit(rng, 2, amplitudes=encoding(kind, 2))
    x, w = torch.tensor(rng.normal(size=(3, circuit.inputs))), torch.tensor(rng.normal(size=circuit.weights))
    readout = Readout(measurement)
    assert run(circuit, x[:0], w, readout, engine=engine).shape == (0, 2)
    assert final_states(circuit, x[:0], w, engine=engine).shape == (0, 4)
    alone, among = (run(circuit, rows, w, readout, engine=engine) for rows in (x[1:2], x))
    assert torch.allclose(alone, among[1:2], atol=1e-14)


@each_engine
def test_a_circuit_without_gates_measures_the_encoded_state(engine: str) -> None:
    readout = Readout(OutcomeGroups.first(qubits=2, classes=4))
    w = torch.zeros(0)
    assert run(Circuit(2), torch.zeros(5, 0), w, readout, engine=engine).tolist() == [[1.0, 0.0, 0.0, 0.0]] * 5
    data = Circuit(2, amplitudes=Amplitudes(3))
    scores = run(data, torch.tensor([[2.0, 0.0, -2.0]]), w, readout, engine=engine)
    assert scores[0].tolist() == pytest.approx([0.5, 0.0, 0.5, 0.0])


@each_engine
def test_qubit_zero_is_the_most_significant_bit(engine: str) -> None:
    states = final_states(Circuit(3).add("X", 0), torch.zeros(1, 0), torch.zeros(0), engine=engine)
    assert states[0].abs().tolist() == [0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]


@each_engine
def test_complex_inputs_equal_real_and_imaginary_parts(engine: str) -> None:
    circuit = random_circuit(np.random.default_rng(5), 2, amplitudes=Amplitudes(3, complex_data=True), uploads=False)
    z = torch.randn(4, 3, dtype=torch.complex128, generator=seeded(0))
    w = torch.randn(circuit.weights, generator=seeded(1))
    readout = Readout(PauliExpectations.of("Z0", "Y1"))
    whole, parts = (run(circuit, x, w, readout, engine=engine) for x in (z, torch.cat([z.real, z.imag], 1)))
    assert torch.equal(whole, parts)
    # A view that owes its conjugation.
    assert torch.equal(run(circuit, z.conj().resolve_conj().conj(), w, readout, engine=engine), whole)


@each_engine
@pytest.mark.parametrize("shape", [(), (3,)])
def test_given_angles_equal_expressions_with_gradients(shape: tuple[int, ...], engine: str) -> None:
    value = torch.randn(shape, dtype=torch.float64, generator=seeded(6), requires_grad=True)
    readout = Readout(PauliExpectations.of("Z0", "Z1"))

    def circuit(angle: Given | torch.Tensor) -> Circuit:
        held = Circuit(2).add("Rot", 0, weight(0), angle, 0.2).add("CRX", (0, 1), angle)
        return held.add("RZZ", (0, 1), angle).add("RX", 1, 0.4)

    w = torch.tensor([0.3], dtype=torch.float64)
    scores = run(circuit(Given(value)), torch.zeros(3, 0, dtype=torch.float64), w, readout, engine=engine)
    as_input = value.detach().expand(3)[:, None].clone().requires_grad_()
    expected = run(circuit(feature(0)), as_input, w, readout, engine=engine)
    assert torch.allclose(scores, expected, atol=1e-14)
    ours, theirs = torch.autograd.grad(scores.sum(), value)[0], torch.autograd.grad(expected.sum(), as_input)[0][:, 0]
    assert torch.allclose(ours, theirs.sum() if not shape else theirs, atol=1e-13)


@each_engine
def test_the_zero_vector_has_no_direction(engine: str) -> None:
    circuit = Circuit(1, amplitudes=Amplitudes(2))
    with pytest.raises(InputError, match="sample 1 is the zero vector"):
        final_states(circuit, torch.tensor([[1.0, 0.0], [0.0, 0.0]]), torch.zeros(0), engine=engine)


@each_engine
def test_scaling_the_input_leaves_amplitude_scores_unchanged(engine: str) -> None:
    circuit = random_circuit(np.random.default_rng(7), 3, amplitudes=Amplitudes(7), uploads=False)
    x = torch.randn(5, 7, dtype=torch.float64, generator=seeded(0))
    w = torch.randn(circuit.weights, dtype=torch.float64, generator=seeded(1))
    readout = Readout(random_groups(np.random.default_rng(8), 3))
    plain, scaled = (run(circuit, rows, w, readout, engine=engine) for rows in (x, 37.5 * x))
    assert torch.allclose(plain, scaled, atol=1e-14)
