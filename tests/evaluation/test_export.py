"""What is written is what the run holds, all of it or nothing."""

import errno
import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from stored_runs import SAMPLES, THREAT, mask, samples, write_run

from counterspin.attacks import FGSM, PGD
from counterspin.datasets import load_adversarials
from counterspin.errors import StorageError, UsageError
from counterspin.evaluation.audit import AuditSettings, Subject, audit_config, run_audit
from counterspin.evaluation.export import export_adversarials
from counterspin.evaluation.run_store import RunStore
from counterspin.models import LogisticRegression
from counterspin.threats import Linf
from counterspin.training import accuracy
from counterspin.types import Box


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", broken={"pgd": (4, 8), "random": (6, 3)})


def test_the_worst_is_the_nearest_input_that_breaks(run: Path, tmp_path: Path) -> None:
    card = export_adversarials(run, tmp_path / "set")
    tensors = load_file(tmp_path / "set" / "adversarials.safetensors")
    x, y = samples()
    assert torch.equal(tensors["x"], x)
    assert torch.equal(tensors["y"], y)
    assert torch.equal(tensors["correct"], mask(18))
    assert tensors["eps"].tolist() == [0.1, 0.2]
    assert tensors["eps_index"].tolist() == [0, 1]
    assert torch.equal(tensors["success"], torch.stack([mask(6), mask(8)]))
    # `random` goes only 0.9 of the way: where both break it is nearer, elsewhere the one that breaks counts; where
    # none does, the lower margin, which is that of `pgd`. Misclassified samples stay clean.
    assert tensors["attack"][0, :18].tolist() == [1] * 6 + [0] * 12
    assert tensors["attack"][1, :18].tolist() == [1] * 3 + [0] * 15
    assert torch.equal(tensors["x_adv"][1, :3], x[:3] + 0.2 * 0.9)
    assert torch.equal(tensors["x_adv"][1, 3:18], x[3:18] + 0.2)
    assert torch.equal(tensors["x_adv"][:, 18:], x[18:].expand(2, -1, -1))
    assert torch.equal(torch.isinf(tensors["distance"]), ~tensors["success"])
    assert card["broken"] == [6, 8]
    assert [attack["name"] for attack in card["attacks"]] == ["pgd", "random"]


def test_one_attack_at_one_budget(run: Path, tmp_path: Path) -> None:
    card = export_adversarials(run, tmp_path / "set", attack="random", eps=0.2)
    tensors = load_file(tmp_path / "set" / "adversarials.safetensors")
    assert tensors["eps_index"].tolist() == [1]
    assert torch.equal(tensors["success"], mask(3)[None])
    assert (card["attack"], card["eps"], card["broken"], len(card["attacks"])) == ("random", [0.2], [3], 1)


def test_the_card_says_where_everything_comes_from(run: Path, tmp_path: Path) -> None:
    card = export_adversarials(run, tmp_path / "set")
    assert json.loads((tmp_path / "set" / "card.json").read_text()) == card
    with RunStore(run, None) as store:
        assert card["run"] == {"key": store.key, "verdict": "pass", "versions": {"counterspin": "0.1", "torch": "2"}}
    assert card["model"]["sha256"] == "ab"
    assert card["threat"] == THREAT
    assert card["dataset"]["licence"] == "CC BY 4.0"
    assert card["samples"] == {"count": SAMPLES, "ids": list(range(SAMPLES)), "correct": 18}
    assert {"exported_by", "tensors_sha256", "format", "tier", "seed"} <= card.keys()


def test_a_run_that_names_no_bounds_is_exported_without(run: Path, tmp_path: Path) -> None:
    with RunStore(run, None) as store:
        subject = store.stage("subject")
        del subject["bounds"]
        store.save_stage("subject", subject)
    assert export_adversarials(run, tmp_path / "set")["bounds"] is None
    assert load_adversarials(tmp_path / "set").bounds.is_unbounded


@pytest.mark.slow
def test_a_real_run_comes_back_and_the_model_is_wrong_on_all_of_it(tmp_path: Path) -> None:
    model = LogisticRegression(Box.uniform(0.0, 1.0, features=4), classes=2)
    model.weight.data = torch.randn(2, 4, generator=torch.Generator().manual_seed(0))
    model.bias.data = -model.weight.data.sum(dim=1) / 2
    model.requires_grad_(False).eval()
    x = torch.rand(30, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    y = model(x).argmax(dim=1)
    threat, settings = Linf(0.05, 0.2), AuditSettings(tier="quick", attacks=(FGSM(), PGD(steps=10)))
    subject = Subject.checked(model, x, y, threat, model_card={"name": "linear"})
    with RunStore(tmp_path / "run", audit_config(subject, threat, settings)) as store:
        record = run_audit(subject, threat, settings, store, lambda *_: None)
    card = export_adversarials(tmp_path / "run", tmp_path / "set")
    for place, eps in enumerate(threat.eps):
        attacked = load_adversarials(tmp_path / "set", eps=eps)
        assert accuracy(model, attacked.test) == 0.0
        assert accuracy(model, load_adversarials(tmp_path / "set", "clean", eps=eps).test) == 1.0
        assert accuracy(model, load_adversarials(tmp_path / "set", "all", eps=eps).test) == pytest.approx(
            record.budgets[place].worst_case.value
        )
        assert card["broken"][place] == len(attacked.test) > 0


def test_what_does_not_exist_is_refused_before_anything_is_written(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "set"
    with pytest.raises(UsageError, match="attack is 'cw'; the run has pgd, random, and 'worst'"):
        export_adversarials(run, out, attack="cw")
    with pytest.raises(UsageError, match=r"eps is 0\.3; the run has 0\.1, 0\.2"):
        export_adversarials(run, out, eps=0.3)
    with pytest.raises(UsageError, match="no finished run"):
        export_adversarials(tmp_path / "nothing", out)
    (run / "adversarials" / "pgd-0.safetensors").unlink()
    with pytest.raises(StorageError, match="pgd-0"):
        export_adversarials(run, out)
    assert not out.exists()


def test_a_place_that_is_taken_is_left_alone(run: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "main.tex").touch()
    for taken in (tmp_path / "thesis", tmp_path / "thesis" / "main.tex"):
        with pytest.raises(UsageError, match="not an empty directory"):
            export_adversarials(run, taken)
    (tmp_path / "empty").mkdir()
    export_adversarials(run, tmp_path / "empty")
    assert sorted(file.name for file in (tmp_path / "empty").iterdir()) == ["adversarials.safetensors", "card.json"]


def test_a_full_disk_leaves_nothing_behind(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    before = sorted(tmp_path.iterdir())
    monkeypatch.setattr(os, "rename", full)
    with pytest.raises(StorageError, match=r"set cannot be written \(No space left on device\)"):
        export_adversarials(run, tmp_path / "set")
    assert sorted(tmp_path.iterdir()) == before
