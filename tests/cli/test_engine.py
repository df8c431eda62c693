"""`--engine` from the command line, and the one line that says that the compiled engine is missing."""

import json
import subprocess
import sys

import pytest
from compiled_engine import ENGINES

from counterspin import recipes
from counterspin.cli.app import run
from counterspin.simulation import engine_name

SHORT = ["audit", "cancer-angle", "--quick", "--eps", "0.1", "--samples", "4", "--json"]

# The library cannot be hidden from a process any other way.
MISSING = """
import sys
from counterspin.simulation.kernels import library

def missing():
    raise FileNotFoundError("it was not built")

library.load_library = missing
"""


@pytest.mark.slow
@pytest.mark.usefixtures("without_page")
def test_both_engines_find_the_same(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    records = {}
    for engine in ENGINES:
        assert run([*SHORT, "--engine", engine]) in (0, 1)
        records[engine] = json.loads(capsys.readouterr().out)
        assert records[engine]["engine"]["asked"] == engine
    first, *others = (record["clean_accuracy"] for record in records.values())
    assert all(other == first for other in others)
    assert len({record["run"] for record in records.values()}) == len(ENGINES)


def test_the_compiled_engine_of_a_folded_model(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("counterspin.models.engine.engine_name", lambda: "torch")
    assert run(["audit", "digits-amplitude", "--engine", "compiled"]) == 2
    assert "it is not installed here" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def without_library(code: str, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", MISSING + code]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


@pytest.mark.slow
def test_an_audit_says_once_that_the_compiled_engine_is_missing(tmp_path) -> None:
    result = without_library(f"from counterspin.cli.app import run\nrun({SHORT!r})", cwd=tmp_path)
    assert json.loads(result.stdout)["engine"] == {"asked": "auto", "ran": "torch"}
    (line,) = result.stderr.splitlines()
    assert line == (
        "counterspin: the compiled engine is missing (it was not built); the torch engine serves, more slowly."
    )


@pytest.mark.slow
def test_python_says_it_once() -> None:
    code = "from counterspin import recipes\nm = recipes.get('cancer-angle').model()\n"
    code += "import torch\nfor _ in range(3): m(torch.zeros(1, 4))\nimport logging\n"
    code += "assert logging.getLogger('counterspin').handlers == []\nprint(m.runs_on())"
    result = without_library(code)
    assert result.stdout == "torch\n"
    assert len(result.stderr.splitlines()) == 1
    # Asked for the torch engine, nobody misses the other one.
    assert without_library(code.replace("for _", "m.engine = 'torch'\nfor _")).stderr == ""


def test_the_recipes_models_ask_for_nothing() -> None:
    assert recipes.get("cancer-angle").model().runs_on() == engine_name()
