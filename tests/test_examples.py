"""The five models of examples/ through the commands: inspect, audit, import. Their libraries are the real ones."""

import contextlib
import io
import json
import runpy
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from counterspin.cli.app import run
from counterspin.cli.own_models import Brought, brought
from counterspin.cli.samples import read_samples

pytestmark = [
    pytest.mark.slow,
    # Qiskit, on Python 3.11 and on its own scipy calls, when it is imported.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]

EXAMPLES = Path(__file__).parents[1] / "examples"


@dataclass(frozen=True, kw_only=True)
class Example:
    """What is known of an example.

    Args:
        model: as on the command line.
        kind: what it is.
        route: how it is taken in.
        accuracy: at least this share of its own samples.
        outputs: of the classifier it becomes.
        certified: an audit of it has certificates.
        long: its home takes long.
    """

    model: str
    kind: str
    route: str
    accuracy: float
    outputs: str = "logits"
    certified: bool = True
    long: bool = False

    @property
    def file(self) -> Path:
        return EXAMPLES / self.model.partition(":")[0]


FIVE = [
    Example(model="pennylane_model.py:qnode", kind="pennylane.QNode", route="imported", accuracy=0.9),
    Example(model="qiskit_model.py:qnn", kind="qiskit.EstimatorQNN", route="imported", accuracy=0.9),
    Example(model="model.qasm", kind="qasm", route="imported", accuracy=0.9, outputs="probabilities"),
    Example(
        model="hybrid_torch.py:model", kind="torch.Module", route="wrapped", accuracy=0.95, certified=False, long=True
    ),
    Example(model="qsvc.py:clf", kind="qiskit.QSVC", route="imported", accuracy=0.9, certified=False, long=True),
]
EACH = [pytest.param(one, id=one.file.stem, marks=[pytest.mark.long] if one.long else []) for one in FIVE]
IMPORTED = [
    pytest.param(one, id=one.file.stem, marks=[pytest.mark.long] if one.long else [])
    for one in FIVE
    if one.route == "imported"
]
THREAT = ["--norm", "linf", "--eps", "0.02,0.05", "--quick", "--samples", "10"]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """What `python examples/data.py OUT` writes."""
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["data.py", str(folder)])
        runpy.run_path(str(EXAMPLES / "data.py"), run_name="__main__")
    return folder


@pytest.fixture(scope="module")
def adopt_once(data):
    """Each example once: a file is run once per process, but a model would be read again."""
    found: dict[str, Brought] = {}

    def adopted(one: Example) -> Brought:
        if one.model not in found:
            found[one.model] = brought(*command_of(one, data))
        return found[one.model]

    return adopted


def command_of(one: Example, data: Path) -> tuple[str, Path | None]:
    return str(EXAMPLES / one.model), data / "cancer.npz" if one.file.suffix == ".qasm" else None


def printed(command: str, model: str, *more: str, samples: Path | None = None) -> dict:
    """What a command prints with `--json`; it must succeed, an audit must be reliable."""
    given = [] if samples is None else ["--data", str(samples)]
    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        code = run([command, model, *given, *more, "--json"])
    assert output.getvalue(), errors.getvalue()
    facts = json.loads(output.getvalue())
    assert code == 0, [check for check in facts["sanity"]["checks"] if check["status"] == "FAIL"]
    return facts


@pytest.fixture(scope="module")
def audit_once(data, tmp_path_factory):
    """The record and the run directory of each example's audit."""
    found: dict[str, tuple[dict, Path]] = {}

    def audited(one: Example) -> tuple[dict, Path]:
        if one.model not in found:
            model, samples = command_of(one, data)
            folder = tmp_path_factory.mktemp("runs") / "run"
            found[one.model] = printed("audit", model, *THREAT, "--out", str(folder), samples=samples), folder
        return found[one.model]

    return audited


def worst_cases(record: dict) -> list[float]:
    return [budget["worst_case"]["value"] for budget in record["budgets"]]


def test_every_file_is_short_and_is_an_example():
    models = {path for path in EXAMPLES.iterdir() if path.suffix in (".py", ".qasm")} - {EXAMPLES / "data.py"}
    assert models == {one.file for one in FIVE}
    assert all(len(path.read_text(encoding="utf-8").splitlines()) <= 25 for path in models)


def test_the_data_files_agree(data):
    archive, table = read_samples(data / "cancer.npz"), read_samples(data / "cancer.csv")
    assert torch.equal(archive.x, table.x)
    assert list(archive.y) == list(table.y)
    assert archive.x.shape == (569, 4)
    assert (float(archive.x.min()), float(archive.x.max())) == (0.0, 1.0)
    assert archive.class_names == ("malignant", "benign")
    assert archive.feature_names[0] == "mean concave points"


@pytest.mark.parametrize("one", EACH)
def test_inspect(one, data):
    model, samples = command_of(one, data)
    facts = printed("inspect", model, samples=samples)
    assert (facts["kind"], facts["route"], facts["outputs"]) == (one.kind, one.route, one.outputs)
    assert facts["gradient_check"]["passed"] is True
    assert facts["gradient_check"]["cosine"] == pytest.approx(1.0, abs=1e-4)
    assert facts["space"] == "features as given"
    assert facts["differentiable"] is True
    if one.kind != "qasm":  # which has no other home
        assert (facts["speed"]["ratio"] is not None) is (one.route == "imported")


@pytest.mark.parametrize("one", EACH)
def test_classifies_its_own_data(one, adopt_once):
    found = adopt_once(one)
    with torch.no_grad():
        predicted = found.adopted.model(found.x).argmax(dim=1)
    assert (predicted.numpy() == found.samples.y).mean() >= one.accuracy


@pytest.mark.parametrize("one", [part for part in IMPORTED if part.id != "model"])
def test_imported_scores_are_those_at_home(one, adopt_once):
    found = adopt_once(one)
    x = found.x[::31][:4]
    with torch.no_grad():
        ours, theirs = found.adopted.model(x), found.adopted.route.home(x)
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)
    assert float(ours.diff(dim=0).abs().max()) > 1e-2  # four inputs, not one


@pytest.mark.parametrize("one", EACH)
def test_audit(one, audit_once):
    record, folder = audit_once(one)
    assert (record["model"]["library"], record["model"]["route"]) == (one.kind, one.route)
    assert record["clean_accuracy"]["value"] >= 0.8
    assert worst_cases(record) == sorted(worst_cases(record), reverse=True)
    assert worst_cases(record)[-1] < record["clean_accuracy"]["value"]  # something is broken at the larger budget
    certified = [b["certified"]["value"] for b in record["budgets"] if b.get("certified")]
    assert bool(certified) is one.certified
    assert all(low <= high + 1e-12 for low, high in zip(certified, worst_cases(record), strict=False))
    assert (folder / "report.html").stat().st_size > 10_000


@pytest.mark.parametrize("one", IMPORTED)
def test_a_saved_import_is_the_same_model(one, data, audit_once, tmp_path):
    model, samples = command_of(one, data)
    saved = tmp_path / "saved"
    assert printed("import", model, "--out", str(saved), samples=samples)["kind"] == one.kind
    record, _ = audit_once(one)
    again = printed("audit", str(saved), *THREAT, "--out", str(tmp_path / "again"))
    assert again["clean_accuracy"] == record["clean_accuracy"]
    assert worst_cases(again) == worst_cases(record)


def test_a_hybrid_network_cannot_be_imported_whole(capsys, tmp_path):
    assert run(["import", str(EXAMPLES / "hybrid_torch.py:model"), "--out", str(tmp_path / "saved")]) == 3
    assert "cannot be imported" in capsys.readouterr().err
    assert not (tmp_path / "saved").exists()


def test_the_quantum_layer_of_the_hybrid_network_can_be_replaced():
    from counterspin.cli.user_files import load_user_model
    from counterspin.models.integrations.accelerate import accelerate, replacements

    model = load_user_model(str(EXAMPLES / "hybrid_torch.py:model")).model
    x = torch.rand(16, 64, generator=torch.Generator().manual_seed(0))
    fast = accelerate(model, x)
    assert [(done.kind, done.replaced) for done in replacements(fast)] == [("pennylane.TorchLayer", True)]
    with torch.no_grad():
        torch.testing.assert_close(fast(x), model(x), atol=1e-5, rtol=0)  # float32 heads
    assert list(fast.state_dict()) == list(model.state_dict())
