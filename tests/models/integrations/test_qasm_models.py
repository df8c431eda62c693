"""OpenQASM files as models: declarations in comments, measurements as classes, weights by name, the way back."""

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterspin.circuits import Linear, OutcomeGroups, PauliExpectations, amplitude_encoding, reuploading
from counterspin.circuits import strongly_entangling as entangling
from counterspin.circuits.qasm import write_qasm
from counterspin.errors import InputError, ModelError, UsageError
from counterspin.models import QuantumClassifier
from counterspin.models.integrations.qasm_models import claims, qasm_model
from counterspin.types import Box

HEAD = 'OPENQASM 3.0; include "stdgates.inc";\n'
ROTATION = HEAD + "input float x0; qubit[2] q; ry(x0) q[0];\n"
TRAINED = HEAD + (
    "// counterspin: inputs height\n// counterspin: weights theta phi w\n"
    "input float height; input float theta; input float phi; input array[float[64], 2] w;\n"
    "qubit[2] q; ry(height + theta) q[0]; rx(phi) q[1]; cx q[0], q[1]; rz(w[0]) q[0]; ry(2*w[1]) q[1];\n"
    "// counterspin: readout Z[0] | Z[1]\n"
)


def scores(model: QuantumClassifier, *x: float) -> list[float]:
    return model(torch.tensor([x], dtype=torch.float64))[0].tolist()


def near(*values: float) -> object:
    return pytest.approx(values, abs=1e-12)


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), qubits=st.integers(1, 3), layers=st.integers(1, 2))
def test_what_was_written_comes_back(seed: int, qubits: int, layers: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    circuit = reuploading(qubits, layers) + entangling(qubits, 1)
    weights = torch.randn(circuit.weights, generator=generator, dtype=torch.float64)
    box = Box.uniform(-1, 2, features=qubits)
    strings = [f"Z{q}" for q in range(qubits)] + [f"X{qubits - 1}"]
    head = Linear(torch.eye(qubits + 1, dtype=torch.float64), torch.zeros(qubits + 1, dtype=torch.float64))
    model = QuantumClassifier(circuit, PauliExpectations.of(*strings), box, head=head, weights=weights)
    text = write_qasm(circuit) + "\n".join(
        [
            "// counterspin: readout " + " | ".join(f"{name[0]}[{name[1:]}]" for name in strings),
            "// counterspin: bounds -1 2",
            "// counterspin: values " + " ".join(f"w{k}={value!r}" for k, value in enumerate(weights.tolist())),
        ]
    )
    again = qasm_model(text)
    x = torch.randn(4, qubits, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(again(x), model(x), rtol=0, atol=1e-12)
    assert torch.equal(again.bounds.lower, box.lower)
    assert torch.equal(again.bounds.upper, box.upper)
    assert again.classes == qubits + 1


def test_closed_forms_of_one_rotation(tmp_path: Path) -> None:
    cos, half = math.cos(0.7), math.cos(0.35) ** 2
    assert scores(qasm_model(ROTATION, readout="Z[0]"), 0.7) == near(cos / 2, -cos / 2)
    assert scores(qasm_model(ROTATION, readout="Z[0] | X[1]"), 0.7) == near(cos, 0)
    assert scores(qasm_model(ROTATION, readout="P[0]"), 0.7) == near(half, 1 - half)
    path = tmp_path / "model.qasm"
    path.write_text(ROTATION + "// counterspin: readout P[0]\n// counterspin: bounds 0 3.14\n")
    for source in (path, str(path)):
        model = qasm_model(source)
        assert scores(model, 0.7) == near(half, 1 - half)
        assert model.bounds.upper.tolist() == [3.14]
        assert model.outputs == "probabilities"
    # What is passed comes before what is written.
    other = qasm_model(path, readout="Z[0] | X[1]", bounds=(-1, 1))
    assert scores(other, 0.7) == near(cos, 0)
    assert other.bounds.lower.tolist() == [-1.0]
    box = Box.uniform(0, 2, features=1)
    assert qasm_model(path, bounds=box).bounds is box


def test_measured_bits_are_the_class_in_binary() -> None:
    # q0 is 1 with probability sin²(x/2), q1 is 1 for certain.
    program = ROTATION + "x q[1]; bit[2] c;\n"
    one = 1 - math.cos(0.35) ** 2
    straight = qasm_model(program + "c[0] = measure q[0]; c[1] = measure q[1];")
    assert scores(straight, 0.7) == near(0, 0, 1 - one, one)  # c[1]c[0] = 10 or 11
    crossed = qasm_model(program + "c[1] = measure q[0]; c[0] = measure q[1];")
    assert scores(crossed, 0.7) == near(0, 1 - one, 0, one)  # 01 or 11
    single = qasm_model(program + "c[0] = measure q[0];")
    assert scores(single, 0.7) == near(1 - one, one)
    assert straight.bounds.is_unbounded


def test_amplitudes_in_version_2_and_no_measurement_read_when_a_readout_is_declared() -> None:
    circuit = amplitude_encoding(4)
    text = write_qasm(circuit, version=2, measured=(0, 1)) + "// counterspin: readout P[1]\n"
    model = qasm_model(text)
    x = torch.tensor([[1.0, 2.0, 3.0, 4.0]], dtype=torch.float64)
    torch.testing.assert_close(model(x), torch.tensor([[10.0, 20.0]], dtype=torch.float64) / 30, rtol=0, atol=1e-14)
    assert isinstance(model.measurement, OutcomeGroups)


def test_weights_by_name() -> None:
    values = {"theta": 0.3, "phi": torch.tensor(-0.4, dtype=torch.float64), "w": [0.5, 0.6]}
    given_here = qasm_model(TRAINED, weights=values)
    said = "// counterspin: values theta=0.3 phi=-0.4\n// counterspin: bounds 0 1\n"
    written = qasm_model(TRAINED + said, weights={"w": [0.5, 0.6]})
    assert scores(given_here, 0.2) == near(*scores(written, 0.2))
    assert scores(given_here, 0.2)[0] == pytest.approx(math.cos(0.5), abs=1e-12)
    everything = qasm_model(TRAINED + "// counterspin: values theta=0.3 phi=-0.4 w=0.5,0.6\n", weights={"theta": 0.0})
    assert scores(everything, 0.2)[0] == pytest.approx(math.cos(0.2), abs=1e-12)
    assert everything.weights.dtype == torch.float64
    assert everything.weights.requires_grad


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (TRAINED, {}, r"weights phi, theta, w have no value; add a line `// counterspin: values phi=0\.1`"),
        (TRAINED, {"weights": {"theta": 1, "phi": 1}}, "weights w have no value"),
        (TRAINED, {"weights": {"theta": 1, "phi": 1, "w": [1.0]}}, r"weight w is \[1\.0\]; give 2 finite numbers"),
        (TRAINED, {"weights": {"theta": 1, "phi": float("nan"), "w": [1, 1]}}, "weight phi is nan; give 1 finite"),
        (TRAINED, {"weights": {"theta": "a", "phi": 1, "w": [1, 1]}}, "weight theta is 'a'; give a number"),
        (TRAINED, {"weights": {"psi": 1}}, r"psi given a value; weights of the program: phi, theta, w\."),
        (ROTATION, {"weights": {"psi": 1}, "readout": "Z[0]"}, r"weights of the program: none\."),
        (TRAINED + "// counterspin: values theta\n", {}, "values 'theta' are not readable at 'theta'"),
        (ROTATION, {}, r"no readout: measure qubits at its end, add a line `// counterspin: readout Z\[0\]`"),
        (ROTATION, {"readout": "Z[5]"}, "measurement reads qubit 5; the circuit has 2 qubits"),
        (ROTATION + "// counterspin: bounds 0 1 2\n", {"readout": "Z[0]"}, r"bounds are \['0', '1', '2'\]; give two"),
        (ROTATION + "// counterspin: bounds 0 pi\n", {"readout": "Z[0]"}, r"bounds are \['0', 'pi'\]"),
        (ROTATION, {"readout": "Z[0]", "bounds": Box.unbounded(3)}, "bounds cover 3 features; the circuit takes 1"),
        (HEAD + "qubit q; h q;", {"readout": "Z[0]"}, "has no features: it prepares one state"),
        (
            HEAD + "input float x0; qubit[11] q; ry(x0) q[0]; bit[11] c; c = measure q;",
            {},
            r"measures 11 qubits, and each of 2\^11 outcomes",
        ),
    ],
)
def test_what_is_missing_or_wrong_is_named(text: str, options: dict, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        qasm_model(text, **options)


def test_refusals_of_other_readers_pass_through(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="readout 'Q' is not readable"):
        qasm_model(ROTATION, readout="Q")
    with pytest.raises(InputError, match=r"nothing\.qasm cannot be read"):
        qasm_model(tmp_path / "nothing.qasm")
    with pytest.raises(InputError, match="line 3, column 1: a second readout found; say it once"):
        qasm_model("OPENQASM 3.0; qubit q;\n// counterspin: readout Z[0]\n// counterspin: readout X[0]\n")


def test_claims_paths_and_programs() -> None:
    assert claims(Path("a/model.qasm"))
    assert claims("model.qasm")
    assert claims(ROTATION)
    assert not claims("digits-amplitude")
    assert not claims(Path("model"))
    assert not claims(3)
