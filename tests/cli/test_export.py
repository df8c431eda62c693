import json
from pathlib import Path

import pytest
import typer
from stored_runs import write_run

from counterspin.cli.export import export_adversarials
from counterspin.errors import UsageError


def run(*arguments: object) -> int:
    app = typer.Typer()
    app.command()(export_adversarials)
    code = app([str(argument) for argument in arguments], standalone_mode=False)
    return code if isinstance(code, int) else 0


def test_says_what_was_broken_and_how_to_load_it(tmp_path: Path, capsys) -> None:
    write_run(tmp_path / "run", broken={"pgd": (4, 8)})
    assert run(tmp_path / "run", "--out", tmp_path / "set") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [
        "ε = 0.1: 4 of 18 correctly classified samples broken (worst)",
        "ε = 0.2: 8 of 18 correctly classified samples broken (worst)",
    ]
    assert f"load_adversarials({str(tmp_path / 'set')!r})" in lines[2]


def test_json_is_the_card(tmp_path: Path, capsys) -> None:
    write_run(tmp_path / "run", broken={"pgd": (4, 8)})
    assert run(tmp_path / "run", "--out", tmp_path / "set", "--attack", "pgd", "--eps", 0.2, "--json") == 0
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / "set" / "card.json").read_text())


def test_an_unreliable_run_ends_with_code_one(tmp_path: Path, capsys) -> None:
    write_run(tmp_path / "run", failed=("S05",))
    assert run(tmp_path / "run", "--out", tmp_path / "set") == 1
    assert "may have missed" in capsys.readouterr().err


def test_an_unknown_attack_is_a_usage_error(tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    with pytest.raises(UsageError, match="attack is 'cw'"):
        run(tmp_path / "run", "--out", tmp_path / "set", "--attack", "cw")
