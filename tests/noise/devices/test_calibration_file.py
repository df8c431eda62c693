"""A user's own calibration file: read, written, and refused with the place that is wrong."""

import json
from pathlib import Path

import pytest
from calibrations import calibrated

from counterspin.errors import InputError, UsageError
from counterspin.noise.devices import calibration_file, load
from counterspin.noise.devices.calibration_file import read, write


def document(**changed):
    readout = {"read_1_when_0": 0.012, "read_0_when_1": 0.031}
    return {
        "schema": "counterspin-device-1",
        "name": "my-chip",
        "date": "2026-01-31",
        "qubits": [{"t1": 1.2e-4, "t2": 9e-5, "readout": readout}, {"t1": 1e-4, "t2": 2e-4, "readout": readout}],
        "gates": [
            {"kind": "SX", "qubits": [0], "error": 2e-4, "length": 3.5e-8},
            {"kind": "SX", "qubits": [1], "error": 3e-4, "length": 3.5e-8},
            {"kind": "CZ", "qubits": [0, 1], "error": 5e-3, "length": 6.8e-8},
        ],
    } | changed


def stored(tmp_path, content) -> Path:
    file = tmp_path / "chip.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


def test_a_file_is_a_device(tmp_path):
    chip = load(str(stored(tmp_path, document())))
    assert (chip.name, chip.vendor, chip.date) == ("my-chip", "own", "2026-01-31")
    assert chip.qubits[0].readout == (0.012, 0.031)
    assert (chip.qubits[1].t1, chip.qubits[1].t2, chip.qubits[1].label) == (1e-4, 2e-4, "1")
    assert chip.edges == ((0, 1),)
    assert chip.gates["X", (1,)].error == 3e-4
    assert set(chip.basis) == {"RZ", "SX", "X", "CZ"}


def test_broken_gates_are_left_out(tmp_path):
    gates = [*document()["gates"][:2], {"kind": "CZ", "qubits": [0, 1], "error": 1, "length": 6.8e-8}]
    chip = read(stored(tmp_path, document(gates=gates)))
    assert chip.edges == ()
    assert "CZ is broken on 0-1: left out." in chip.holes


def test_what_is_written_is_read_again(tmp_path):
    toy = calibrated([(0, 1), (1, 2)], {(1, 2): 0.02}, readouts={2: (0.05, 0.0)})
    write(toy, tmp_path / "toy.json")
    again = read(tmp_path / "toy.json")
    assert (again.name, again.date, again.qubits) == (toy.name, toy.date, toy.qubits)
    assert again.gates == toy.gates
    assert set(again.basis) == set(toy.basis)


def test_a_broken_device_is_not_written(tmp_path):
    toy = calibrated([(0, 1)], readouts={1: (0.5, 0.5)})
    with pytest.raises(UsageError, match="qubit 1 of toy cannot be used"):
        write(toy, tmp_path / "toy.json")


def changed_qubit(**values):
    return document(qubits=[document()["qubits"][0] | values, document()["qubits"][1]])


def changed_gate(**values):
    return document(gates=[*document()["gates"][:2], document()["gates"][2] | values])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (changed_qubit(t2=3e-4), r"qubits\.0: t2 is 0\.0003 s, above 2 t1 = 0\.00024 s, which no qubit has; measure"),
        (changed_qubit(t1=0.0), r"qubits\.0\.t1: .*greater than 0"),
        (changed_qubit(t2=float("nan")), r"qubits\.0\.t2: .*finite"),
        (changed_qubit(readout={"read_1_when_0": 1.2, "read_0_when_1": 0}), r"qubits\.0\.readout\.read_1_when_0"),
        (changed_qubit(T1=1e-4), r"qubits\.0\.T1: Extra inputs"),
        (changed_gate(kind="cz"), r"gates\.2\.kind: .*'CZ'"),
        (changed_gate(qubits=[0]), r"gate CZ on \[0\] needs 2 different qubits"),
        (changed_gate(qubits=[1, 1]), r"gate CZ on \[1, 1\] needs 2 different qubits"),
        (changed_gate(qubits=[0, 2]), r"gate CZ on \[0, 2\]: qubits go from 0 to 1"),
        (changed_gate(kind="SX", qubits=[0]), r"gate SX on \[0\] is given twice"),
        (changed_gate(error=-0.1), r"gates\.2\.error"),
        (document(gates=[]), "no SX is calibrated"),
        (document(date="yesterday"), "date is 'yesterday'; write it as 2026-01-31"),
        (document(schema="counterspin-device-9"), r"schema: .*counterspin-device-1"),
        ({}, r"schema: Field required \(and 4 more\)"),
        ('{"schema": ', "it is no JSON"),
        ("[]", ".*valid dictionary"),
    ],
)
def test_files_that_do_not_fit(tmp_path, content, message):
    with pytest.raises(InputError, match=rf"calibration file .*chip\.json cannot be used: {message}.*; its schema"):
        read(stored(tmp_path, content))


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match="cannot be used: Is a directory"):
        read(tmp_path)
    (tmp_path / "chip.json").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="cannot be used: "):
        read(tmp_path / "chip.json")


def test_the_example_of_the_documentation(tmp_path):
    text = calibration_file.__doc__ or ""
    example = text[text.index("{") : text.rindex("]}") + 2]
    assert read(stored(tmp_path, example)).edges == ((0, 1),)
