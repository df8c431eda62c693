"""The Python front door: what is loaded when, what is refused before any compute, where runs live and end."""

import dataclasses
import gc
import subprocess
import sys

import numpy as np
import pytest
import torch

import counterspin as cs
from counterspin.api.auditing import checked_settings
from counterspin.errors import InputError, ModelError, StorageError, UsageError
from counterspin.evaluation.run_store import read_record

X = np.random.default_rng(0).random((12, 2))
Y = (X[:, 0] < X[:, 1]).astype(int)
ONE = (cs.attacks.FGSM(),)


@dataclasses.dataclass
class Difference:
    """Logits ±(x0 - x1), or what `change` makes of them."""

    classes: int = 2
    outputs: str = "logits"
    stochastic: bool = False
    change: object = staticmethod(lambda z: z)
    calls: int = 0
    bounds = cs.Box.uniform(0.0, 1.0, features=2)

    def __call__(self, x):
        self.calls += 1
        d = x[:, 0] - x[:, 1]
        return self.change(torch.stack([d, -d], dim=1))


def audit(model=None, x=X, y=Y, threat=None, **options):
    return cs.audit(
        model or Difference(), x, y, threat or cs.Linf(0.05), **({"tier": "quick", "attacks": ONE} | options)
    )


def test_importing_counterspin_loads_no_torch() -> None:
    code = "import counterspin, sys; counterspin.__all__; print('torch' in sys.modules, 'numpy' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["False", "False"]


@pytest.mark.slow
def test_an_audit_that_writes_no_report_loads_no_charts() -> None:
    code = "import counterspin.api, sys; print('altair' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


def test_every_public_name_is_there() -> None:
    assert dir(cs) == sorted(cs.__all__)
    for name in cs.__all__:
        assert getattr(cs, name) is not None
    assert cs.audit is sys.modules["counterspin.api"].audit
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = cs.nothing


@pytest.mark.slow
def test_the_standard_tier_and_a_temporary_directory_are_the_defaults() -> None:
    report = cs.audit(Difference(), X[:4], Y[:4], cs.Linf(0.05), attacks=ONE)
    directory = report.directory
    assert report.record.tier == "standard"
    assert report.record.seed == 0
    assert report.record.model["name"] == "Difference"
    assert report.record.dataset["name"] == "data given in Python"
    assert report.html.is_file()
    assert directory.parent.name.startswith("counterspin-")
    assert report.reliable == (report.record.sanity.verdict != "fail")
    del report
    gc.collect()
    assert not directory.parent.exists()


def test_a_failed_audit_leaves_no_temporary_directory(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("counterspin.api.auditing.run_audit", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        audit()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_same_call_reads_what_is_finished(tmp_path) -> None:
    first = audit(out=tmp_path / "run")
    stamp = first.html.stat().st_mtime_ns
    model = Difference()
    again = audit(model, out=tmp_path / "run")
    assert again.record == first.record
    assert again.html.stat().st_mtime_ns == stamp
    assert model.calls == 2  # the first sample as a check, and the digest
    first.html.unlink()
    audit(out=tmp_path / "run")
    assert first.html.is_file()


@pytest.mark.slow
@pytest.mark.usefixtures("without_page")
def test_a_run_never_leaves_its_folder(tmp_path) -> None:
    report = audit(runs=tmp_path / "runs", name="../../elsewhere/mine")
    assert report.directory.parent == tmp_path / "runs"
    assert report.directory.name.startswith("mine-")
    assert report.record.model["name"] == "../../elsewhere/mine"


@pytest.mark.slow
def test_save(tmp_path) -> None:
    report = audit()
    html = report.save(tmp_path / "new" / "copy")
    assert html == tmp_path / "new" / "copy" / "report.html"
    assert html.read_bytes() == report.html.read_bytes()
    saved = read_record(tmp_path / "new" / "copy")
    assert saved.run == str(tmp_path / "new" / "copy")
    assert saved.model_copy(update={"run": report.record.run}) == report.record
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["copy"]
    with pytest.raises(UsageError, match="exists and is not an empty directory"):
        report.save(tmp_path / "new")
    with pytest.raises(StorageError, match="cannot be written"):
        report.save(html / "below")


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("threat", 0.1, "threat is 0.1; give a threat model"),
        ("tier", "huge", "tier is 'huge'; allowed: quick, standard, paper"),
        ("seed", -1, "seed is -1"),
        ("seed", "0", "seed is '0'"),
        ("attacks", (), "give at least one attack"),
        ("attacks", cs.attacks.FGSM(), "give at least one attack"),
        ("attacks", (cs.attacks.FGSM,), "give at least one attack"),
        ("attacks", (cs.attacks.PGD(steps=1), cs.attacks.PGD(steps=2)), "attacks holds pgd more than once"),
    ],
)
def test_options_that_make_no_sense(option, value, sentence) -> None:
    options = {"threat": cs.Linf(0.05), "tier": "quick", "seed": 0, "attacks": None} | {option: value}
    # Not through `audit`: the type checker of the tests would refuse wrong types first.
    with pytest.raises(UsageError, match=sentence):
        checked_settings(**options)


def test_audit_checks_its_options() -> None:
    model = Difference()
    with pytest.raises(UsageError, match="tier is 'huge'"):
        audit(model, tier="huge")
    assert model.calls == 0


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"class_names": ("a",)}, "class_names holds 1 names; the model has 2"),
        ({"feature_names": ("a", "b", "c")}, "feature_names holds 3 names; the model has 2"),
        ({"image_shape": (3, 3)}, r"image_shape is \(3, 3\)"),
        ({"image_shape": (2,)}, r"image_shape is \(2,\); give the number of rows"),
        ({"dataset": {"name": object()}}, "dataset cannot be stored as JSON"),
        ({"dataset": {"mean": float("nan")}}, "dataset cannot be stored as JSON"),
        ({"x": X * np.nan}, "x holds NaN"),
        ({"x": X + 5}, "x leaves the box"),
        ({"y": Y + 1}, "y holds label 2"),
    ],
)
def test_data_and_names_that_do_not_fit(options, sentence) -> None:
    model = Difference()
    with pytest.raises(InputError, match=sentence):
        audit(model, **options)
    assert model.calls == 0


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (3, "model .int. lacks bounds"),
        (Difference(classes=1), "model.classes is 1"),
        (Difference(outputs="scores"), "model.outputs is 'scores'; allowed: logits, probabilities, expectations"),
        (Difference(change=lambda z: z[:, 0]), r"model returned \(1,\) for 1 samples"),
        (Difference(change=lambda z: z * torch.nan), "NaN or infinite scores"),
        (Difference(change=lambda z: z.detach().numpy()), "model returned ndarray"),
        (Difference(change=lambda z: z @ torch.eye(2)), "cannot compute in float64"),
    ],
)
def test_models_that_cannot_be_used(model, sentence) -> None:
    with pytest.raises(ModelError, match=sentence):
        audit(model, y=Y * 0)


@pytest.mark.slow
def test_progress_ends_with_the_report() -> None:
    labels = []
    audit(progress=lambda label, *_: labels.append(label))
    assert labels[0] == "clean predictions"
    assert labels[-1] == "report"
