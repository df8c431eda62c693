"""`counterspin doctor --explain`: the passes of every recipe, their cost, and what is folded."""

import json
import shutil

import pytest
from compiled_engine import needs_kernel

from counterspin import recipes
from counterspin.circuits import Circuit, OutcomeGroups, PauliExpectations, amplitude_encoding, weight
from counterspin.cli import explain
from counterspin.cli.app import run
from counterspin.models import QuantumClassifier, save_model
from counterspin.simulation.kernels.library import Kernel, load_library
from counterspin.types import Box


def table(out: str) -> list[str]:
    """The lines of the table, without the sentences below it."""
    lines = out.splitlines()
    return lines[: next(k for k, line in enumerate(lines) if line.startswith("Figures"))]


QUANTUM = [name for name in recipes.names() if not name.endswith("-classical")]


@pytest.mark.one_fast
@pytest.mark.parametrize("name", QUANTUM)
def test_every_recipe(capsys, name) -> None:
    assert run(["doctor", "--explain", name, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    model = recipes.get(name).model()
    assert (facts["qubits"], facts["gates"]) == (model.circuit.qubits, len(model.circuit.gates))
    for way in ("forward", "backward"):
        assert facts["flops"][way] == sum(step["flops"][way] for step in facts["passes"]) > 0
    # CNOT rings are free, and the rotations of two qubits are one pass.
    assert len(facts["passes"]) <= len(model.circuit.gates) / 4
    assert facts["folding"]["folded"] is (model.circuit.amplitudes is not None)
    assert facts["memory"]["kept_per_sample"] == 8 * 2 ** facts["qubits"]


@pytest.mark.one_fast(4)
@pytest.mark.parametrize("name", QUANTUM)
def test_the_table_fits_and_holds_every_pass(capsys, name) -> None:
    facts = explain.explanation(name)
    assert run(["doctor", "--explain", name]) == 0
    lines = table(capsys.readouterr().out)
    assert max(map(len, lines)) <= 100
    numbers = [int(line.split()[0]) for line in lines[1:] if line[:1].isdigit()]
    assert numbers == list(range(1, len(facts["passes"]) + 1))
    text = "\n".join(lines)
    assert all(part in text for step in facts["passes"] for part in step["what"].split("; "))


def circuit_of_everything() -> Circuit:
    circuit = amplitude_encoding(8).add("RX", 0, weight(0)).add("RX", 1, weight(0)).add("CZ", (0, 1))
    circuit = circuit.add("RY", 1, weight(1))
    circuit = circuit.add("RZZ", (0, 1), weight(2)).add("RYY", (1, 2), weight(3)).add("CRX", (2, 0), weight(4))
    for _ in range(20):
        circuit = circuit.add("RX", 2, weight(5)).add("RZ", 2, weight(6))
    return circuit


@pytest.fixture
def saved(tmp_path, monkeypatch):
    """A saved model of every kind of pass with one run of forty rotations, in the working directory."""
    monkeypatch.chdir(tmp_path)
    box = Box.uniform(0.0, 1.0, features=8)
    save_model(QuantumClassifier(circuit_of_everything(), PauliExpectations.of("Z0", "Z1"), box), tmp_path / "mine")


def test_a_saved_model_with_every_kind_of_pass(saved, capsys) -> None:
    facts = explain.explanation("mine")
    kinds = {step["kind"] for step in facts["passes"]}
    assert kinds == {"one qubit", "two qubits", "signs", "ZZ rotation", "XX or YY rotation", "controlled"}
    assert run(["doctor", "--explain", "mine"]) == 0
    lines = table(capsys.readouterr().out)
    assert max(map(len, lines)) <= 100
    # The run of forty rotations is longer than the table is wide.
    assert "…" in "".join(lines)
    assert all(any(kind in line for line in lines) for kind in kinds)


@needs_kernel
def test_what_decides_about_folding(saved) -> None:
    folding = explain.explanation("mine")["folding"]
    # Two classes of eight features: 2·2·8² folded.
    assert folding["flops"]["folded"] == 256
    assert folding["folded"] is (folding["flops"]["folded"] <= folding["flops"]["gate_by_gate"])
    short = QuantumClassifier(
        amplitude_encoding(8) + Circuit(3).add("RX", 0, weight(0)),
        OutcomeGroups.first(qubits=1, classes=2),
        Box.uniform(0.0, 1.0, features=8),
    )
    facts = explain._folding(short.circuit, short.readout)
    assert facts["why"] == "gate by gate, because scores and input gradient take 256 flop folded and 224 gate by gate"


def test_reasons_against_folding() -> None:
    angles = explain.explanation("cancer-angle")["folding"]
    assert angles == {"folded": False, "flops": None, "why": "gate by gate, because data enters through gate angles"}
    wide = amplitude_encoding(2**11)
    readout = QuantumClassifier(
        wide, OutcomeGroups.first(qubits=1, classes=2), Box.uniform(0.0, 1.0, features=2**11)
    ).readout
    assert explain._folding(wide, readout)["why"] == "gate by gate, because it has over 10 qubits"


def test_without_the_compiled_engine(monkeypatch, capsys) -> None:
    monkeypatch.setattr(explain, "kernel", lambda: None)
    facts = explain.explanation("digits-amplitude")
    assert facts["memory"]["per_thread"] is None
    assert facts["folding"]["why"].endswith("always faster than the torch engine")
    explain.print_explanation(facts)
    assert "Memory: 512 B per sample kept" in capsys.readouterr().out


@pytest.mark.one_fast(2)
@needs_kernel
@pytest.mark.parametrize(("variant", "size"), [("v4", "16 KiB"), ("v3", "8 KiB"), ("default", "4 KiB")])
def test_memory_per_thread(monkeypatch, capsys, variant, size) -> None:
    monkeypatch.setattr(explain, "kernel", lambda: Kernel(load_library(), variant))
    explain.print_explanation(explain.explanation("digits-amplitude"))
    assert f"Memory: {size} per thread for two states" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("cancer-angle-classical", "is a MLP, which runs no circuit; give a quantum or hybrid model"),
        ("cancer-angl", "no directory of a saved model, and there is no recipe 'cancer-angl'"),
    ],
)
@pytest.mark.parametrize("json_option", [[], ["--json"]])
def test_no_such_circuit(capsys, name, sentence, json_option) -> None:
    assert run(["doctor", "--explain", name, *json_option]) == 2
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1


def test_a_damaged_model(tmp_path, capsys) -> None:
    shutil.copytree(recipes.get("cancer-angle").directory, tmp_path / "model")
    (tmp_path / "model" / "weights.safetensors").write_bytes(b"")
    assert run(["doctor", "--explain", str(tmp_path / "model")]) == 3
    assert "Traceback" not in capsys.readouterr().err
