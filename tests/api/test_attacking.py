"""`cs.attack`: what is refused before any compute, objects and names as methods, where runs live and end."""

import gc
from dataclasses import replace

import pytest
import torch
from part_attacks import CountedWeights, OneShift, Shift, shifted_qubit

from counterspin import recipes
from counterspin.api import attack
from counterspin.attacks.quantum import registry
from counterspin.errors import CapabilityError, ConditionsError, InputError, UsageError
from counterspin.models import MLP
from counterspin.threats import Linf
from counterspin.types import Box

X = torch.tensor([[0.2], [1.3], [1.5], [2.9]], dtype=torch.float64)
Y = torch.tensor([0, 0, 0, 1])


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    """Attacks on parameters are those of `part_attacks`."""
    monkeypatch.setitem(registry._PACKAGES, "parameters", "part_attacks")
    registry.attacks_at.cache_clear()
    yield
    registry.attacks_at.cache_clear()


def attacked(**options):
    return attack(shifted_qubit(), X, Y, **({"where": "parameters"} | options))


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"where": "weights"}, UsageError, "where is 'weights'; allowed: features, state"),
        ({"seed": -1}, UsageError, "seed is -1"),
        ({"threat": Linf(0.1)}, UsageError, "threat goes with where='features' or 'transfer'"),
        ({"where": "features"}, UsageError, "threat is missing"),
        (
            {"where": "features", "threat": Linf(0.1), "methods": (Shift(),)},
            UsageError,
            "give names of attacks on feat",
        ),
        ({"methods": ()}, UsageError, "methods holds none; give attacks on parameters"),
        ({"where": "state", "methods": (Shift(),)}, UsageError, "methods holds Shift; give attacks on state"),
        ({"methods": (Shift(), Shift(target=1))}, UsageError, "attack 'shift' is given twice"),
        ({"target": 2}, UsageError, "target is 2; the model has 2 classes, 0 to 1"),
        ({"budgets": []}, UsageError, "budgets is empty"),
        ({"methods": "shift", "budgets": [0.1, -0.2]}, UsageError, "budgets of shift are -0.2, 0.1; give positive"),
    ],
)
def test_refusals(tmp_path, monkeypatch, options, error, sentence) -> None:
    monkeypatch.setattr(Shift, "_run", lambda *_: pytest.fail("attacked"))
    with pytest.raises(error, match=sentence):
        attacked(out=tmp_path / "refused", **options)
    assert not (tmp_path / "refused").exists()


def test_a_chosen_attack_has_to_serve(tmp_path) -> None:
    plain = MLP(Box.uniform(0.0, torch.pi, 1), classes=2, hidden=(2,))
    for methods in ("shift", None):
        with pytest.raises(ConditionsError, match="has no circuit; attack shift moves weights"):
            attack(plain, X, Y, where="parameters", methods=methods, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_others_are_left_out_with_their_reason(monkeypatch) -> None:
    def refuse(self, model):
        raise CapabilityError("it counts nothing here.")

    monkeypatch.setattr(CountedWeights, "check", refuse)
    report = attacked()
    assert report.record.left_out == {"counted": "it counts nothing here."}
    assert {row.unit for row in report.record.budgets} == {"radians (linf)"}


def test_defaults_too_large_for_a_small_circuit_are_no_error(monkeypatch) -> None:
    def too_many(self, situation, budget, before):
        raise UsageError("the circuit has 1 weight.")

    monkeypatch.setattr(CountedWeights, "_run", too_many)
    assert attacked().record.left_out == {"counted": "the circuit has 1 weight."}
    with pytest.raises(UsageError, match="the circuit has 1 weight"):
        attacked(budgets=["2weights"])


def test_objects_and_names_are_the_same_run(tmp_path) -> None:
    by_name = attacked(methods="shift:side=up,one-shift", budgets=["0.1rad", 0.5], out=tmp_path / "run")
    objects = (Shift(side="up"), OneShift())
    by_object = attacked(methods=objects, budgets=[0.1, 0.5], out=tmp_path / "run")
    assert by_object.record == by_name.record
    assert by_name.record.budgets[0].attacks[0].config == {
        "name": "shift", "target": None, "tries": 1, "side": "up"
    }  # fmt: skip
    with pytest.raises(UsageError, match="holds a run of another configuration"):
        attacked(methods=objects, budgets=[0.1], out=tmp_path / "run")


def test_a_run_without_a_place_lives_as_long_as_its_report() -> None:
    report = attacked(methods="shift")
    directory = report.directory
    assert report.html.is_file()
    assert report.reliable
    del report
    gc.collect()
    assert not directory.exists()


def test_a_target_reaches_the_attacks() -> None:
    report = attacked(methods="shift", budgets=[0.5], target=1)
    assert report.record.budgets[0].attacks[0].success.n == 3
    assert replace(Shift(), target=1).config["target"] == report.record.threat["target"]
    with pytest.raises(InputError, match="every sample is of the target class 0"):
        attack(shifted_qubit(), X[:3], Y[:3], where="parameters", target=0)


@pytest.mark.slow
@pytest.mark.parametrize("where", ["state", "measurement"])
def test_a_real_part_of_a_real_recipe(where) -> None:
    recipe = recipes.get("cancer-angle")
    test = recipe.dataset().test
    report = attack(recipe.model(), test.x[:12], test.y[:12], where=where)
    assert report.reliable
    clean = report.record.clean_accuracy.value
    for row in report.record.budgets:
        assert row.accuracy.value <= clean
        assert row.certified is None or row.certified.value <= row.accuracy.value
    broken = [row.attacks[0] for row in report.record.budgets if row.accuracy.value < clean]
    assert broken
