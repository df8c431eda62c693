import json
import shutil
from pathlib import Path

import pytest
import torch
import typer

from counterspin.attacks import FGSM, PGD
from counterspin.cli.compare import compare
from counterspin.errors import UsageError
from counterspin.evaluation.audit import AuditSettings, Subject, audit_config, run_audit
from counterspin.evaluation.run_store import RunStore
from counterspin.models import LogisticRegression
from counterspin.threats import Linf
from counterspin.types import Box

# Every test reads the runs, which take seconds.
pytestmark = pytest.mark.slow


def linear(seed: int) -> LogisticRegression:
    model = LogisticRegression(Box.uniform(0.0, 1.0, features=4), classes=2)
    model.weight.data = torch.randn(2, 4, generator=torch.Generator().manual_seed(seed))
    model.bias.data = -model.weight.data.sum(dim=1) / 2
    return model.requires_grad_(False).eval()


def audited(seed: int, samples: int, out: Path) -> None:
    """An audit without its report, whose charts would take seconds."""
    x = torch.rand(40, 4, generator=torch.Generator().manual_seed(5), dtype=torch.float64)[:samples]
    y = linear(0)(x).argmax(dim=1)
    threat, settings = Linf(0.02, 0.1), AuditSettings(tier="quick", attacks=(FGSM(), PGD(steps=10)))
    subject = Subject.checked(linear(seed), x, y, threat, model_card={"name": f"model [{out.name}]"})
    with RunStore(out, audit_config(subject, threat, settings)) as store:
        run_audit(subject, threat, settings, store, lambda *_: None)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The same samples, two models; and fewer samples."""
    home = tmp_path_factory.mktemp("runs")
    for name, seed, samples in (("a", 0, 40), ("b", 3, 40), ("few", 0, 20)):
        audited(seed, samples, home / name)
    return home


def run(*arguments) -> int:
    app = typer.Typer()
    app.command()(compare)
    code = app([str(a) for a in arguments], standalone_mode=False)
    return code if isinstance(code, int) else 0


def test_json_is_one_object_with_the_audits_own_numbers(runs, capsys):
    code = run(runs / "a", runs / "b", "--json")
    record = json.loads(capsys.readouterr().out)
    assert code == (0 if record["reliable"] else 1)
    for side in ("first", "second"):
        stored = json.loads((runs / {"first": "a", "second": "b"}[side] / "run.json").read_text())["record"]
        assert record["clean_accuracy"][side] == stored["clean_accuracy"]
        for mine, theirs in zip(record["budgets"], stored["budgets"], strict=True):
            assert mine["worst_case"][side] == theirs["worst_case"]
            assert mine["attacks"]["pgd"][side] == theirs["attacks"]["pgd"]["robust_accuracy"]
        assert record[side]["cost"] == stored["cost"]


def test_the_table_names_both_runs_and_every_budget(runs, capsys):
    code = run(runs / "a", runs / "b")
    out = capsys.readouterr().out
    assert code in (0, 1)
    for text in ("model [a]", "model [b]", "clean", "0.02", "0.1 pgd", "A - B", "quick tier", "backwards"):
        assert text in out


def test_an_unreliable_run_ends_with_code_one(runs, capsys, tmp_path):
    shutil.copytree(runs / "b", tmp_path / "bad")
    content = json.loads((tmp_path / "bad" / "run.json").read_text())
    sanity = content["record"]["sanity"]
    sanity["checks"][0]["status"] = "FAIL"
    sanity["verdict"] = "fail"
    (tmp_path / "bad" / "run.json").write_text(json.dumps(content))
    assert run(runs / "a", tmp_path / "bad") == 1
    out = capsys.readouterr().out
    assert "UNRELIABLE" in out
    assert sanity["checks"][0]["id"] in out


def test_other_samples_are_refused(runs):
    with pytest.raises(UsageError, match="different samples"):
        run(runs / "a", runs / "few")


def test_out_writes_one_offline_page(runs, tmp_path, capsys):
    page = tmp_path / "comparison.html"
    run(runs / "a", runs / "b", "--out", page)
    text = page.read_text(encoding="utf-8")
    assert "model [a]" in text
    assert "model [b]" in text
    assert "http-equiv" in text
    assert capsys.readouterr().out
