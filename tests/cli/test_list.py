import json

import pytest
from installed import install

from counterspin import recipes
from counterspin.attacks.quantum import registry
from counterspin.cli.app import run
from counterspin.noise.devices import ibm, missing_packages


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
    attacks = {name: row for name, row in attacks.items() if row["where"] == "features"}
    assert attacks["exact"]["norms"] == ["l2"]
    assert attacks["exact"]["targeted"] is False
    row = attacks["apgd-ce"]
    keys = {"name", "description", "norms", "knowledge", "requires", "targeted", "config", "source"}
    assert set(row) == keys | {"where", "unit", "scope"}
    assert (row["knowledge"], row["requires"], row["targeted"]) == ("white", ["gradient"], True)
    assert row["source"] == "built-in"
    assert row["config"]["restarts"] == 10
    assert attacks["random"]["knowledge"] == "black"
    assert all(row["description"].endswith(".") and row["norms"] for row in attacks.values())


def test_attacks_on_one_part(capsys, monkeypatch) -> None:
    monkeypatch.setitem(registry._PACKAGES, "parameters", "part_attacks")
    registry.attacks_at.cache_clear()
    try:
        assert run(["list", "attacks", "--where", "parameters"]) == 0
        out = capsys.readouterr().out
        assert run(["list", "attacks", "--where", "parameters", "--json"]) == 0
        rows = json.loads(capsys.readouterr().out)
    finally:
        registry.attacks_at.cache_clear()
    lines = out.splitlines()
    assert lines[0] == f"{'shift':<30}  parameters; radians (linf); each sample; white"
    assert lines[1] == "    Moves all weights of each sample by the budget, up or down, whichever is worse."
    assert lines[2] == f"{'one-shift':<30}  parameters; radians (linf); all samples at once; white"
    assert [(row["name"], row["unit"], row["scope"], row["budgets"]) for row in rows] == [
        ("shift", "radians (linf)", "sample", [0.1, 0.5]),
        ("one-shift", "radians (linf)", "shared", [0.1, 0.5]),
        ("counted", "weights", "sample", [1.0]),
    ]
    assert run(["list", "attacks", "--where", "features", "--json"]) == 0
    assert {row["where"] for row in json.loads(capsys.readouterr().out)} == {"features"}
    assert run(["list", "attacks", "--where", "weights"]) == 2
    assert "--where is 'weights'; allowed: features, state, parameters" in capsys.readouterr().err
    assert run(["list", "recipes", "--where", "gates"]) == 2
    assert "--where goes with `list attacks`" in capsys.readouterr().err


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


DEVICE_KEYS = {
    "name", "vendor", "qubits", "date", "t1_median", "t2_median", "readout_error_median", "two_qubit_error_median",
    "usable", "note",
}  # fmt: skip


@pytest.mark.skipif(bool(missing_packages()), reason="the devices extra is not installed")
def test_devices(capsys, monkeypatch) -> None:
    files = ibm.devices() or {}
    monkeypatch.setattr(ibm, "devices", lambda: {name: files[name] for name in ("armonk", "fez", "kyoto")})
    assert run(["list", "devices", "--json"]) == 0
    output = capsys.readouterr()
    document = json.loads(output.out)
    assert list(document) == ["devices"]
    rows = {row["name"]: row for row in document["devices"]}
    assert all(set(row) == DEVICE_KEYS for row in rows.values())
    assert (rows["ibm:fez"]["qubits"], rows["ibm:fez"]["date"]) == (156, "2025-02-26")
    assert output.err == ""
    assert run(["list", "devices"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == "device qubits date T1 µs T2 µs readout error % two-qubit error %".split()
    fez = next(line for line in lines if line.startswith("ibm:fez "))
    assert fez.split() == ["ibm:fez", "156", "2025-02-26", "144.9", "88.0", "0.76", "0.38"]
    assert next(line for line in lines if line.startswith("ibm:armonk ")).split()[-1] == "-"
    kyoto = lines.index(next(line for line in lines if line.startswith("ibm:kyoto ")))
    assert lines[kyoto + 1].startswith("    not usable: No pair of qubits works")
    assert len({len(line) for line in lines if line.startswith(("ibm:", "google:"))}) == 1


def test_devices_without_their_packages(capsys, monkeypatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda module: None)
    assert run(["list", "devices", "--json"]) == 0
    output = capsys.readouterr()
    assert json.loads(output.out) == {"devices": []}
    assert output.err == (
        "counterspin: qiskit-ibm-runtime and cirq-google, which carry calibrations, are not installed; "
        "run: pip install counterspin[devices]\n"
    )


@pytest.mark.parametrize("arguments", [["people"], ["recipes", "more"]])
def test_anything_else(capsys, arguments) -> None:
    assert run(["list", *arguments]) == 2
    assert arguments[-1] in capsys.readouterr().err


def test_defenses(capsys) -> None:
    assert run(["list", "defenses", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert {"pgd-at", "trades", "label-smoothing", "noise"} <= rows.keys()
    assert set(rows["pgd-at"]) == {"name", "description", "options", "argument", "usage"}
    assert "steps" in rows["pgd-at"]["options"]
    assert rows["noise"]["argument"] == "sources"
    assert rows["noise"]["usage"].startswith("--with noise:<sources>")
    assert run(["list", "defenses"]) == 0
    out = capsys.readouterr().out
    assert "--with pgd-at:[eps=…" in out
    assert "        steps: gradient steps per batch" in out
