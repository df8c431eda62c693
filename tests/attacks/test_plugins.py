import sys

import pytest
import torch
from installed import install

from counterspin.attacks import plugins
from counterspin.errors import UsageError
from counterspin.threats import Linf

SOURCE = '''
from dataclasses import dataclass
from counterspin.attacks import Attack


@dataclass(frozen=True, kw_only=True)
class Nudge(Attack):
    """Moves every feature up by the whole budget."""

    norms = ("linf",)
    knowledge = "decision"

    def _run(self, oracle, start, ball, generator):
        oracle.scores(ball.project(ball.center + ball.radius))


INSTANCE = Nudge(restarts=2)


def make():
    return Nudge()


def fails():
    raise RuntimeError("no licence")


NUMBER = 3
'''


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """One entry point at a time, in a module that is imported anew."""

    def put(target: str, name: str = "nudge") -> plugins.Plugin:
        monkeypatch.delitem(sys.modules, "nudging", raising=False)
        install(monkeypatch, tmp_path, "nudge-pack", {plugins.GROUP: {name: f"nudging:{target}"}}, nudging=SOURCE)
        return plugins.registered()[name]

    return put


@pytest.mark.parametrize(("target", "restarts"), [("Nudge", 1), ("INSTANCE", 2), ("make", 1)])
def test_a_class_an_instance_or_a_function_attacks_like_any_other(installed, linear, target, restarts):
    attack = plugins.attack_of(installed(target), taken=("fgsm", "pgd"))
    assert attack.restarts == restarts
    model = linear([-1.0, -1.0])
    x = torch.tensor([[-0.05, -0.05], [-1.0, -1.0]], dtype=torch.float64)
    result = attack(model, x, model.labels(x), Linf(0.1))
    assert result.success.tolist() == [[True, False]]
    assert result.config["name"] == "nudge"


@pytest.mark.parametrize(
    ("target", "name", "reason"),
    [
        ("fails", "nudge", "calling it raised RuntimeError: no licence"),
        ("NUMBER", "nudge", "it is a int, not a counterspin"),
        ("Nudge", "shove", "the attack calls itself 'nudge'"),
        ("Gone", "nudge", "AttributeError"),
    ],
)
def test_what_is_no_attack_is_one_sentence(installed, target, name, reason):
    with pytest.raises(UsageError, match=rf"nudge-pack 1\.0 registers '{name}' in counterspin\.attacks .*{reason}"):
        plugins.attack_of(installed(target, name))


def test_a_built_in_attack_cannot_be_hidden(installed):
    with pytest.raises(UsageError, match="a built-in attack has this name"):
        plugins.attack_of(installed("Nudge"), taken=("nudge",))
