import json

import pytest
from installed import install

from counterspin import recipes
from counterspin.cli.app import run


def test_recipes(capsys) -> None:
    assert run(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("digits-amplitude ")
    assert lines[0].endswith("clean accuracy 96.6 % (bar 95 %), l2 0.05, 0.1, 0.15 ‖x‖")
    assert len(lines) == 2 * len(recipes.names())
    assert max(len(line) for line in lines[::2]) <= 100
    assert run(["list", "recipes", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["digits-hybrid"]["bar"] is None
    assert len(rows["digits-hybrid"]["test_accuracies"]) == 3


def test_attacks(capsys) -> None:
    assert run(["list", "attacks"]) == 0
    out = capsys.readouterr().out
    assert "l2; white; needs effective_observables" in out
    assert "black; needs scores only" in out
    assert run(["list", "attacks", "--json"]) == 0
    attacks = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert attacks["exact"]["norms"] == ["l2"]
    assert attacks["exact"]["targeted"] is False
    row = attacks["apgd-ce"]
    assert set(row) == {"name", "description", "norms", "knowledge", "requires", "targeted", "config", "source"}
    assert (row["knowledge"], row["requires"], row["targeted"]) == ("white", ["gradient"], True)
    assert row["source"] == "built-in"
    assert row["config"]["restarts"] == 10
    assert attacks["random"]["knowledge"] == "black"
    assert all(row["description"].endswith(".") and row["norms"] for row in attacks.values())


def test_attacks_of_other_distributions_are_listed_and_broken_ones_named(capsys, tmp_path, monkeypatch) -> None:
    source = """
from counterspin.attacks import Attack
class Nothing(Attack):
    '''Asks for nothing.'''
    name = "nothing"
    knowledge = "decision"
    def _run(self, oracle, start, ball, generator): ...
"""
    points = {"counterspin.attacks": {"nothing": "listed_attacks:Nothing", "gone": "no_such_module:X"}}
    install(monkeypatch, tmp_path, "listed-pack", points, listed_attacks=source)
    assert run(["list", "attacks", "--json"]) == 0
    output = capsys.readouterr()
    rows = {row["name"]: row for row in json.loads(output.out)}
    assert rows["nothing"]["source"] == "listed-pack 1.0"
    assert rows["nothing"]["knowledge"] == "decision"
    assert output.err.startswith("counterspin: listed-pack 1.0 registers 'gone' in counterspin.attacks as no_such")
    assert output.err.count("\n") == 1
    assert run(["list", "attacks"]) == 0
    assert "decision; needs labels only; from listed-pack 1.0" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["people"], ["recipes", "more"]])
def test_anything_else(capsys, arguments) -> None:
    assert run(["list", *arguments]) == 2
    assert arguments[-1] in capsys.readouterr().err
