import json

import torch

from counterspin.cli.app import run

ENGINE = {
    "name": "compiled",
    "variant": "v3",
    "threads": 2,
    "correct": True,
    "error": 1e-16,
    "why": "because",
    "advice": None,
}


def test_a_sound_installation(capsys) -> None:
    assert run(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "correct" in out
    assert torch.__version__ in out
    assert run(["doctor", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["engine"]["correct"] is True
    assert set(facts["extras"]) == {"data"}


def test_engine_and_reason(capsys, monkeypatch) -> None:
    monkeypatch.setattr("counterspin.cli.engine_check.engine_facts", lambda: ENGINE)
    assert run(["doctor"]) == 0
    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert ["engine", "compiled (v3), 2 threads, correct"] in lines
    assert ["because"] in lines


def test_an_engine_that_is_wrong(capsys, monkeypatch) -> None:
    wrong = {**ENGINE, "name": "torch", "variant": None, "correct": False, "error": 1e-6, "advice": "reinstall torch"}
    monkeypatch.setattr("counterspin.cli.engine_check.engine_facts", lambda: wrong)
    monkeypatch.setattr("counterspin.cli.doctor.find_spec", lambda _: None)
    assert run(["doctor"]) == 3
    out = capsys.readouterr().out
    assert "torch, 2 threads, WRONG by 1.0e-06: reinstall torch" in out
    assert "pip install 'counterspin[data]'" in out
    assert run(["doctor", "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["engine"]["correct"] is False
