"""Every IBM snapshot that ships loads, and says what its files say."""

import json
import sys

import pytest

from counterspin.errors import InputError
from counterspin.noise.devices import ibm, load

DEVICES = ibm.devices() or {}
if not DEVICES:
    pytest.skip("qiskit-ibm-runtime is not installed", allow_module_level=True)

GATES = {"cx": "CNOT", "cz": "CZ", "ecr": "ECR", "sx": "SX", "x": "X", "u2": "SX", "u3": "X"}
SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6}


def test_enough_devices_ship():
    assert len(DEVICES) >= 59
    assert {"manila", "fez", "torino", "marrakesh", "nighthawk"} <= DEVICES.keys()


@pytest.mark.one_fast
@pytest.mark.parametrize("name", DEVICES)
def test_every_snapshot_says_what_its_files_say(name):
    properties = json.loads(DEVICES[name].read_text())
    snapshot = load(f"ibm:{name}")
    assert snapshot.date == properties["last_update_date"]
    assert len(snapshot.qubits) == len(properties["qubits"])
    assert len(snapshot.working) >= 0.7 * len(snapshot.qubits)
    for qubit, entries in zip(snapshot.qubits, properties["qubits"], strict=True):
        said = {entry["name"]: entry["value"] * SECONDS.get(entry["unit"], 1) for entry in entries}
        assert qubit.readout == (said["prob_meas1_prep0"], said["prob_meas0_prep1"])
        if "T1" in said:
            assert qubit.t1 == pytest.approx(said["T1"], rel=1e-12)
            assert qubit.t2 == pytest.approx(min(said["T2"], 2 * said["T1"]), rel=1e-12)
            assert 1e-7 < qubit.t2 < 1e-2
    known = 0
    for gate in properties["gates"]:
        kind, place = GATES.get(gate["gate"]), tuple(gate["qubits"])
        said = {entry["name"]: entry["value"] * SECONDS.get(entry["unit"], 1) for entry in gate["parameters"]}
        if kind is None:
            continue
        if said["gate_error"] == 1:
            assert (kind, place) not in snapshot.gates
            continue
        known += 1
        assert snapshot.gates[kind, place].error == said["gate_error"]
        assert snapshot.gates[kind, place].length == pytest.approx(said["gate_length"], rel=1e-12)
        assert 1e-9 < snapshot.gates[kind, place].length < 2e-5
    assert known == sum(1 for kind, _ in snapshot.gates if kind in GATES.values())


def test_manila_by_hand():
    manila = load("ibm:manila")
    first = manila.qubits[0]
    assert first.readout == pytest.approx((0.0158, 0.0548))
    assert (first.t1, first.t2) == pytest.approx((131.5286e-6, 102.2039e-6), rel=1e-6)
    assert first.frequency == pytest.approx(4.962356e9, rel=1e-6)
    assert first.readout_length == pytest.approx(5.35111e-6, rel=1e-5)
    assert manila.basis == ("RZ", "CNOT", "SX", "X")
    assert {frozenset(edge) for edge in manila.edges} == {frozenset((q, q + 1)) for q in range(4)}
    assert manila.holes == ()


def test_directions_of_directed_gates():
    sherbrooke = load("ibm:sherbrooke")
    assert ("ECR", (1, 0)) in sherbrooke.gates
    assert ("ECR", (0, 1)) not in sherbrooke.gates
    assert (1, 0) in sherbrooke.edges


def test_what_is_broken_is_named():
    kyoto = load("ibm:kyoto")
    assert kyoto.edges == ()
    assert any(hole.startswith("ECR is broken on ") for hole in kyoto.holes)
    kingston = load("ibm:kingston")
    assert kingston.qubits[146].t1 is None
    assert 146 not in kingston.working
    assert "T1 or T2 of qubit 146 is missing: left out." in kingston.holes
    cairo = load("ibm:cairo")
    assert "The coupled pairs 0-1, 7-10 have no two-qubit gate: left out." in cairo.holes
    assert {cairo.entangler(a, b)[0] for a, b in cairo.edges} == {"CNOT", "ECR"}
    nighthawk = load("ibm:nighthawk")
    assert "made up for tests" in nighthawk.holes[0]


def test_fractional_gates_are_native_only_where_the_basis_has_them():
    assert {"RX", "RZZ"} <= set(load("ibm:fractional").basis)
    fez = load("ibm:fez")
    assert set(fez.basis) == {"RZ", "SX", "X", "CZ"}
    assert not any("RZZ" in hole for hole in fez.holes)
    assert any(kind == "RZZ" for kind, _ in fez.gates)


def test_old_bases_are_told():
    almaden = load("ibm:almaden")
    assert almaden.basis == ("RZ", "CNOT", "SX", "X")
    assert any("u1, u2, u3" in hole for hole in almaden.holes)
    assert almaden.gates["X", (0,)].length == pytest.approx(2 * almaden.gates["SX", (0,)].length)


def test_nothing_of_qiskit_is_imported():
    assert "qiskit_ibm_runtime" not in sys.modules


def written(tmp_path, qubit, *, gates=None, **changed):
    """A one-qubit device in IBM's format."""
    home = tmp_path / "toy"
    home.mkdir()
    values = {"T1": (100.0, "us"), "T2": (80.0, "us"), "readout_error": (0.02, "")} | qubit
    properties = {
        "backend_name": "ibm_toy",
        "last_update_date": "2025-01-02T03:04:05+00:00",
        "qubits": [[{"name": name, "unit": unit, "value": value} for name, (value, unit) in values.items()]],
        "gates": gates or [],
    }
    (home / "props_toy.json").write_text(json.dumps(properties | changed))
    (home / "conf_toy.json").write_text(json.dumps({"basis_gates": ["rz", "sx"], "coupling_map": None}))
    return home / "props_toy.json"


def sx(length, unit):
    parameters = [
        {"name": "gate_error", "unit": "", "value": 1e-3},
        {"name": "gate_length", "unit": unit, "value": length},
    ]
    return [{"gate": "sx", "qubits": [0], "parameters": parameters}]


def test_an_average_readout_error_is_taken_both_ways(tmp_path):
    snapshot = ibm.read("ibm:toy", written(tmp_path, {}))
    assert snapshot.qubits[0].readout == (0.02, 0.02)
    assert "Only the average readout error is known of 1 of 1 qubits: taken both ways." in snapshot.holes


@pytest.mark.parametrize(("length", "unit"), [(40.0, "ns"), (0.04, "us"), (0.04, "µs"), (4e-8, "s")])
def test_units(tmp_path, length, unit):
    snapshot = ibm.read("ibm:toy", written(tmp_path, {"T1": (1e5, "ns")}, gates=sx(length, unit)))
    assert snapshot.gates["SX", (0,)].length == pytest.approx(4e-8)
    assert snapshot.qubits[0].t1 == pytest.approx(1e-4)


def test_values_that_are_no_times_are_missing(tmp_path):
    snapshot = ibm.read("ibm:toy", written(tmp_path, {"T1": (0.0, "us"), "T2": (float("nan"), "us")}))
    assert (snapshot.qubits[0].t1, snapshot.qubits[0].t2) == (None, None)


@pytest.mark.parametrize(
    "changed",
    [{"qubits": 3}, {"gates": [{"gate": "sx"}]}, {"qubits": [[{"name": "T1", "unit": "lightyears", "value": 1}]]}],
)
def test_files_that_are_no_calibration(tmp_path, changed):
    with pytest.raises(InputError, match=r"the calibration of ibm:toy cannot be read .*reinstall"):
        ibm.read("ibm:toy", written(tmp_path, {}, **changed))
    (tmp_path / "toy" / "props_toy.json").write_text('{"backend_name": ')
    with pytest.raises(InputError, match="ibm:toy cannot be read"):
        ibm.read("ibm:toy", tmp_path / "toy" / "props_toy.json")
