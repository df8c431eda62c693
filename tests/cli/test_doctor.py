import json

import torch

from counterspin.cli.app import run


def test_a_sound_installation(capsys) -> None:
    assert run(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "correct" in out
    assert torch.__version__ in out
    assert run(["doctor", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["engine"]["correct"] is True
    assert set(facts["extras"]) == {"data"}


def test_an_engine_that_is_wrong(capsys, monkeypatch) -> None:
    monkeypatch.setattr("counterspin.simulation.run", lambda _, x, *__: torch.cos(x) + 1e-6)
    monkeypatch.setattr("counterspin.cli.doctor.find_spec", lambda _: None)
    assert run(["doctor"]) == 3
    out = capsys.readouterr().out
    assert "WRONG by 1.0e-06: reinstall torch" in out
    assert "pip install 'counterspin[data]'" in out
    assert run(["doctor", "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["engine"]["correct"] is False
