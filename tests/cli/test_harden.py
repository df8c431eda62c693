"""`counterspin harden`: refusals in one sentence, what is printed, and models that can be audited at once."""

import json

import numpy as np
import pytest
import torch

from counterspin import recipes
from counterspin.cli.app import run
from counterspin.evaluation.hardening import training
from counterspin.models import MLP, save_model
from counterspin.types import Box

BOX = Box.uniform(0.0, 1.0, features=2)


def samples(count: int = 60):
    x = np.random.default_rng(0).random((count, 2))
    return x, (x[:, 0] > x[:, 1]).astype(int)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A directory with a saved model, samples to train on, samples without labels, and a black box."""
    monkeypatch.chdir(tmp_path)
    save_model(MLP(BOX, classes=2, hidden=(4,), generator=torch.Generator().manual_seed(0)), tmp_path / "mine")
    x, y = samples()
    np.savez(tmp_path / "train.npz", x=x, y=y)
    np.savez(tmp_path / "unlabelled.npz", x=x)
    (tmp_path / "box.py").write_text("def model(x):\n    return x[:, :2]\n")
    return tmp_path


@pytest.mark.slow
def test_json_and_models_that_can_be_audited_at_once(place, capsys) -> None:
    command = ["harden", "cancer-angle-classical", "--with", "fgsm-at,label-smoothing", "--quick", "--samples", "12"]
    command += ["--epochs", "2", "--no-zero", "--no-ablation", "--out", "run"]
    assert run([*command, "--json"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    record = json.loads(printed)
    assert record["reliable"] is True
    assert record["after"]["clean_accuracy"]["n"] == 12
    assert record["after"]["model"]["name"] == "run/model"
    assert record["left_out"] == {"defence zero": "Not asked for.", "ablation": "Not asked for."}
    assert run(["audit", "run/model", "--norm", "linf", "--eps", "0.05,0.1", "--quick", "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert [b["worst_case"] for b in again["budgets"]] == [b["worst_case"] for b in record["after"]["budgets"]]
    assert run(command) == 0
    out = capsys.readouterr().out
    assert out.startswith("cancer-angle-classical with fgsm-at + label-smoothing\n")
    assert "robust at ε = 0.05" in out
    assert "Adaptive check: passed" in out
    assert "Page: run/harden.html" in out
    assert run([*command[:3], "trades", *command[4:]]) == 2
    assert "run holds a run of another configuration" in capsys.readouterr().err


@pytest.mark.slow
def test_a_saved_model_is_fine_tuned_on_the_samples_given(place, capsys) -> None:
    command = ["harden", "mine", "--with", "fgsm-at", "--data", "train.npz", "--norm", "linf", "--eps", "0.05"]
    assert run([*command, "--quick", "--epochs", "2", "--out", "run", "--json"]) in (0, 1)
    record = json.loads(capsys.readouterr().out)
    assert record["training"]["start"] == "undefended weights"
    assert record["before"]["clean_accuracy"]["n"] == 18
    assert record["before"]["dataset"]["split"] == "held out"
    # Samples beside a saved model are those it is tested on.
    x, y = samples(10)
    np.savez(place / "mine" / "test.npz", x=x, y=y)
    assert run([*command, "--quick", "--epochs", "2", "--out", "other", "--json"]) in (0, 1)
    assert json.loads(capsys.readouterr().out)["before"]["clean_accuracy"]["n"] == 10


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["cancer-angle", "--with", "pgd-att"], 2, "there is no defence 'pgd-att'"),
        (["cancer-angle", "--with", "pgd-at,trades"], 2, "are both the objective itself"),
        (["cancer-angle", "--with", "fgsm-at", "--data", "train.npz"], 2, "--data goes with a saved model"),
        (["nothing", "--with", "fgsm-at"], 2, "there is no recipe 'nothing'"),
        (["cancer-angle", "--with", "fgsm-at", "--quick", "--tier", "paper"], 2, "--quick is short for --tier quick"),
        (["cancer-angle", "--with", "fgsm-at", "--samples", "0"], 2, "--samples is 0"),
        (["cancer-angle", "--with", "fgsm-at", "--epochs", "0"], 2, "epochs is 0"),
        (["cancer-angle", "--with", "fgsm-at", "--select", "best"], 2, "select is 'best'"),
        (["cancer-angle", "--with", "fgsm-at", "--tier", "best"], 2, "tier is 'best'"),
        (["cancer-angle", "--with", "fgsm-at", "--eps", "x"], 2, "--eps is 'x'"),
        (["cancer-angle", "--with", "fgsm-at", "--norm", "l9"], 2, "norm is 'l9'"),
        (["cancer-angle", "--with", "fgsm-at", "--bounds", "0", "1"], 2, "--bounds goes with a model of your own"),
        (["mine", "--with", "fgsm-at"], 2, "mine is no recipe; give the samples to train it on with --data"),
        (["mine", "--with", "fgsm-at", "--data", "train.npz"], 2, "--norm and --eps must be given here"),
        (["mine", "--with", "fgsm-at", "--data", "unlabelled.npz"], 3, "unlabelled.npz lacks y"),
        (
            "box.py:model --with fgsm-at --data train.npz --bounds 0 1 --norm linf --eps 0.1".split(),
            3,
            "no weights that counterspin can train",
        ),
    ],
)
def test_refusals(place, capsys, monkeypatch, arguments, code, sentence) -> None:
    monkeypatch.setattr(training, "fit", lambda *_, **__: pytest.fail("trained"))
    assert run(["harden", *arguments, "--out", "refused"]) == code
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1
    assert not (place / "refused").exists()


def test_a_recipe_goes_before_a_directory_of_its_name(place, capsys) -> None:
    save_model(MLP(BOX, classes=2, hidden=(4,)), place / "cancer-angle")
    assert "cancer-angle" in recipes.names()
    assert run(["harden", "./cancer-angle", "--with", "fgsm-at"]) == 2
    assert "./cancer-angle is no recipe" in capsys.readouterr().err
