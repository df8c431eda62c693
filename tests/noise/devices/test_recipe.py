"""The noise of a device is the one its calibration says."""

import re
import time

import pytest
import torch
from calibrations import calibrated, qubit_calibration

from counterspin.circuits import Circuit
from counterspin.errors import UsageError
from counterspin.noise import NoiseModel
from counterspin.noise.channels import depolarizing, thermal_relaxation
from counterspin.noise.devices import best_subgraph, load, missing_packages, noise_of, notes_of
from counterspin.noise.devices.assembly import assemble
from counterspin.noise.representations import average_fidelity, compose, tensor

shipped = pytest.mark.skipif(bool(missing_packages()), reason="the devices extra is not installed")
DEVICES = ("ibm:manila", "ibm:fez", "ibm:sherbrooke", "ibm:cairo", "ibm:almaden", "google:willow_pink", "google:weber")


def rules_by_place(noise: NoiseModel):
    return {(rule.kinds[0], rule.qubits): rule.channel for rule in noise.rules}


@pytest.mark.one_fast
@shipped
@pytest.mark.parametrize("name", DEVICES)
def test_every_gate_errs_as_calibrated(name):
    """Or as much as relaxation alone does, where that is more: then nothing else is added, and that is said."""
    snapshot = load(name)
    chosen = best_subgraph(snapshot, 5, shape="any")
    small, noise, notes = snapshot.restricted(chosen), noise_of(snapshot, chosen), " ".join(notes_of(snapshot, chosen))
    found = rules_by_place(noise)
    calibrated_exactly = 0
    for (kind, qubits), gate in small.gates.items():
        if kind == "RZ" or kind not in small.basis:
            continue
        infidelity = 1 - average_fidelity(found[kind, qubits])
        relaxation = tensor(*(thermal_relaxation(small.qubits[q].t1, small.qubits[q].t2, gate.length) for q in qubits))
        if 1 - average_fidelity(relaxation) > gate.error:
            torch.testing.assert_close(found[kind, qubits].transfer, relaxation.transfer, rtol=0, atol=1e-14)
            place = "-".join(str(q) for q in sorted(chosen[q] for q in qubits))
            assert re.search(rf"\b{kind}( and \w+)* on {place}\b", notes)
        else:
            assert infidelity == pytest.approx(gate.error, abs=1e-14)
            calibrated_exactly += 1
    assert calibrated_exactly >= len(small.gates) / 3


def test_relaxation_first_then_depolarising():
    toy = calibrated([(0, 1)])
    channel = rules_by_place(noise_of(toy, (0, 1)))["CZ", (0, 1)]
    relaxed = tensor(*(thermal_relaxation(1e-4, 8e-5, 3e-7) for _ in range(2)))
    error = 1 - average_fidelity(relaxed)
    strength = (0.01 - error) / (0.75 - error)
    wanted = compose(relaxed, depolarizing(strength, 2)).transfer
    torch.testing.assert_close(channel.transfer, wanted, rtol=0, atol=1e-14)
    # The other order would relax a maximally mixed state: its constant part is larger.
    other = compose(depolarizing(strength, 2), relaxed).transfer
    assert float((channel.transfer - other).abs().max()) > 1e-6
    assert channel.name == "toy CZ 0-1"


def test_both_directions_readout_and_order_of_the_chosen():
    toy = calibrated([(0, 1), (1, 2)], {(1, 2): 0.02}, readouts={2: (0.05, 0.1)})
    noise = noise_of(toy, (2, 1))
    found = rules_by_place(noise)
    pairs = {place for place in found if place[0] == "CZ"}
    assert pairs == {("CZ", (0, 1)), ("CZ", (1, 0))}
    for place in pairs:
        assert 1 - average_fidelity(found[place]) == pytest.approx(0.02, abs=1e-14)
    assert noise.readout.flips == ((0.05, 0.1), (0.01, 0.03))


def test_a_directed_gate_is_turned_round_with_its_qubits():
    qubits = [qubit_calibration("0", t1=2e-4), qubit_calibration("1", t1=5e-5)]
    gates = {("SX", (0,)): (1e-3, 4e-8), ("SX", (1,)): (1e-3, 4e-8), ("ECR", (1, 0)): (0.01, 3e-7)}
    toy = assemble(name="toy", vendor="own", date="2026", qubits=qubits, gates=gates, basis=("SX", "ECR"))
    found = rules_by_place(noise_of(toy, (0, 1)))
    swap = torch.eye(16, dtype=torch.float64).reshape(4, 4, 16).transpose(0, 1).reshape(16, 16)
    native, turned = found["ECR", (1, 0)].transfer, found["ECR", (0, 1)].transfer
    torch.testing.assert_close(turned, swap @ native @ swap, rtol=0, atol=1e-14)
    assert float((native - turned).abs().max()) > 1e-4


def test_placed_on_a_circuit():
    toy = calibrated([(0, 1)])
    circuit = Circuit(2).add("SX", 0).add("RZ", 0, 0.3).add("CZ", (1, 0)).add("X", 0)
    placed = noise_of(toy, (0, 1)).place(circuit)
    names = [(p.after, p.qubits, p.channel.name.split("(")[0]) for p in placed]
    assert (0, (0,), "toy SX 0") in names
    assert (2, (1, 0), "toy CZ 1-0") in names
    assert (3, (0,), "toy X 0") in names
    # Qubit 1 waits for the first pulse in |0>, and for the last one after the entangler.
    waits = {(after, qubits) for after, qubits, name in names if name == "thermal_relaxation"}
    assert waits == {(-1, (1,)), (2, (1,))}
    assert len(names) == 5


@pytest.mark.parametrize("kind", ["H", "CNOT"])
def test_gates_that_are_not_native_are_refused_not_ideal(kind):
    circuit = Circuit(2).add(kind, 0 if kind == "H" else (0, 1))
    with pytest.raises(UsageError, match=f"durations has no entry for gate {kind}"):
        noise_of(calibrated([(0, 1)]), (0, 1)).place(circuit)


def test_a_link_that_is_broken_is_refused_not_ideal():
    toy = calibrated([(0, 1), (1, 2)], {(1, 2): 1.0})
    with pytest.raises(UsageError, match="durations has no entry for gate CZ"):
        noise_of(toy, (0, 1, 2)).place(Circuit(3).add("CZ", (1, 2)))


def test_relaxation_beyond_any_depolarising_error_adds_none():
    """A gate much longer than its qubits live; with another sign nothing would be left of the state."""
    qubit = qubit_calibration(t1=1e-6, t2=1e-6)
    toy = assemble(
        name="toy", vendor="own", date="2026", qubits=[qubit], gates={("SX", (0,)): (0.01, 1e-4)}, basis=("SX",)
    )
    assert toy.relaxation_error((0,), 1e-4) >= 0.5
    (channel, _) = [rule.channel for rule in noise_of(toy, (0,)).rules]
    torch.testing.assert_close(channel.transfer, thermal_relaxation(1e-6, 1e-6, 1e-4).transfer, rtol=0, atol=1e-14)
    assert "SX and X on 0" in " ".join(notes_of(toy, (0,)))


def test_gates_without_duration_and_error_have_no_channel():
    qubit = qubit_calibration()
    toy = assemble(name="toy", vendor="own", date="2026", qubits=[qubit], gates={("SX", (0,)): (0.0, 0.0)}, basis=())
    assert noise_of(toy, (0,)).rules == ()


@pytest.mark.parametrize(("chosen", "message"), [((0, 0), "none of them twice"), ((0, 5), "numbered 0 to 1")])
def test_choices_that_are_none(chosen, message):
    toy = calibrated([(0, 1)])
    with pytest.raises(UsageError, match=message):
        noise_of(toy, chosen)
    with pytest.raises(UsageError, match=message):
        notes_of(toy, chosen)


@pytest.mark.one_fast(1)
@shipped
@pytest.mark.parametrize("name", ["ibm:fez", "ibm:sherbrooke", "google:willow_pink"])
def test_twelve_qubits_of_a_large_device_take_less_than_a_second(name):
    snapshot = load(name)
    start = time.perf_counter()
    chosen = best_subgraph(snapshot, 12)
    noise = noise_of(snapshot, chosen)
    assert time.perf_counter() - start < 1.0
    assert len(noise.rules) >= 12 * 2 + 11 * 2
    assert noise_of(snapshot, chosen) is noise


@shipped
def test_scaled_noise_has_scaled_relaxation():
    """Every channel of the recipe has real powers that are channels, as mitigation by noise scaling needs."""
    manila = load("ibm:manila")
    noise = noise_of(manila, (0, 1))
    halves = rules_by_place(noise.scaled(0.5))
    for place, channel in rules_by_place(noise).items():
        twice = compose(halves[place], halves[place]).transfer
        torch.testing.assert_close(twice, channel.transfer, rtol=0, atol=1e-12)


@pytest.mark.slow
@shipped
@pytest.mark.parametrize("name", ["ibm:manila", "ibm:torino", "ibm:brisbane"])
def test_equal_to_the_channels_of_qiskit_aer(name):
    aer = pytest.importorskip("qiskit_aer.noise")
    info = pytest.importorskip("qiskit.quantum_info")
    snapshot = load(name)
    chosen = best_subgraph(snapshot, 4)
    small = snapshot.restricted(chosen)
    found = rules_by_place(noise_of(snapshot, chosen))
    compared = 0
    for (kind, qubits), gate in small.gates.items():
        if kind == "RZ" or kind not in small.basis:
            continue
        parts = [aer.thermal_relaxation_error(small.qubits[q].t1, small.qubits[q].t2, gate.length) for q in qubits]
        relaxation = parts[0] if len(parts) == 1 else parts[0].tensor(parts[1])
        dimension = 2 ** len(qubits)
        fidelity = info.average_gate_fidelity(relaxation)
        strength = max(0.0, dimension * (gate.error - 1 + fidelity) / (dimension * fidelity - 1))
        whole = relaxation.compose(aer.depolarizing_error(strength, len(qubits)))
        wanted = torch.tensor(info.PTM(info.SuperOp(whole)).data.real)
        torch.testing.assert_close(found[kind, qubits].transfer, wanted, rtol=0, atol=1e-10)
        compared += 1
    assert compared >= 4 + 4 + 3
