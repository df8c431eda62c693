"""Parameter-shift derivatives equal autograd, and every circuit is counted."""

import math

import numpy as np
import pytest
import torch
from random_circuits import random_circuit, random_groups, random_paulis
from torch import Tensor

from counterspin.circuits import (
    GATES,
    Amplitudes,
    Circuit,
    Given,
    Linear,
    PauliExpectations,
    Readout,
    amplitude_encoding,
    feature,
    reuploading,
    strongly_entangling,
    weight,
)
from counterspin.errors import CapabilityError, InputError, UsageError
from counterspin.noise import GateRule, NoiseModel, ReadoutErrors, amplitude_damping
from counterspin.simulation import run, shift_jacobian, shift_rule
from counterspin.simulation.shift import lifted_circuit

NOISY = NoiseModel(
    global_depolarizing=0.1,
    rules=(GateRule(channel=amplitude_damping(0.1), targets="each"),),
    readout=ReadoutErrors(flips=((0.05, 0.1), (0.0, 0.2))),
)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def autograd_jacobian(circuit: Circuit, x: Tensor, w: Tensor, readout: Readout) -> Tensor:
    x = x.detach().clone().requires_grad_()
    scores = run(circuit, x, w, readout)
    return torch.stack([torch.autograd.grad(column.sum(), x, retain_graph=True)[0] for column in scores.T], 1)


def check(circuit: Circuit, readout: Readout, seed: int = 0) -> int:
    x = torch.randn(3, circuit.inputs, generator=seeded(seed)).double()
    w = torch.randn(circuit.weights, generator=seeded(seed + 1)).double()
    scores, jacobian, count = shift_jacobian(circuit, x, w, readout)
    expected = autograd_jacobian(circuit, x, w, readout)
    assert torch.allclose(scores, run(circuit, x, w, readout), atol=1e-13)
    assert torch.allclose(jacobian, expected, atol=1e-10, rtol=0)
    assert float(expected.abs().max()) > 1e-3
    return count


@pytest.mark.one_fast
@pytest.mark.parametrize("kind", [name for name, gate in GATES.items() if gate.angles])
def test_every_parametrised_gate(kind: str) -> None:
    wires = (1, 0)[: GATES[kind].qubits]
    circuit = Circuit(2).add("U3", 0, 0.4, 0.9, 0.2).add("U3", 1, 1.1, -0.5, 0.7).add("CNOT", (0, 1))
    for _ in range(2):  # every input is used twice
        angles = [1.7 * feature(k) + 0.3 * weight(0) for k in range(GATES[kind].angles)]
        circuit = circuit.add(kind, wires, *angles).add("RX", 0, 0.3).add("RY", 1, -0.9).add("CNOT", (1, 0))
    count = check(circuit, Readout(PauliExpectations.of("Z0", "Z1", "Z0 Z1")))
    assert count == 1 + 2 * sum(2 * len(frequencies) for frequencies in GATES[kind].frequencies)
    # Two settings, each circuit once in each.
    assert check(circuit, Readout(PauliExpectations.of("Z0", "X0 Y1"))) == 2 * count


@pytest.mark.parametrize("qubits", range(1, 5))
def test_random_circuits_with_reused_inputs_and_trainable_scales(qubits: int) -> None:
    rng = np.random.default_rng(qubits)
    head = Linear(torch.tensor(rng.normal(size=(3, 4))), torch.tensor(rng.normal(size=3)))
    check(random_circuit(rng, qubits, extra=4 * qubits), Readout(random_paulis(rng, qubits), head))


@pytest.mark.parametrize("complex_data", [False, True])
def test_amplitude_inputs(complex_data: bool) -> None:
    circuit = amplitude_encoding(6, complex_data=complex_data) + strongly_entangling(3, 2)
    count = check(circuit, Readout(random_groups(np.random.default_rng(0), 3)))
    assert count == 1 + 2 * (12 if complex_data else 6)


def test_inputs_that_are_amplitudes_and_angles_at_once() -> None:
    circuit = amplitude_encoding(3) + strongly_entangling(2, 1)
    circuit = circuit.add("CRY", (0, 1), feature(0) * weight(0)).add("RX", 0, feature(1) + feature(3))
    assert check(circuit, Readout(PauliExpectations.of("Z0", "Z1"))) == 1 + 6 + 4 + 2


def test_a_vector_along_one_axis() -> None:
    # Its own direction has no tangent: the derivative of the normalised vector is zero there.
    circuit = amplitude_encoding(2).add("RY", 0, 0.4)
    x, readout = torch.tensor([[2.0, 0.0]], dtype=torch.float64), Readout(PauliExpectations.of("Z0"))
    _, jacobian, _ = shift_jacobian(circuit, x, torch.zeros(0), readout)
    assert torch.allclose(jacobian, autograd_jacobian(circuit, x, torch.zeros(0), readout), atol=1e-15)


def test_many_shifts_in_several_chunks_and_single_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    circuit = reuploading(3, 4, scale=math.pi)
    monkeypatch.setattr("counterspin.simulation.shift._NUMBERS_AT_ONCE", 5 * 3 * 8)
    readout = Readout(PauliExpectations.of("Z0", "Z1", "Z2"))
    assert check(circuit, readout) == 1 + 2 * 12
    x, w = torch.rand(3, 3, generator=seeded(0)), torch.rand(circuit.weights, generator=seeded(1))
    _, single, _ = shift_jacobian(circuit, x, w, readout)
    assert single.dtype == torch.float32
    assert torch.allclose(single.double(), autograd_jacobian(circuit, x.double(), w.double(), readout), atol=1e-4)


def test_no_inputs_no_shifts() -> None:
    circuit = Circuit(1).add("RX", 0, weight(0))
    x, w = torch.zeros(2, 0, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    _, jacobian, count = shift_jacobian(circuit, x, w, Readout(PauliExpectations.of("Z0")))
    assert (tuple(jacobian.shape), count) == ((2, 1, 0), 1)


def test_empty_batch() -> None:
    circuit = amplitude_encoding(2).add("RX", 0, feature(2))
    x = torch.zeros(0, 3, dtype=torch.float64)
    scores, jacobian, _ = shift_jacobian(circuit, x, torch.zeros(0), Readout(PauliExpectations.of("Z0")))
    assert (tuple(scores.shape), tuple(jacobian.shape)) == ((0, 1), (0, 1, 3))


@pytest.mark.parametrize("frequencies", [(1.0,), (0.5, 1.0), (2.0, 4.0, 6.0)])
def test_rules_differentiate_trigonometric_polynomials(frequencies: tuple[float, ...]) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, len(frequencies)))
    f = np.array(frequencies)
    rule = shift_rule(frequencies)
    value = sum(c * (3.0 + a @ np.cos(f * s) + b @ np.sin(f * s)) for c, s in rule)
    assert len(rule) == 2 * len(frequencies)
    assert value == pytest.approx(b @ f, abs=1e-13)


def test_what_cannot_be_shifted_is_refused() -> None:
    readout = Readout(PauliExpectations.of("Z0"))
    with pytest.raises(CapabilityError, match="computed outside"):
        shift_jacobian(Circuit(1).add("RX", 0, Given(torch.tensor(0.1))), torch.zeros(1, 0), torch.zeros(0), readout)
    with pytest.raises(InputError, match="inputs have shape"):
        shift_jacobian(amplitude_encoding(2), torch.zeros(1, 3), torch.zeros(0), readout)
    with pytest.raises(InputError, match="sample 0 is the zero vector"):
        shift_jacobian(amplitude_encoding(2), torch.zeros(1, 2), torch.zeros(0), readout)


def test_complex_amplitudes_as_one_tensor() -> None:
    circuit = Circuit(1, amplitudes=Amplitudes(2, complex_data=True)).add("RX", 0, 0.3)
    z = torch.randn(2, 2, dtype=torch.complex128, generator=seeded(0))
    readout = Readout(PauliExpectations.of("Z0"))
    _, jacobian, _ = shift_jacobian(circuit, z, torch.zeros(0), readout)
    real = torch.cat([z.real, z.imag], 1)
    assert torch.allclose(jacobian, autograd_jacobian(circuit, real, torch.zeros(0), readout), atol=1e-12)


@pytest.mark.parametrize("encoding", ["amplitudes", "angles"])
def test_finite_shots_average_to_the_exact_derivatives(encoding: str) -> None:
    circuit = amplitude_encoding(3) if encoding == "amplitudes" else reuploading(2, 1)
    circuit = circuit.add("RY", 0, 0.4).add("CNOT", (0, 1))
    readout = Readout(PauliExpectations.of("Z0", "X1"))
    x = torch.tensor([[0.7, -0.4, 0.2]], dtype=torch.float64)[:, : circuit.inputs]
    w = torch.full((circuit.weights,), 0.6, dtype=torch.float64)
    scores, exact, count = shift_jacobian(circuit, x, w, readout)
    draws = x.expand(2000, -1)
    sampled, found, same = shift_jacobian(circuit, draws, w, readout, shots=10, generator=seeded(0))
    assert same == count
    assert torch.allclose(sampled, scores.expand(2000, -1), atol=1e-12)
    error = found.std(dim=0) / math.sqrt(2000)
    assert float(error.max()) > 1e-3
    assert bool(((found.mean(dim=0) - exact[0]).abs() < 5 * error + 1e-12).all())


def test_finite_shots_without_a_generator_are_refused() -> None:
    circuit = reuploading(1, 1)
    arguments = (circuit, torch.zeros(1, 1), torch.zeros(circuit.weights), Readout(PauliExpectations.of("Z0")))
    with pytest.raises(UsageError, match="generator is None"):
        shift_jacobian(*arguments, shots=10)
    with pytest.raises(UsageError, match="shots is 0"):
        shift_jacobian(*arguments, shots=0, generator=seeded(0))


@pytest.mark.one_fast
@pytest.mark.parametrize("seed", range(4))
def test_the_rules_hold_under_noise(seed: int) -> None:
    rng = np.random.default_rng(seed)
    amplitudes = Amplitudes(3) if seed % 2 else None
    circuit = random_circuit(rng, 2, extra=0, amplitudes=amplitudes)
    x = torch.tensor(rng.normal(size=(2, circuit.inputs))).requires_grad_()
    w = torch.tensor(rng.normal(size=circuit.weights))
    for measurement in (random_paulis(rng, 2), random_groups(rng, 2)):
        readout = Readout(measurement)
        scores, jacobian, _ = shift_jacobian(circuit, x.detach(), w, readout, noise=NOISY)
        exact = run(circuit, x, w, readout, noise=NOISY, engine="density")
        rows = [torch.autograd.grad(column.sum(), x, retain_graph=True)[0] for column in exact.T]
        torch.testing.assert_close(scores, exact.detach(), atol=1e-10, rtol=0)
        torch.testing.assert_close(jacobian, torch.stack(rows, 1), atol=1e-9, rtol=0)


def test_shots_under_noise_give_unbiased_derivatives() -> None:
    circuit, w = reuploading(2, 1), torch.linspace(-1, 1, reuploading(2, 1).weights).double()
    x, readout, rows = torch.tensor([[0.3, 0.9]], dtype=torch.float64), Readout(PauliExpectations.of("Z0", "X1")), 300
    _, exact, _ = shift_jacobian(circuit, x, w, readout, noise=NOISY)
    _, found, _ = shift_jacobian(circuit, x.expand(rows, -1), w, readout, noise=NOISY, shots=100, generator=seeded(0))
    error = found.std(0) / rows**0.5
    assert bool(((found.mean(0) - exact[0]).abs() < 5 * error).all())
    assert float(error.max()) < 0.02
    _, ideal, _ = shift_jacobian(circuit, x, w, readout)
    assert float((ideal - exact).abs().max()) > 10 * float(error.max())  # the noise matters


def test_lifted_circuits_keep_gates_layers_and_weights() -> None:
    circuit = amplitude_encoding(2).add("RX", 0, feature(1) * weight(0)).end_layer().add("Rot", 0, 0.1, weight(2), 0.3)
    lifted = lifted_circuit(circuit)
    assert [str(gate) for gate in lifted.gates] == ["RX(x2) q0", str(circuit.gates[1])]
    assert (lifted.layers, lifted.amplitudes, lifted.weights) == ((1,), circuit.amplitudes, 3)
