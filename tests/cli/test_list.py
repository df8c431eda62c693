import json

import pytest

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
    assert "l2; needs effective_observables" in out
    assert "linf, l2; needs scores only" in out
    assert run(["list", "attacks", "--json"]) == 0
    attacks = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert attacks["exact"]["norms"] == ["l2"]
    assert "gradient" in attacks["pgd"]["requires"]


@pytest.mark.parametrize("arguments", [["people"], ["recipes", "more"]])
def test_anything_else(capsys, arguments) -> None:
    assert run(["list", *arguments]) == 2
    assert arguments[-1] in capsys.readouterr().err
