"""`counterspin train`: refusals before anything is trained, and the model it leaves can be audited at once."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from counterspin import recipes
from counterspin.cli.app import run
from counterspin.recipes import registry
from counterspin.training import TrainingSettings


@pytest.fixture
def short(monkeypatch, tmp_path):
    """cancer-angle's twin trained for two epochs, in a temporary directory."""
    monkeypatch.chdir(tmp_path)
    name = "cancer-angle-classical"
    recipe = replace(recipes.get(name), settings=TrainingSettings(epochs=2, batch_size=64))
    monkeypatch.setitem(registry._RECIPES, name, recipe)
    return SimpleNamespace(name=name, directory=tmp_path)


@pytest.mark.slow
def test_the_printed_command_audits_the_trained_model(short, capsys) -> None:
    assert run(["train", short.name, "--seed", "1"]) == 0
    out = capsys.readouterr().out
    assert "saved in models/cancer-angle-classical-1" in out
    command = out.splitlines()[-1].split()
    assert command[:3] == ["counterspin", "audit", "models/cancer-angle-classical-1"]
    assert run([*command[1:], "--quick", "--samples", "20", "--out", "run", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["dataset"]["name"] == "models/cancer-angle-classical-1/test.npz"
    assert record["clean_accuracy"]["n"] == 20
    assert "malignant" in (short.directory / "run" / "report.html").read_text()


@pytest.mark.slow
def test_json(short, capsys) -> None:
    assert run(["train", short.name, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["samples"] == "models/cancer-angle-classical-0/test.npz"
    assert facts["logit_scale"] is None
    assert 0 <= facts["test_accuracy"] <= 1


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["nothing"], 2, "there is no recipe 'nothing'"),
        (["cancer-angle", "--engine", "jax"], 2, "engine is 'jax'; allowed: auto, compiled, torch."),
        (["cancer-angle-classical", "--engine", "torch"], 2, "runs no circuit"),
        (["cancer-angle", "--seed", "-1"], 2, "seed is -1"),
        (["cancer-angle", "--out", "file"], 2, "out is file, a file"),
        (["cancer-angle", "--out", "file/below"], 3, "out file/below cannot be made (Not a directory)"),
    ],
)
def test_refusals(short, capsys, monkeypatch, arguments, code, sentence) -> None:
    (short.directory / "file").write_text("")
    monkeypatch.setattr("counterspin.recipes.training.fit", lambda *_, **__: pytest.fail("trained"))
    assert run(["train", *arguments]) == code
    error = capsys.readouterr().err
    assert sentence in error
    assert len(error.strip().splitlines()) == 1
