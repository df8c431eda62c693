"""Loading exported sets, and every way a set can be broken."""

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save
from stored_runs import samples, write_run

from counterspin.datasets import load_adversarials
from counterspin.errors import InputError, UsageError
from counterspin.evaluation.export import export_adversarials


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """At 0.1 the first 4, at 0.2 the first 8 samples are broken; the last 2 are misclassified."""
    run = write_run(tmp_path / "run", broken={"pgd": (4, 8)})
    export_adversarials(run, tmp_path / "set")
    return tmp_path / "set"


def rewrite(path: Path, **changes: object) -> None:
    card = json.loads((path / "card.json").read_text())
    (path / "card.json").write_text(json.dumps({k: v for k, v in {**card, **changes}.items() if v is not ...}))


def test_broken_inputs_keep_their_true_labels(exported: Path) -> None:
    x, y = samples()
    data = load_adversarials(exported)
    assert torch.equal(data.test.x, x[:8] + 0.2)
    assert torch.equal(data.test.y, y[:8])
    assert (len(data.train), len(data.validation)) == (0, 0)
    assert torch.equal(load_adversarials(exported, eps=0.1).test.x, x[:4] + 0.1)
    assert data.bounds.upper.tolist() == [1.0] * 3
    assert (data.class_names, data.feature_names) == (("no", "yes"), ("x0", "x1", "x2"))
    assert (data.licence, data.source) == ("CC BY 4.0", "adversarial inputs against model; clean inputs: UCI")


def test_clean_and_all_are_the_same_samples(exported: Path) -> None:
    x, y = samples()
    assert torch.equal(load_adversarials(exported, "clean").test.x, x[:8])
    everything = load_adversarials(exported, "all").test
    assert torch.equal(everything.x, torch.cat([x[:18] + 0.2, x[18:]]))
    assert torch.equal(everything.y, y)
    hashes = {load_adversarials(exported, which, eps=eps).sha256 for which in ("broken", "clean") for eps in (0.1, 0.2)}
    assert len(hashes) == 4


def test_a_detector_never_sees_one_version_of_a_sample_and_is_tested_on_the_other(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", wrong=0, broken={"pgd": (4, 20)})
    export_adversarials(run, tmp_path / "set")
    data = load_adversarials(tmp_path / "set", "detector")
    x, _ = samples()
    assert data.class_names == ("clean", "adversarial")
    sizes = []
    for split in (data.train, data.validation, data.test):
        clean, adversarial = split.x[split.y == 0], split.x[split.y == 1]
        assert torch.equal(clean + 0.2, adversarial)
        sizes.append(len(clean))
    assert sizes == [12, 2, 6]
    whole = torch.cat([split.x[split.y == 0] for split in (data.train, data.validation, data.test)])
    assert torch.equal(whole[whole[:, 0].argsort()], x[x[:, 0].argsort()])
    assert data.sha256 == load_adversarials(tmp_path / "set", "detector").sha256
    assert data.sha256 != load_adversarials(tmp_path / "set", "detector", seed=1).sha256


def test_too_few_broken_samples_are_named(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="8 broken samples at this eps; a detector needs 20"):
        load_adversarials(exported, "detector")
    export_adversarials(write_run(tmp_path / "none", broken={"pgd": (0, 1)}), tmp_path / "empty")
    with pytest.raises(InputError, match=r"no broken sample at eps 0\.1"):
        load_adversarials(tmp_path / "empty", eps=0.1)
    assert len(load_adversarials(tmp_path / "empty", "all", eps=0.1).test) == 20


def test_inputs_that_may_leave_the_box_are_loaded_without_one(tmp_path: Path) -> None:
    threat = {"norm": "linf", "eps": [0.9], "units": "feature", "box": "none", "target": None}
    export_adversarials(write_run(tmp_path / "run", threat=threat, broken={"pgd": (4,)}), tmp_path / "set")
    data = load_adversarials(tmp_path / "set")
    assert float(data.test.x.max()) > 1.0
    assert data.bounds.is_unbounded


def test_what_is_asked_for_must_exist(exported: Path) -> None:
    with pytest.raises(UsageError, match="which is 'best'; allowed: broken, all, clean, detector"):
        load_adversarials(exported, "best")
    with pytest.raises(UsageError, match=r"eps is 0\.3; .* holds 0\.1, 0\.2"):
        load_adversarials(exported, eps=0.3)


def damaged(path: Path) -> None:
    (path / "adversarials.safetensors").write_bytes((path / "adversarials.safetensors").read_bytes()[:-8])


def altered(path: Path) -> None:
    data = bytearray((path / "adversarials.safetensors").read_bytes())
    data[-1] ^= 1
    (path / "adversarials.safetensors").write_bytes(bytes(data))


def stripped(path: Path) -> None:
    tensors = load_file(path / "adversarials.safetensors")
    del tensors["x_adv"]
    data = save(tensors)
    (path / "adversarials.safetensors").write_bytes(data)
    rewrite(path, tensors_sha256=hashlib.sha256(data).hexdigest())


def no_tensors(path: Path) -> None:
    (path / "adversarials.safetensors").write_bytes(b"nothing")
    rewrite(path, tensors_sha256=hashlib.sha256(b"nothing").hexdigest())


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (damaged, "truncated or altered"),
        (altered, "truncated or altered"),
        (stripped, "it lacks x_adv"),
        (no_tensors, "cannot be read"),
        (lambda path: (path / "adversarials.safetensors").unlink(), "No such file"),
        (lambda path: (path / "card.json").unlink(), r"no card\.json.*export-adversarials"),
        (lambda path: (path / "card.json").write_text("{"), r"card\.json cannot be read"),
        (lambda path: (path / "card.json").write_text("[]"), "format None"),
        (lambda path: rewrite(path, format=2), "format 2; this version of counterspin reads format 1"),
        (lambda path: rewrite(path, eps=..., bounds=...), "lacks bounds, eps"),
    ],
)
def test_a_set_that_is_missing_damaged_or_of_another_format_is_named(exported: Path, spoil, message: str) -> None:
    spoil(exported)
    with pytest.raises(InputError, match=message) as refused:
        load_adversarials(exported)
    assert "\n" not in str(refused.value)
    assert refused.value.exit_code == 3
