"""What every built-in defence keeps of the contract."""

import json

import pytest
from linear_training import linear_model

from counterspin.attacks.losses import CrossEntropy
from counterspin.defenses.training.base import Entry, TrainingDefense, as_json, check_differentiable
from counterspin.defenses.training.registry import entries
from counterspin.defenses.training.schedule import EpsilonSchedule
from counterspin.errors import CapabilityError
from counterspin.threats import Linf
from counterspin.types import Box

THREAT = Linf(0.05, 0.1, 0.15)

OWN = (
    "pgd-at fgsm-at mixed-at trades awp input-gradient worst-case cvar group-worst smoothing label-smoothing mixup"
).split()


@pytest.mark.parametrize("name", OWN)
def test_each_defence_keeps_the_contract(name: str) -> None:
    entry = entries()[name]
    defense = entry.build({}, THREAT)
    assert isinstance(defense, TrainingDefense)
    assert (defense.name, entry.name) == (name, name)
    defense.check(linear_model(box=Box.uniform(0.0, 1.0, features=6)), THREAT)
    record = defense.to_json()
    assert record["name"] == name
    assert json.loads(json.dumps(record)) == record
    # Equal configurations have equal reprs: a checkpoint is resumed by them.
    assert repr(defense) == repr(entry.build({}, THREAT))
    assert "0x" not in repr(defense)


@pytest.mark.parametrize("name", ["pgd-at", "fgsm-at", "mixed-at", "trades", "input-gradient", "worst-case"])
def test_the_training_budget_is_the_middle_of_the_grid_and_stated(name: str) -> None:
    record = entries()[name].build({}, THREAT).to_json()
    assert record["schedule"] == {"name": "EpsilonSchedule", "final": 0.1, "warmup": 0.2, "start": 0.0}
    assert record["threat"]["norm"] == "linf"


def test_json_of_nested_values() -> None:
    assert as_json((EpsilonSchedule(final=0.1), CrossEntropy(), None, 2)) == [
        {"name": "EpsilonSchedule", "final": 0.1, "warmup": 0.2, "start": 0.0},
        {"name": "ce", "temperature": 0.1},
        None,
        2,
    ]


def test_an_entry_as_json() -> None:
    entry = Entry("x", "does x", lambda *_: entries()["awp"].build({}, THREAT), {"a": "how much"}, "a")
    assert entry.to_json() == {"name": "x", "summary": "does x", "options": {"a": "how much"}, "argument": "a"}


def test_a_model_without_gradient() -> None:
    model = linear_model()
    check_differentiable("x", model)
    model.differentiable = False
    with pytest.raises(CapabilityError, match="x follows the gradient with respect to the input"):
        check_differentiable("x", model)
