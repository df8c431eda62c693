"""`counterspin attack`: what is printed and stored, refusals in one sentence, resumption, and contradictions."""

import json

import jsonschema
import pytest
import torch
from part_attacks import shifted_qubit

from counterspin.attacks.quantum import registry
from counterspin.cli.app import run
from counterspin.evaluation.parts.matched import Certified
from counterspin.evaluation.schema import attack_schema

MODEL = """
import torch
from part_attacks import shifted_qubit
model = shifted_qubit()
x = torch.tensor([[0.2], [1.3], [1.5], [2.9], [1.8], [1.4]], dtype=torch.float64)
y = torch.tensor([0, 0, 0, 1, 1, 1])
"""


@pytest.fixture(autouse=True)
def toy(monkeypatch, tmp_path):
    """Attacks on parameters are those of `part_attacks`; a model with its samples is in a file."""
    monkeypatch.setitem(registry._PACKAGES, "parameters", "part_attacks")
    registry.attacks_at.cache_clear()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "toy.py").write_text(MODEL)
    yield tmp_path
    registry.attacks_at.cache_clear()


def certified(holds):
    """A stand-in for the matched certificates: `holds` of distances to the boundary and budgets."""

    def of(attack, model, x, y, budgets):
        if attack.unit != "radians (linf)":
            return None
        distance = (x[:, 0] - torch.pi / 2).abs()
        table = torch.stack([holds(distance, budget) for budget in budgets])
        return Certified(holds=table, method="distance to the boundary (exact)", exact=True)

    return of


TOY = ["attack", "toy.py:model", "--where", "parameters"]


def attacked(capsys, *arguments, code=0):
    assert run([*TOY, *arguments, "--json"]) == code
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    record = json.loads(printed)
    jsonschema.validate(record, attack_schema())
    return record


def test_rows_by_unit_and_scope(toy, capsys, monkeypatch) -> None:
    monkeypatch.setattr("counterspin.evaluation.parts.run.matched", certified(lambda d, budget: d > budget))
    record = attacked(capsys, "--out", "run")
    assert record["clean_accuracy"]["value"] == pytest.approx(5 / 6)  # the last sample lies on the wrong side
    rows = {(row["unit"], row["scope"], row["budget"]): row for row in record["budgets"]}
    assert list(rows) == [
        ("radians (linf)", "sample", 0.1),
        ("radians (linf)", "sample", 0.5),
        ("radians (linf)", "shared", 0.1),
        ("radians (linf)", "shared", 0.5),
        ("weights", "sample", 1.0),
    ]
    # Distances to pi / 2: 1.37, 0.27, 0.07, 1.33, 0.23. Each sample moves the worse way, all together only one.
    left = {key: round(6 * row["accuracy"]["value"]) for key, row in rows.items()}
    assert list(left.values()) == [4, 2, 4, 3, 0]
    assert [round(6 * rows[key]["certified"]["value"]) for key in list(rows)[:2]] == [4, 2]
    assert rows["weights", "sample", 1.0]["certified"] is None
    found = rows["radians (linf)", "sample", 0.5]["attacks"][0]
    assert (found["attack"], found["success"]["n"], found["spent"]) == ("shift", 5, 0.5)
    assert found["evidence"] == {"moved up": 3, "weights": [0], "gap": None}
    assert found["taxonomy"]["nistaml"] == ["NISTAML.026"]
    assert found["cost"]["circuits"] == 12
    assert record["taxonomy"]["stage"] == "deployment: the weights that are stored or calibrated"
    assert record["threat"]["scopes"] == ["sample", "shared"]
    assert (toy / "run" / "attack.html").is_file()
    assert json.loads((toy / "run" / "attack.json").read_text()) == record


def test_text(toy, capsys) -> None:
    assert run([*TOY, "--method", "shift", "--budgets", "0.1rad,0.5rad", "--out", "run"]) == 0
    out = capsys.readouterr().out
    assert "toy.py:model · attacks on gate parameters" in out
    assert "clean accuracy 83.3 % on 6 samples" in out
    assert "radians (linf), a manipulation for each sample" in out
    assert "66.7 %" in out
    assert "Page: run/attack.html" in out


def test_a_contradiction_is_exit_code_1_and_names_attack_and_sample(toy, capsys, monkeypatch) -> None:
    monkeypatch.setattr("counterspin.evaluation.parts.run.matched", certified(lambda d, budget: d > 0))
    record = attacked(capsys, "--method", "shift", "--budgets", "0.1", "--out", "run", code=1)
    assert record["contradictions"] == [
        {"attack": "shift", "method": "distance to the boundary (exact)", "sample": 2, "budget": 0.1,
         "unit": "radians (linf)"}
    ]  # fmt: skip
    assert run([*TOY, "--method", "shift", "--budgets", "0.1", "--out", "run"]) == 1
    assert capsys.readouterr().err == (
        "counterspin: shift breaks sample 2 at 0.1 radians (linf), which is proved by: distance to the boundary "
        "(exact); one of the two is wrong.\n"
    )
    assert "UNRELIABLE" in (toy / "run" / "attack.html").read_text()


def test_the_same_command_resumes_after_the_attack_that_was_finished(toy, capsys, monkeypatch) -> None:
    from part_attacks import OneShift, Shift

    ran = []
    whole = Shift._run
    monkeypatch.setattr(Shift, "_run", lambda self, *rest: (ran.append(self.name), whole(self, *rest))[1])
    monkeypatch.setattr(OneShift, "_run", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    command = [*TOY, "--method", "shift,one-shift", "--budgets", "0.1", "--out", "run", "--json"]
    assert run(command) == 130
    assert ran == ["shift"]
    monkeypatch.undo()
    monkeypatch.setitem(registry._PACKAGES, "parameters", "part_attacks")
    monkeypatch.chdir(toy)
    monkeypatch.setattr(Shift, "_run", lambda self, *rest: pytest.fail("ran again"))
    capsys.readouterr()
    assert run(command) == 0
    first = capsys.readouterr().out
    assert [row["scope"] for row in json.loads(first)["budgets"]] == ["sample", "shared"]
    assert run(command) == 0
    assert capsys.readouterr().out == first


def test_a_target_and_its_options_change_the_goal(toy, capsys) -> None:
    record = attacked(capsys, "--target", "1", "--method", "shift:side=up", "--budgets", "0.5rad", "--out", "run")
    row = record["budgets"][0]
    assert row["attacks"][0]["attack"] == "shift:side=up"
    assert row["attacks"][0]["success"] == {**row["attacks"][0]["success"], "n": 3, "value": pytest.approx(2 / 3)}
    assert record["taxonomy"]["goal"] == "a wrong class, towards class 1"
    assert record["threat"]["target"] == 1


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ([], 2, "Missing option '--where'"),
        (["--where", "gate"], 2, "--where is 'gate'; allowed: features, state, parameters"),
        (["--where", "parameters", "--method", "shfit"], 2, "there is no attack 'shfit' on parameters; attacks: shift"),
        (["--where", "parameters", "--method", "shfit"], 2, "Did you mean shift?"),
        (["--where", "parameters", "--method", "shift:trie=3"], 2, "Did you mean tries?"),
        (["--where", "parameters", "--method", "shift:tries=x"], 2, "tries is 'x'; give a whole number"),
        (["--where", "parameters", "--method", "shift:side=down"], 2, "side is 'down'; allowed: both, up"),
        (["--where", "parameters", "--method", "shift,shift"], 2, "attack 'shift' is given twice"),
        (["--where", "parameters", "--budgets", "0.1"], 2, "budget 0.1 has no unit, and the attacks here have several"),
        (["--where", "parameters", "--budgets", "0.1gates"], 2, "budget 0.1gates is in no unit of the attacks here"),
        (["--where", "parameters", "--budgets", "much"], 2, "budget 'much' is no number"),
        (["--where", "parameters", "--budgets", ""], 2, "budget '' is no number"),
        (["--where", "parameters", "--budgets", "0.5weights"], 2, "budgets of counted are 0.5; give whole numbers"),
        (["--where", "parameters", "--budgets", "-1rad"], 2, "budgets of shift are -1; give positive numbers"),
        (["--where", "parameters", "--target", "2"], 2, "target is 2; the model has 2 classes"),
        (["--where", "parameters", "--samples", "0"], 2, "--samples is 0"),
        (["--where", "parameters", "--norm", "l2"], 2, "--norm goes with --where features or transfer"),
        (["--where", "parameters", "--box", "none"], 2, "--box goes with --where features or transfer"),
        (["--where", "features"], 2, "--norm and --eps must be given here"),
        (["--where", "features", "--eps", "0.1", "--budgets", "0.1"], 2, "they are the same here, give one"),
        (["--where", "features", "--norm", "l2", "--eps", "0.1", "--method", "pdg"], 2, "no attack 'pdg' on features"),
        (["--where", "parameters", "--samples", "3", "--target", "0"], 3, "every sample is of the target class 0"),
    ],
)
def test_refusals(toy, capsys, arguments, code, sentence) -> None:
    assert run(["attack", "toy.py:model", *arguments, "--out", "refused"]) == code
    error = capsys.readouterr().err
    assert sentence in error
    assert not (toy / "refused").exists()


def test_a_model_none_of_the_attacks_serves(toy, capsys) -> None:
    code = "import torch\nx, y = torch.rand(4, 2).double(), torch.tensor([0, 1, 0, 1])\n"
    (toy / "plain.py").write_text(code + "def model(x):\n    return x[:, :2]\n")
    command = ["attack", "plain.py:model", "--where", "parameters", "--bounds", "0", "1", "--out", "refused"]
    assert run(command) in (2, 3)
    error = capsys.readouterr().err
    assert "has no circuit; attack shift moves weights" in error
    assert error.count("\n") == 1
    assert not (toy / "refused").exists()


@pytest.mark.slow
def test_features_take_the_same_verb(toy, capsys) -> None:
    command = ["attack", "toy.py:model", "--where", "features", "--norm", "linf", "--budgets", "0.1feature"]
    assert run([*command, "--method", "pgd,random", "--out", "run", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    jsonschema.validate(record, attack_schema())
    (row,) = record["budgets"]
    assert (row["unit"], row["scope"]) == ("feature units (linf)", "sample")
    assert [found["attack"] for found in row["attacks"]] == ["pgd", "random"]
    # The circuit moves by the feature itself: a distance of 0.07 is broken, all others are proved.
    assert round(6 * row["accuracy"]["value"]) == round(6 * row["certified"]["value"]) == 4
    assert record["threat"]["norm"] == "linf"
    assert run([*command[:-1], "0.1rad", "--out", "other"]) == 2
    assert "budget 0.1rad is in another unit; budgets here are in feature units (linf)" in capsys.readouterr().err


def test_a_shifted_qubit_is_what_the_tests_say() -> None:
    model = shifted_qubit()
    x = torch.tensor([[0.0], [torch.pi / 3]], dtype=torch.float64)
    assert model(x)[:, 0].tolist() == pytest.approx([1.0, 0.75])
