"""Placement by Qiskit's transpiler: any interaction graph, symbolic angles, the same values to 1e-12."""

import builtins

import numpy as np
import pytest
import torch
from placed_circuits import check_native, differences
from random_circuits import random_circuit
from toy_devices import grid, heavy_hex, line, ring

from counterspin.circuits import (
    Circuit,
    PauliExpectations,
    Readout,
    amplitude_encoding,
    reuploading,
    strongly_entangling,
    weight,
)
from counterspin.errors import MissingExtraError
from counterspin.noise.devices.placement import place
from counterspin.simulation.run import run

pytest.importorskip("qiskit")
pytestmark = pytest.mark.slow

DEVICES = {"line": line(9, "CNOT"), "ring": ring(8, "ECR"), "heavy hexagon": heavy_hex(), "grid": grid(3, 4)}
CIRCUITS = {
    "all ranges": strongly_entangling(5, 4),
    "digits-amplitude": amplitude_encoding(64) + strongly_entangling(6, 30, entangler_range=1),
    "mnist-amplitude": amplitude_encoding(256) + strongly_entangling(8, 20, entangler_range=1),
    "digits-reuploading": reuploading(8, 3, scale=np.pi),
    "cancer-angle": reuploading(4, 3, scale=np.pi),
    "phishing-angle": reuploading(9, 3, scale=np.pi),
    "one qubit": reuploading(1, 3),
}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", CIRCUITS)
def test_recipes_circuits_on_every_device(name: str, device: str) -> None:
    circuit = CIRCUITS[name]
    if circuit.qubits > len(DEVICES[device].qubits):
        pytest.skip("the device is too small")
    placed = place(circuit, DEVICES[device], transpiler="qiskit")
    check_native(placed)
    values, gradients = differences(circuit, placed)
    assert values < 1e-12
    assert gradients < 1e-12 * len(circuit.gates)


@pytest.mark.parametrize("qubits", [2, 3, 4, 5])
@pytest.mark.parametrize("seed", range(4))
def test_random_circuits_of_every_gate_and_pattern(qubits: int, seed: int) -> None:
    drawn = random_circuit(np.random.default_rng(seed), qubits, extra=12)
    gates = tuple(gate for gate in drawn.gates if gate.kind != "MCZ" or len(gate.qubits) <= 3)
    circuit = Circuit(qubits, gates)
    placed = place(circuit, grid(2, 3), transpiler="qiskit", seed=seed)
    check_native(placed)
    assert max(differences(circuit, placed, seed)) < 1e-11
    assert (placed.circuit.inputs, placed.circuit.weights) == (circuit.inputs, circuit.weights)


def test_auto_asks_qiskit_only_for_other_patterns_than_lines_and_rings() -> None:
    assert place(reuploading(4, 1), line(4)).transpiler == "own"
    assert place(strongly_entangling(5, 2), line(5)).transpiler == "qiskit"


def test_seeds_choose_and_repeat() -> None:
    circuit, device = strongly_entangling(6, 5), heavy_hex()
    found = [place(circuit, device, seed=seed) for seed in range(4)]
    assert len({placed.circuit for placed in found}) > 1
    again = place(strongly_entangling(6, 5), heavy_hex(), seed=2)
    assert (again.circuit, again.final, again.physical) == (found[2].circuit, found[2].final, found[2].physical)


def test_tensors_as_angles() -> None:
    angles = torch.tensor([0.4, -1.2, 0.9], dtype=torch.float64, requires_grad=True)
    circuit = Circuit(4).add("RY", 0, angles[0]).add("CRY", (0, 2), angles[1]).add("RXX", (1, 2), angles[2])
    circuit = circuit.add("CP", (3, 2), weight(0)).add("CNOT", (2, 0))
    placed = place(circuit, line(4), transpiler="qiskit")
    measurement = PauliExpectations.of("X0", "Z1", "Z1 Y2")
    x, w = torch.zeros(1, 0, dtype=torch.float64), torch.tensor([0.7], dtype=torch.float64)
    before = run(circuit, x, w, Readout(measurement))
    after = run(placed.circuit, x, w, Readout(placed.measured(measurement)))
    gradients = [torch.autograd.grad(v.sum(), angles, retain_graph=True)[0] for v in (before, after)]
    assert torch.allclose(before, after, atol=1e-13)
    assert torch.allclose(gradients[0], gradients[1], atol=1e-13)
    assert bool((gradients[0].abs() > 1e-3).all())


def test_without_qiskit_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: object) -> object:
        if name.startswith("qiskit"):
            raise ImportError(name)
        return real(name, *rest)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"pip install counterspin\[qiskit\]"):
        place(strongly_entangling(5, 3), line(5))
    # Lines and rings do without.
    assert place(reuploading(5, 3), line(5)).transpiler == "own"
