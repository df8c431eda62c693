"""Google's calibrations: what is read, and what follows from it."""

import json
import math
import sys

import pytest

from counterspin.errors import InputError
from counterspin.noise.channels import thermal_relaxation
from counterspin.noise.devices import google, load
from counterspin.noise.representations import average_fidelity

DEVICES = google.devices() or {}
if not DEVICES:
    pytest.skip("cirq-google is not installed", allow_module_level=True)


def metric(name, which, *labels):
    """A value as the file has it."""
    entries = json.loads(DEVICES[name].read_text())["metrics"]["metrics"]
    wanted = [entry for entry in entries if entry["name"] == which and entry["targets"] == list(labels)]
    return wanted[0]["values"][0]["doubleVal"]


@pytest.mark.parametrize(
    ("name", "date", "qubits", "pairs"),
    [("rainbow", "2021-11-16", 23, 32), ("weber", "2021-11-03", 53, 86), ("willow_pink", "2024-08-16", 105, 182)],
)
def test_what_ships(name, date, qubits, pairs):
    snapshot = load(f"google:{name}")
    assert (snapshot.date, len(snapshot.qubits), len(snapshot.edges)) == (date, qubits, pairs)
    assert len(snapshot.working) == qubits
    assert snapshot.basis == ("RZ", "CZ", "SX", "X")
    assert snapshot.holes[0].startswith("T2 is not calibrated")
    assert any("√iSWAP" in hole for hole in snapshot.holes) == (name != "willow_pink")
    assert all(1e-6 < q.t2 <= 2 * q.t1 < 1e-3 for q in snapshot.qubits)
    places = [tuple(map(int, qubit.label.split("_"))) for qubit in snapshot.qubits]
    assert places == sorted(places)
    assert all(abs(places[a][0] - places[b][0]) + abs(places[a][1] - places[b][1]) == 1 for a, b in snapshot.edges)


def test_willow_by_hand():
    willow = load("google:willow_pink")
    labels = [qubit.label for qubit in willow.qubits]
    a, b = labels.index("0_6"), labels.index("0_7")
    qubit = willow.qubits[a]
    assert qubit.t1 == pytest.approx(71.88662925116905e-6)
    assert qubit.readout == pytest.approx((0.003791929824561384, 0.00821894736842103))
    assert willow.gates["CZ", (a, b)].error == pytest.approx(0.8 * 0.00325743339669049)
    assert willow.gates["CZ", (b, a)] == willow.gates["CZ", (a, b)]
    assert willow.gates["CZ", (a, b)].length == 42e-9
    assert willow.gates["X", (a,)].error == pytest.approx(0.001117660880557536 * 2 / 3)
    assert (willow.gates["X", (a,)].length, willow.gates["SX", (a,)].length) == (25e-9, 12.5e-9)
    # Two SX make one pulse: entanglement fidelities of depolarising errors multiply, to first order.
    half = 1.5 * willow.gates["SX", (a,)].error
    assert 1 - (1 - half) ** 2 == pytest.approx(0.001117660880557536)
    assert metric("willow_pink", "single_qubit_p00_error", "0_6") == qubit.readout[0]


def test_t2_gives_the_incoherent_error_of_a_pulse_back():
    rainbow = load("google:rainbow")
    qubit = next(q for q in rainbow.qubits if q.label == "3_2")
    incoherent = metric("rainbow", "single_qubit_rb_incoherent_error_per_gate", "3_2")
    relaxed = thermal_relaxation(qubit.t1, qubit.t2, 25e-9)
    # cirq-google's formula is of first order in the time.
    assert 1 - average_fidelity(relaxed) == pytest.approx(incoherent, rel=3e-3)


def test_a_cz_of_two_square_roots():
    rainbow = load("google:rainbow")
    labels = [qubit.label for qubit in rainbow.qubits]
    a, b = labels.index("4_2"), labels.index("4_3")
    root = metric("rainbow", "two_qubit_parallel_sqrt_iswap_gate_xeb_pauli_error_per_cycle", "4_2", "4_3")
    pulses = [metric("rainbow", "single_qubit_rb_pauli_error_per_gate", label) for label in ("4_2", "4_3")]
    fidelity = (1 - root) ** 2 * math.prod(1 - pulse for pulse in pulses)
    assert rainbow.gates["CZ", (a, b)].error == pytest.approx(0.8 * (1 - fidelity))
    assert rainbow.gates["CZ", (a, b)].length == pytest.approx(89e-9)


def test_nothing_of_cirq_is_imported():
    assert "cirq_google" not in sys.modules


@pytest.mark.parametrize(
    "content", ["", "{}", '{"metrics": {"metrics": [{"name": "x", "targets": [], "values": []}]}}']
)
def test_files_that_are_no_calibration(tmp_path, content):
    file = tmp_path / "toy_2025_01_02_calibration.json"
    file.write_text(content)
    with pytest.raises(InputError, match=r"the calibration of google:toy cannot be read .*reinstall"):
        google.read("google:toy", file)
