"""The command line: exit codes, one sentence for each failure, JSON where a program may want it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import torch

from counterspin.cli.app import run
from counterspin.evaluation.schema import audit_schema
from counterspin.models import LogisticRegression, save_model
from counterspin.types import Box


@pytest.fixture
def saved(tmp_path, monkeypatch):
    """A saved linear model with data, in the working directory."""
    monkeypatch.chdir(tmp_path)
    model = LogisticRegression(Box.uniform(0.0, 1.0, features=4), classes=2)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0, -1.0, 0.5, 0.0], [-1.0, 1.0, 0.0, 0.5]]))
    save_model(model, tmp_path / "model")
    x = np.random.default_rng(0).random((30, 4))
    y = model(torch.as_tensor(x)).argmax(dim=1).numpy()
    np.savez(tmp_path / "data.npz", x=x, y=y)
    return tmp_path


AUDIT = ["audit", "model", "--data", "data.npz", "--norm", "linf", "--eps", "0.05,0.1", "--quick"]


@pytest.mark.slow
def test_audit_of_a_saved_model_prints_a_valid_record(saved, capsys):
    assert run([*AUDIT, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    jsonschema.validate(record, audit_schema())
    assert record["schema"] == 1
    assert record["clean_accuracy"]["value"] == 1.0
    assert [b["eps"] for b in record["budgets"]] == [0.05, 0.1]
    assert (Path(record["run"]) / "report.html").is_file()
    assert run(["report", record["run"]]) == 0
    assert capsys.readouterr().out.strip() == str(Path(record["run"]) / "report.html")


@pytest.mark.slow
def test_audit_prints_a_table_and_the_path(saved, capsys):
    assert run(AUDIT) == 0
    out = capsys.readouterr().out
    assert "worst case" in out
    assert "quick tier: not for publication" in out
    assert "report.html" in out


@pytest.mark.parametrize(
    ("change", "code", "sentence"),
    [
        (["--eps", "-0.1"], 2, "every budget must be"),
        (["--eps", ""], 2, "eps is empty"),
        (["--eps", "0.1,abc"], 2, "comma-separated numbers"),
        (["--eps", "0.2,0.1"], 2, "ascending"),
        (["--norm", "l7"], 2, "norm is 'l7'"),
        (["--box", "maybe"], 2, "box is 'maybe'"),
        (["--tier", "huge"], 2, "cannot go with --tier huge"),
        (["--seed", "-1"], 2, "seed is -1"),
        (["--samples", "0"], 2, "--samples is 0"),
        (["--data", "missing.npz"], 3, "cannot be read"),
        (["--engine", "jax"], 2, "engine is 'jax'; allowed: auto, compiled, torch."),
        (["--engine", "torch"], 2, "runs no circuit"),
        (["--nonsense"], 2, "No such option"),
    ],
)
def test_bad_options_are_one_sentence(saved, capsys, change, code, sentence):
    assert run([*AUDIT, *change]) == code
    error = capsys.readouterr().err
    assert sentence in error
    assert "Traceback" not in error


def test_unknown_suite(saved, capsys):
    assert run([*AUDIT, "--suite", "v2"]) == 2
    assert "--suite is 'v2'; the one pinned suite is v1." in capsys.readouterr().err


def test_unknown_tier(saved, capsys):
    assert run([*AUDIT[:-1], "--tier", "huge"]) == 2
    assert "tier is 'huge'; allowed: quick, standard, paper." in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--norm", "--units", "--box", "--engine", "--tier"])
def test_a_wrong_word_is_named_before_a_missing_budget(saved, capsys, option):
    assert run(["audit", "model", "--data", "data.npz", option, "foo"]) == 2
    assert f"{option.strip('-')} is 'foo'; allowed: " in capsys.readouterr().err


def test_unknown_recipe_suggests_the_closest(capsys):
    assert run(["audit", "digits-amplitud"]) == 2
    assert "Did you mean digits-amplitude" in capsys.readouterr().err


def test_saved_model_without_data_or_budgets(saved, capsys):
    assert run(["audit", "model"]) == 2
    assert "--data FILE.npz" in capsys.readouterr().err
    assert run(["audit", "model", "--data", "data.npz"]) == 2
    assert "--norm and --eps must be given" in capsys.readouterr().err


def test_truncated_model_and_data(saved, capsys):
    weights = saved / "model" / "weights.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    assert run(AUDIT) == 3
    assert "Traceback" not in capsys.readouterr().err
    weights.write_bytes(whole)
    data = saved / "data.npz"
    data.write_bytes(data.read_bytes()[:100])
    assert run(AUDIT) == 3
    assert "data.npz cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("x", "y", "sentence"),
    [
        (np.full((5, 4), np.nan), np.zeros(5), "NaN"),
        (np.full((5, 4), 2.0), np.zeros(5), "leaves the box"),
        (np.zeros((5, 3)), np.zeros(5), "3 features"),
        (np.zeros((5, 4)), np.full(5, 2), "label 2"),
        (np.zeros((5, 4)), np.zeros(4), "y of shape (4,)"),
    ],
)
def test_bad_data_exit_with_3(saved, capsys, x, y, sentence):
    np.savez(saved / "data.npz", x=x, y=y)
    assert run(AUDIT) == 3
    error = capsys.readouterr().err
    assert sentence in error
    assert "Traceback" not in error
    assert not (saved / "runs").exists()


@pytest.mark.slow
def test_run_directory_of_another_configuration(saved, capsys):
    assert run([*AUDIT, "--out", "run"]) == 0
    assert run([*AUDIT, "--out", "run", "--seed", "1"]) == 2
    assert "another configuration" in capsys.readouterr().err
    assert run(["report", "nothing"]) == 2


@pytest.mark.slow
@pytest.mark.parametrize("damage", [lambda text: text[: len(text) // 2], lambda _: "[]"], ids=["truncated", "foreign"])
def test_the_same_command_writes_a_damaged_record_anew(saved, capsys, damage):
    assert run([*AUDIT, "--out", "run"]) == 0
    record = saved / "run" / "run.json"
    whole = record.read_text()
    record.write_text(damage(whole))
    assert run(["report", "run"]) == 3
    assert "run the audit's command again" in capsys.readouterr().err
    assert run([*AUDIT, "--out", "run"]) == 0
    assert record.read_text() == whole
    record.unlink()
    assert run([*AUDIT, "--out", "run"]) == 0
    assert record.read_text() == whole


@pytest.mark.slow
def test_a_moved_run_reports_where_it_is(saved, capsys):
    assert run([*AUDIT, "--out", "run"]) == 0
    (saved / "run").rename(saved / "moved")
    capsys.readouterr()
    assert run(["report", "moved", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["run"] == "moved"
    assert "moved" in (saved / "moved" / "report.html").read_text()


@pytest.mark.slow
def test_an_interrupt_is_one_sentence(saved, capsys, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("counterspin.evaluation.sanity_stage.run_checks", interrupted)
    assert run([*AUDIT, "--out", "run"]) == 130
    assert capsys.readouterr().err.strip() == (
        "counterspin: interrupted; finished work is stored, the same command resumes"
    )
    monkeypatch.undo()
    monkeypatch.chdir(saved)
    assert run([*AUDIT, "--out", "run"]) == 0


@pytest.mark.slow
def test_unreliable_audits_exit_with_1(saved, capsys, monkeypatch):
    from counterspin.evaluation.records import SanityRecord

    monkeypatch.setattr(
        "counterspin.evaluation.sanity_stage.run_checks", lambda *_: SanityRecord(verdict="fail", checks=[])
    )
    assert run(AUDIT) == 1
    assert "UNRELIABLE" in capsys.readouterr().out


@pytest.mark.slow
def test_ctrl_c_keeps_finished_work_and_the_same_command_resumes(saved):
    command = [sys.executable, "-c", "from counterspin.cli import main; main()", *AUDIT, "--out", "run"]
    command[command.index("--quick")] = "--tier=standard"
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list(saved.glob("run/adversarials/*.safetensors")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=300)
    assert process.returncode == 130, error
    assert "the same command resumes" in error
    assert "Traceback" not in error
    kept = {p: p.stat().st_mtime_ns for p in saved.glob("run/adversarials/*.safetensors")}
    assert kept
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    assert all(p.stat().st_mtime_ns == stamp for p, stamp in kept.items())


@pytest.mark.skipif(os.geteuid() != 0 or not Path("/proc/mounts").exists(), reason="mounting needs root on Linux")
def test_full_disk_is_one_sentence(saved, tmp_path_factory, capsys):
    disk = tmp_path_factory.mktemp("disk")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("this machine allows no mounts")
    try:
        assert run([*AUDIT, "--out", str(disk / "run")]) == 3
        error = capsys.readouterr().err
        assert "free disk space" in error
        assert "Traceback" not in error
    finally:
        subprocess.run(["umount", str(disk)], check=True)
