"""Placed circuits: the same values, native gates only, on the right qubits."""

import inspect

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from placed_circuits import check_native, differences
from random_circuits import random_circuit
from toy_devices import grid, heavy_hex, line, ring, toy

from counterspin.circuits import (
    GATES,
    Circuit,
    OutcomeGroups,
    PauliExpectations,
    Readout,
    amplitude_encoding,
    angle_encoding,
    brick,
    feature,
    hardware_efficient,
    reuploading,
    strongly_entangling,
    weight,
)
from counterspin.errors import UsageError
from counterspin.noise.devices.placement import place
from counterspin.simulation.run import run

DEVICES = {
    "line of CNOT": line(9, "CNOT"),
    "ring of ECR": ring(8, "ECR"),
    "heavy hexagon of ECR": heavy_hex(),
    "grid of CZ": grid(3, 4),
}
DEEP = pytest.mark.slow
SLOW = {"digits-amplitude", "mnist-amplitude", "digits-reuploading", "phishing-angle"}
# The circuits of the recipes, by their numbers of qubits and layers.
RECIPES = {
    "digits-amplitude": amplitude_encoding(64) + strongly_entangling(6, 30, entangler_range=1),
    "mnist-amplitude": amplitude_encoding(256) + strongly_entangling(8, 20, entangler_range=1),
    "digits-reuploading": reuploading(8, 3, scale=np.pi),
    "cancer-angle": angle_encoding(4) + reuploading(4, 3, scale=np.pi),
    "phishing-angle": reuploading(9, 3, scale=np.pi),
    "hardware-efficient": angle_encoding(5, axis="z") + hardware_efficient(5, 4),
    "brick": brick(6, 5),
}


@pytest.mark.one_fast
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("kind", GATES)
def test_every_gate_on_every_device(kind: str, device: str) -> None:
    size = GATES[kind].qubits or 3
    angles = [0.3 + 0.8 * feature(k % 2) * weight(0) - 0.4 * weight(1) for k in range(GATES[kind].angles)]
    circuit = (
        Circuit(3).add("U3", 0, feature(0), 0.9, 0.2).add("U3", 1, 1.1, weight(0), 0.7).add("U3", 2, 2.1, 0.1, 0.4)
    )
    circuit = circuit.add("CNOT", (0, 1)).add(kind, (2, 0, 1)[:size], *angles).add("RX", 0, 0.3).add("RY", 2, weight(1))
    placed = place(circuit, DEVICES[device], transpiler="own")
    check_native(placed)
    assert max(differences(circuit, placed)) < 1e-12


@pytest.mark.one_fast(3)
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("recipe", [pytest.param(name, marks=DEEP if name in SLOW else ()) for name in RECIPES])
def test_recipes_circuits_on_every_device(recipe: str, device: str) -> None:
    circuit = RECIPES[recipe]
    if circuit.qubits > len(DEVICES[device].qubits):
        pytest.skip("the device is too small")
    placed = place(circuit, DEVICES[device], transpiler="own")
    check_native(placed)
    values, gradients = differences(circuit, placed)
    assert values < 1e-12
    assert gradients < 1e-12 * len(circuit.gates)


@pytest.mark.slow
@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10**6), qubits=st.integers(1, 3), device=st.sampled_from(sorted(DEVICES)))
def test_random_circuits_with_every_gate(seed: int, qubits: int, device: str) -> None:
    circuit = random_circuit(np.random.default_rng(seed), qubits)
    placed = place(circuit, DEVICES[device])
    check_native(placed)
    assert max(differences(circuit, placed, seed)) < 1e-11
    assert (placed.circuit.inputs, placed.circuit.weights) == (circuit.inputs, circuit.weights)


@pytest.mark.slow
def test_a_ring_of_the_device_needs_no_swap_and_elsewhere_it_is_laid_on_a_line() -> None:
    circuit = reuploading(6, 1)
    on_grid, on_line = place(circuit, grid(3, 2)), place(circuit, line(6))
    assert (on_grid.swaps, on_grid.two_qubit_gates) == (0, 6)
    assert on_line.swaps > 0
    assert on_line.two_qubit_gates < 6 + 3 * on_line.swaps
    assert on_grid.final == tuple(range(6))
    assert sorted(on_line.final) == list(range(6)) != list(on_line.final)
    # Without a ring of 5 the links of a grid across the line still help.
    assert place(reuploading(5, 2), grid(3, 2)).two_qubit_gates < place(reuploading(5, 2), line(5)).two_qubit_gates


def test_positions_are_named_after_the_logical_qubits_that_start_there() -> None:
    # A chain in the order 2, 0, 3, 1: the middle of it must lie on neighbours.
    circuit = Circuit(4).add("CZ", (2, 0)).add("CZ", (0, 3)).add("CZ", (3, 1))
    placed = place(circuit, line(4))
    assert placed.physical in ((1, 3, 0, 2), (2, 0, 3, 1))
    assert [gate.qubits for gate in placed.circuit.gates if gate.kind == "CZ"].count((0, 2)) <= 1
    assert placed.final == (0, 1, 2, 3)


def test_cz_circuits_on_cz_devices_need_no_pulses_for_their_couplings() -> None:
    circuit = Circuit(3).add("CZ", (0, 1)).add("CZ", (2, 1))
    assert [gate.kind for gate in place(circuit, line(3)).circuit.gates] == ["CZ", "CZ"]


def test_readouts_move_along() -> None:
    placed = place(Circuit(3).add("CNOT", (0, 1)).add("CNOT", (1, 2)).add("CNOT", (2, 0)), line(3))
    assert placed.final == (0, 2, 1)
    assert placed.measured(PauliExpectations.of("Z0", "X1 Y2")) == PauliExpectations.of("Z0", "Y1 X2")
    assert placed.measured(OutcomeGroups((1, 0), ((2,), (1,)))) == OutcomeGroups((2, 0), ((2,), (1,)))
    with pytest.raises(UsageError, match="reads 4 qubits"):
        placed.measured(PauliExpectations.of("Z3"))


def test_tensors_as_angles_pass_their_gradient_each_time() -> None:
    measurement = PauliExpectations.of("X0", "Z1", "Z1 Y2")
    for _ in range(2):
        angles = torch.tensor([0.4, -1.2, 0.9], dtype=torch.float64, requires_grad=True)
        circuit = Circuit(3).add("RY", 0, angles[0]).add("CRY", (0, 1), angles[1]).add("RXX", (1, 2), angles[2])
        placed = place(circuit.add("CNOT", (2, 0)), line(3))
        x, w = torch.zeros(1, 0, dtype=torch.float64), torch.zeros(0, dtype=torch.float64)
        before = run(circuit.add("CNOT", (2, 0)), x, w, Readout(measurement))
        after = run(placed.circuit, x, w, Readout(placed.measured(measurement)))
        grads = [torch.autograd.grad(v.sum(), angles, retain_graph=True)[0] for v in (before, after)]
        assert torch.allclose(before, after, atol=1e-13)
        assert torch.allclose(grads[0], grads[1], atol=1e-13)
        assert bool((grads[0].abs() > 1e-3).all())


def test_inputs_and_weights_whose_gates_cancel_stay() -> None:
    circuit = (
        Circuit(1).add("RY", 0, feature(0)).add("RZ", 0, weight(1) + feature(2)).add("RZ", 0, -weight(1) - feature(2))
    )
    placed = place(circuit, toy([(0, 1)]))
    assert (placed.circuit.inputs, placed.circuit.weights) == (3, 2)
    assert max(differences(circuit, placed)) < 1e-14


def test_placements_are_kept_and_their_noise_is_the_devices() -> None:
    device, circuit = line(4), reuploading(3, 2)
    placed = place(circuit, device)
    assert place(reuploading(3, 2), device) is placed
    assert place(circuit, line(4)) is not placed
    channels = placed.noise.place(placed.circuit)
    noisy = [gate for gate in placed.circuit.gates if gate.kind != "RZ"]
    assert len(channels) > len(noisy)
    readout = placed.noise.readout
    assert readout is not None
    assert readout.flips == tuple(device.qubits[q].readout for q in placed.physical)


def test_duration_is_the_longest_way_through_the_calibrated_times() -> None:
    # Two SX of 40 ns around RZ, then the CZ between 0 and 1 of 200 ns.
    placed = place(Circuit(2).add("RY", 0, 0.3).add("CZ", (0, 1)), toy([(0, 1)]))
    assert placed.duration == pytest.approx(2 * 40e-9 + 200e-9)
    assert place(Circuit(1).add("RZ", 0, 0.3), toy([(0, 1)])).duration == 0.0


def test_what_is_refused() -> None:
    star = Circuit(4).add("CNOT", (0, 1)).add("CNOT", (0, 2)).add("CNOT", (0, 3))
    with pytest.raises(UsageError, match="neither on a line nor on a ring"):
        place(star, line(4), transpiler="own")
    # Unwrapped: the tests' type checker would refuse the name first.
    with pytest.raises(UsageError, match="transpiler is 'best'"):
        inspect.unwrap(place)(star, line(4), transpiler="best")
    with pytest.raises(UsageError, match="5 qubits"):
        place(reuploading(5, 1), line(4))
    with pytest.raises(UsageError, match="multi-controlled Z on 4 qubits"):
        place(Circuit(4).add("MCZ", (0, 1, 2, 3)), line(4))
