"""Models in a user's file on the command line: inspect, import, audit. Torch and OpenQASM stand for every library."""

import json
import sys

import numpy as np
import pytest
import torch

from counterspin.cli.app import run
from counterspin.cli.own_models import brought, is_own
from counterspin.errors import InputError, ModelError
from counterspin.models import load_model

NET = """
import torch
from sklearn.datasets import load_iris
data = load_iris()
x, y, bounds = data.data[::3] / 8, data.target[::3], (0, 1)
inputs = torch.cat([torch.tensor(x), torch.ones(len(x), 1, dtype=torch.float64)], dim=1)
solution = torch.linalg.lstsq(inputs, torch.eye(3, dtype=torch.float64)[y]).solution.T
net = torch.nn.Linear(4, 3, dtype=torch.float64)
with torch.no_grad():
    net.weight.copy_(solution[:, :4])
    net.bias.copy_(solution[:, 4])
def one(features):
    return 0.5 - features[:, 2]
"""

QASM = """OPENQASM 3.0;
include "stdgates.inc";
// counterspin: readout Z[0]
// counterspin: bounds 0 1
input float x0;
input float x1;
qubit[2] q;
ry(3*x0) q[0];
ry(x1 + 0.25) q[1];
cx q[0], q[1];
"""


@pytest.fixture
def net(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "net.py"
    path.write_text(NET)
    yield "net.py"
    for name in [name for name in sys.modules if name.startswith("net_")]:
        del sys.modules[name]


@pytest.fixture
def circuit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.qasm").write_text(QASM)
    x = np.array([[0.0, 0.5], [0.9, 0.2], [0.2, 0.1]])
    np.savez(tmp_path / "samples.npz", x=x, y=np.array([0, 1, 0]))
    return "model.qasm"


def failure(capsys, command: list[str], code: int) -> str:
    assert run(command) == code
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("model", "own"), [("a.py:b", True), ("c.qasm", True), ("w.pkl", True), ("cancer-angle", False), ("runs/a", False)]
)
def test_which_models_are_the_users_own(model, own):
    assert is_own(model) is own


def test_inspect_says_route_gradient_and_speed(net, capsys):
    assert run(["inspect", f"{net}:net", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["kind"], facts["route"], facts["space"]) == ("torch.Module", "wrapped", "features as given")
    assert facts["gradient_check"]["passed"] is True
    assert facts["gradient_check"]["cosine"] == pytest.approx(1.0, abs=1e-6)
    assert (facts["classes"], facts["features"], facts["outputs"]) == (3, 4, "logits")
    assert facts["speed"]["ours_ms"] > 0
    assert facts["speed"]["ratio"] is None  # a wrapped model is its own home


def test_inspect_for_a_person(net, capsys):
    assert run(["inspect", f"{net}:net"]) == 0
    printed = capsys.readouterr().out
    assert "torch.Module, wrapped" in printed
    assert "ε is measured in features as given" in printed


def test_a_recipe_can_be_inspected(capsys):
    assert run(["inspect", "cancer-angle", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["kind"], facts["route"], facts["encoding"]) == ("counterspin", "native", "trainable")
    assert len(facts["frequencies"]) == facts["features"] == 4


def test_the_file_brings_samples_and_bounds(net):
    found = brought(f"{net}:net", None)
    assert found.samples is not None
    assert found.x.shape == (50, 4)
    assert found.adopted.model.bounds.upper.tolist() == [1.0] * 4
    assert (found.adopted.model(found.x).argmax(dim=1).numpy() == found.samples.y).mean() > 0.8


def test_options_go_before_the_file(net, tmp_path):
    np.savez(tmp_path / "other.npz", x=np.full((3, 4), 0.5), y=np.array([0, 1, 2]))
    found = brought(f"{net}:net", tmp_path / "other.npz", bounds=(-1.0, 2.0))
    assert len(found.x) == 3
    assert found.adopted.model.bounds.lower.tolist() == [-1.0] * 4


@pytest.mark.parametrize(("above", "winner"), [(None, 1), (1, 1), (0, 0)])
def test_the_class_above_the_threshold(net, above, winner):
    model = brought(f"{net}:one", None, above=above).adopted.model
    assert model(torch.zeros(1, 4, dtype=torch.float64)).argmax().item() == winner


def test_a_black_box_on_request(net, capsys):
    assert run(["inspect", f"{net}:net", "--gradient", "none", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["differentiable"] is False
    assert facts["gradient_check"]["passed"] is None


@pytest.mark.slow
def test_an_audit_of_a_network(net, capsys):
    command = ["audit", f"{net}:net", "--quick", "--samples", "12", "--norm", "linf", "--eps", "0.01", "--json"]
    assert run(command) in (0, 1)
    record = json.loads(capsys.readouterr().out)
    assert record["model"]["route"] == "wrapped"
    assert record["model"]["library"] == "torch.Module"
    assert record["run"].startswith("runs/net.py-net-")
    assert record["budgets"][0]["worst_case"]["n"] == 12


@pytest.mark.slow
def test_a_plan_runs_nothing(net, capsys, tmp_path):
    command = ["audit", f"{net}:net", "--quick", "--samples", "12", "--norm", "linf", "--eps", "0.01", "--plan"]
    assert run([*command, "--json", "--budget", "20000circuits"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan
    assert not (tmp_path / "runs").exists()
    assert run(command) == 0
    assert "12 samples, quick tier" in capsys.readouterr().out


@pytest.mark.slow
def test_a_budget_ends_an_audit_with_code_4(net, capsys):
    command = ["audit", f"{net}:net", "--quick", "--samples", "12", "--norm", "linf", "--eps", "0.01", "--json"]
    assert run([*command, "--budget", "300circuits"]) == 4
    printed = capsys.readouterr()
    record = json.loads(printed.out)
    assert record["budget"]["reached"] is True
    assert record["budget"]["spent"]["circuits"] <= 300
    assert record["budgets"][0]["worst_case"]["high"] > record["budgets"][0]["worst_case"]["low"]
    assert "budget" in printed.err
    assert run(command) in (0, 1)  # the same run goes on without a limit
    assert json.loads(capsys.readouterr().out)["run"] == record["run"]


@pytest.mark.slow
def test_a_circuit_is_inspected_and_audited(circuit, capsys):
    assert run(["inspect", circuit, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["qubits"], facts["depth"], facts["gates"]) == (2, 2, 3)
    assert facts["frequencies"] == [[3.0], [1.0]]
    assert facts["encoding"] == "fixed"
    command = ["audit", circuit, "--data", "samples.npz", "--quick", "--norm", "linf", "--eps", "0.05", "--json"]
    assert run(command) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["clean_accuracy"]["value"] == 1.0  # class 0 where cos(3 x0) is above 0


@pytest.mark.slow
@pytest.mark.usefixtures("without_page")
def test_import_needs_neither_the_file_nor_the_samples_again(circuit, capsys, tmp_path):
    assert run(["import", circuit, "--data", "samples.npz", "--out", "saved", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["out"] == "saved"
    (tmp_path / circuit).unlink()
    x = torch.tensor([[0.3, 0.7]], dtype=torch.float64)
    expected = torch.cos(3 * x[0, 0]).item() / 2  # the control of a CNOT keeps its Z
    assert load_model(tmp_path / "saved")(x)[0].tolist() == pytest.approx([expected, -expected], abs=1e-12)
    assert run(["audit", "saved", "--quick", "--norm", "linf", "--eps", "0.05", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["clean_accuracy"]["n"] == 3


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        (["audit", "{net}:gone", "--norm", "linf", "--eps", "0.1"], 2, "defines no 'gone'"),
        (["audit", "{net}:net", "--eps", "0.1"], 2, "--norm must be given"),
        (["audit", "{net}:net", "--norm", "linf", "--eps", "0.1", "--bounds", "0.9", "1"], 3, "bounds"),
        (["audit", "cancer-angle", "--bounds", "0", "1"], 2, "--bounds goes with a model of your own"),
        (["audit", "cancer-angle", "--above", "0"], 2, "--above goes with a model of your own"),
        (["audit", "cancer-angle", "--prices", "p.json"], 2, "--prices goes with --plan"),
        (["inspect", "weights.pkl"], 3, "is a pickle, which runs code when it is read"),
        (["inspect", "missing.py:net"], 2, "is no file"),
        (["inspect", "{net}:net", "--route", "teleport"], 2, "route is 'teleport'; allowed: auto, import, wrap"),
        (["import", "{net}:net", "--out", "saved"], 3, "torch module"),
        (["import", "cancer-angle", "--out", "saved"], 2, "is no model of your own"),
    ],
)
def test_bad_input_is_one_sentence(net, capsys, tmp_path, command, code, message):
    error = failure(capsys, [word.format(net=net) for word in command], code)
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "saved").exists()


@pytest.mark.slow
def test_a_model_without_bounds_or_samples(net, capsys, tmp_path):
    (tmp_path / "bare.py").write_text("def model(x):\n    return x[:, :2]\n")
    np.savez(tmp_path / "data.npz", x=np.array([[0.0, 0.5], [0.9, 0.2], [0.1, 0.3]]), y=np.array([1, 0, 1]))
    assert "define x and y in the model's file" in failure(capsys, ["inspect", "bare.py:model"], 2)
    audit = ["audit", "bare.py:model", "--data", "data.npz", "--norm", "linf", "--eps", "0.1", "--quick"]
    assert "the samples span --bounds 0 0.9" in failure(capsys, audit, 2)
    assert run([*audit, "--box", "none", "--json"]) in (0, 1)


def test_errors_have_their_kinds(net):
    with pytest.raises(InputError):
        brought(f"{net}:net", None, bounds=(0.9, 1.0))
    with pytest.raises(ModelError):
        brought(f"{net}:net", None, route="import")


def test_a_classifier_of_ours_says_itself_what_it_is(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ours.py").write_text(
        "from counterspin import recipes\n"
        "bounds, weights = (5, 6), [1]\n"
        "x, y = recipes.get('cancer-angle').dataset().test.x[:8], [0] * 8\n"
        "model = recipes.get('cancer-angle').model()\n"
    )
    found = brought("ours.py:model", None)
    assert (found.adopted.route.kind, found.adopted.route.route) == ("counterspin", "native")
    assert "bounds" in failure(capsys, ["inspect", "ours.py:model", "--bounds", "0", "1"], 2)


def test_a_model_that_knows_its_features_is_inspected_without_samples(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "alone.py").write_text("import torch\nmodel = torch.nn.Linear(5, 3)\n")
    assert "or give --bounds LOW HIGH" in failure(capsys, ["inspect", "alone.py:model"], 2)
    assert run(["inspect", "alone.py:model", "--bounds", "-1", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["features"], found["classes"], found["gradient_check"]["passed"]) == (5, 3, True)
    audit = ["audit", "alone.py:model", "--bounds", "-1", "2", "--norm", "linf", "--eps", "0.1"]
    assert "comes without samples" in failure(capsys, audit, 2)
