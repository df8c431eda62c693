"""A circuit file and a states file, certified from end to end."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dense_oracle import unitary

from counterspin.circuits import Circuit, weight
from counterspin.circuits.qasm import write_qasm
from counterspin.cli.certify_states import certify_circuit
from counterspin.errors import CounterspinError

PURE = np.array([[math.sqrt(0.9), math.sqrt(0.1) * 1j], [math.sqrt(0.2), math.sqrt(0.8)]])
TWO_QUBITS = Circuit(2).add("RY", 0, 0.4).add("CNOT", (0, 1)).add("U3", 1, 0.3, 0.9, -0.2)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "c.qasm").write_text('OPENQASM 2.0; include "qelib1.inc"; qreg q[1]; id q[0];')
    np.savez(tmp_path / "s.npz", states=PURE, y=[0, 0])
    return tmp_path


def certified(place: Path, capsys: pytest.CaptureFixture, **options: Any) -> dict[str, Any]:
    defaults: dict[str, Any] = {"states": place / "s.npz", "readout": "Z[0]", "as_json": True}
    assert certify_circuit(place / "c.qasm", **(defaults | options)) == 0
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    return json.loads(printed)


def shares(found: dict[str, Any], key: str) -> list[float]:
    return [budget[key]["value"] for budget in found["budgets"]]


def test_json_of_two_states(place: Path, capsys: pytest.CaptureFixture) -> None:
    found = certified(place, capsys, eps=(0.05, 0.15, 0.25))
    assert (found["metric"], found["adversary"], found["labels"], found["readout"]) == (
        *("fidelity", "quantum"),
        *("file", "Z[0]"),
    )
    assert found["clean_accuracy"]["value"] == 0.5
    assert shares(found, "certified") == [0.5, 0.5, 0.0]
    assert shares(found, "not_provably_broken") == [1.0, 0.5, 0.0]
    assert found["budgets"][0]["exact"]["decided"]["value"] == 1.0


def test_labels_are_the_predictions_where_the_file_has_none(place: Path, capsys: pytest.CaptureFixture) -> None:
    np.savez(place / "s.npz", states=PURE)
    found = certified(place, capsys, eps=(0.05, 0.15))
    assert found["labels"] == "prediction"
    assert shares(found, "certified") == [1.0, 0.5]


def test_labels_may_be_called_labels(place: Path, capsys: pytest.CaptureFixture) -> None:
    np.savez(place / "s.npz", states=PURE, labels=np.array([1, 1]))
    assert certified(place, capsys)["clean_accuracy"]["value"] == 0.5


@pytest.mark.parametrize("kind", ["pure", "mixed"])
def test_the_other_order_of_qubits(place: Path, capsys: pytest.CaptureFixture, kind: str) -> None:
    (place / "c.qasm").write_text(write_qasm(TWO_QUBITS))
    rng = np.random.default_rng(0)
    states = rng.normal(size=(5, 2, 2)) + 1j * rng.normal(size=(5, 2, 2))
    states /= np.linalg.norm(states, axis=(1, 2), keepdims=True)
    observable = rng.normal(size=(4, 4)) + 1j * rng.normal(size=(4, 4))
    observable = (observable + observable.conj().T).reshape(2, 2, 2, 2)
    medians = []
    for order, axes, both in (("big", (0, 1, 2), (0, 1, 2, 3)), ("little", (0, 2, 1), (1, 0, 3, 2))):
        psi = states.transpose(axes).reshape(5, 4)
        given = psi if kind == "pure" else psi[:, :, None] * psi[:, None, :].conj()
        np.savez(place / "s.npz", states=given, observable=observable.transpose(both).reshape(4, 4))
        found = certified(place, capsys, readout="observable", qubit_order=order)
        medians.append(found["methods"]["nearest-state"]["median_radius"])
    assert medians[0] == pytest.approx(medians[1], rel=1e-9)
    mistaken = certified(place, capsys, readout="observable", qubit_order="big")
    assert mistaken["methods"]["nearest-state"]["median_radius"] != pytest.approx(medians[0], rel=1e-3)


def test_the_prediction_is_that_of_a_dense_simulation(place: Path, capsys: pytest.CaptureFixture) -> None:
    (place / "c.qasm").write_text(write_qasm(TWO_QUBITS))
    rng = np.random.default_rng(1)
    states = rng.normal(size=(40, 4)) + 1j * rng.normal(size=(40, 4))
    states /= np.linalg.norm(states, axis=1, keepdims=True)
    outcomes = np.abs(states @ unitary(TWO_QUBITS, np.zeros(0), np.zeros(0)).T) ** 2
    grouped = np.stack([outcomes[:, [0, 3]].sum(1), outcomes[:, 1]], axis=1)
    np.savez(place / "s.npz", states=states, y=grouped.argmax(1))
    found = certified(place, capsys, readout="P[0,1]: 00 11 | 01")
    assert found["clean_accuracy"]["value"] == 1.0


def test_a_threshold_moves_the_boundary(place: Path, capsys: pytest.CaptureFixture) -> None:
    np.savez(place / "s.npz", states=PURE[:1], observable=np.diag([1.0, -1.0]))
    for readout in ("Z[0]", "observable"):
        high = certified(place, capsys, readout=readout, threshold=0.8)
        assert high["methods"]["nearest-state"]["median_radius"] == pytest.approx(0.0, abs=1e-9)
        low = certified(place, capsys, readout=readout, threshold=-0.8)
        # From p = .9 to p = .1: cos of the sum of the angles to |1>.
        expected = 1 - (2 * math.sqrt(0.09)) ** 2
        assert low["methods"]["nearest-state"]["median_radius"] == pytest.approx(expected, abs=1e-9)


def test_an_observable_per_class(place: Path, capsys: pytest.CaptureFixture) -> None:
    np.savez(place / "s.npz", states=PURE, observable=np.stack([np.diag([1.0, 0.0]), np.diag([0.0, 1.0])]))
    found = certified(place, capsys, readout="observable", eps=(0.05, 0.15))
    assert shares(found, "certified") == [1.0, 0.5]


def test_weights_come_from_the_data_file(place: Path, capsys: pytest.CaptureFixture) -> None:
    (place / "c.qasm").write_text(write_qasm(Circuit(1).add("RY", 0, weight(0))))
    np.savez(place / "s.npz", states=PURE[:1], y=[1], weights=[math.pi])
    assert certified(place, capsys)["clean_accuracy"]["value"] == 1.0


def test_the_first_samples(place: Path, capsys: pytest.CaptureFixture) -> None:
    assert certified(place, capsys, samples=1)["samples"] == 1


def test_tables_for_people(place: Path, capsys: pytest.CaptureFixture) -> None:
    states = place / "s.npz"
    assert certify_circuit(place / "c.qasm", states=states, readout="Z[0]", metric="trace", eps=(0.1, 0.35)) == 0
    printed = " ".join(capsys.readouterr().out.split())
    for words in ("2 states", "trace distance", "not provably broken", "nearest-state", "probability-gap", "50.0 %"):
        assert words in printed


BELL = 'OPENQASM 2.0; include "qelib1.inc";\nqreg q[1]; creg c[1];\n'


@pytest.mark.parametrize(
    ("program", "what"),
    [
        ("measure q[0] -> c[0]; x q[0];", "c.qasm, line 3, column 23: 'x' acts on qubit 0, which is measured before"),
        ("foo q[0];", "c.qasm, line 3, column 1: gate 'foo' is unknown"),
    ],
)
def test_programs_that_cannot_be_used(place: Path, program: str, what: str) -> None:
    (place / "c.qasm").write_text(BELL + program)
    with pytest.raises(CounterspinError) as caught:
        certify_circuit(place / "c.qasm", states=place / "s.npz", readout="Z[0]")
    assert what in str(caught.value)


@pytest.mark.parametrize(
    ("declared", "what"),
    [
        ("input float x0; qubit q; rx(x0) q;", "inputs in gate angles"),
        ("input float w0; qubit q; rx(w0) q;", "weights"),
    ],
)
def test_unbound_parameters(place: Path, declared: str, what: str) -> None:
    (place / "c.qasm").write_text(f'OPENQASM 3; include "stdgates.inc"; {declared}')
    with pytest.raises(CounterspinError, match=what):
        certify_circuit(place / "c.qasm", states=place / "s.npz", readout="Z[0]")


@pytest.mark.parametrize(
    ("arrays", "options", "what"),
    [
        ({"x": PURE}, {}, "lacks states (it holds x)"),
        ({"states": PURE, "y": [0]}, {}, "2 states and labels of shape (1,)"),
        ({"states": PURE, "y": [0, 1], "labels": [0, 1]}, {}, "both y and labels"),
        ({"states": PURE, "y": [0, 2]}, {}, "labels holds label 2"),
        ({"states": np.array([[1, "a"]])}, {}, "holds states of type <U21"),
        ({"states": np.array([None])}, {}, "cannot be read (Object arrays cannot be loaded"),
        ({"states": np.eye(4)}, {}, "states has shape (4, 4); the circuit has 1 qubits, so give (samples, 2)"),
        ({"states": np.zeros((0, 2))}, {}, "states has shape (0, 2)"),
        ({"states": PURE[0]}, {}, "states has shape (2,)"),
        ({"states": 2 * PURE}, {}, "states[0] is not normalised"),
        ({"states": np.diag([1.3, -0.3])[None]}, {}, "states[0] is not positive"),
        ({"states": PURE, "weights": [1j]}, {}, "complex weights"),
        ({"states": PURE}, {"readout": "observable"}, "the file has no array observable"),
        ({"states": PURE, "observable": [[0, 1], [0, 0]]}, {"readout": "observable"}, "is not Hermitian"),
        ({"states": PURE, "observable": np.eye(4)}, {"readout": "observable"}, "observable has shape (4, 4)"),
        ({"states": PURE, "observable": np.stack([np.eye(2)] * 2)}, {"readout": "observable", "threshold": 1.0}, "per"),
        ({"states": PURE}, {"qubit_order": "middle"}, "qubit order is 'middle'; allowed: big, little"),
        ({"states": PURE}, {"readout": None}, "it needs --readout 'Z[0]' besides"),
        ({"states": PURE}, {"states": None}, "it needs --states FILE.npz besides"),
        ({"states": PURE}, {"adversary": "real"}, "adversary is 'real' and states[0] has imaginary parts"),
        ({"states": PURE}, {"readout": "Z[1]"}, "measures qubit 1"),
    ],
)
def test_data_that_cannot_be_used(place: Path, arrays: dict, options: dict, what: str) -> None:
    np.savez(place / "s.npz", **arrays)
    with pytest.raises(CounterspinError) as caught:
        certify_circuit(place / "c.qasm", **({"states": place / "s.npz", "readout": "Z[0]"} | options))
    assert what in str(caught.value)


def test_files_that_are_none(place: Path) -> None:
    (place / "s.npz").write_bytes(b"PK nonsense")
    for states in (place / "s.npz", place / "absent.npz"):
        with pytest.raises(CounterspinError, match="cannot be read"):
            certify_circuit(place / "c.qasm", states=states, readout="Z[0]")
    with pytest.raises(CounterspinError, match=r"absent\.qasm cannot be read"):
        certify_circuit(place / "absent.qasm", states=place / "s.npz", readout="Z[0]")
