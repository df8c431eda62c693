"""Lists of defences as users type them."""

import pytest
from linear_training import linear_model

from counterspin.defenses.training.mixed import MixedTraining
from counterspin.defenses.training.options import count, real, word
from counterspin.defenses.training.pgd import PGDTraining
from counterspin.defenses.training.registry import by_name, entries, names, parse
from counterspin.defenses.training.trades import TRADES
from counterspin.errors import UsageError
from counterspin.threats import L2, Linf
from counterspin.types import Box

THREAT = Linf(0.05, 0.1, 0.15)


def test_options_reach_the_defence() -> None:
    defense = by_name("pgd-at:eps=0.07,steps=5,step=0.5,loss=margin,clean=0.25,warmup=0.5", THREAT)
    assert isinstance(defense, PGDTraining)
    assert (defense.schedule.final, defense.schedule.warmup) == (0.07, 0.5)
    assert (defense.steps, defense.step_size, defense.clean_share) == (5, 0.5, 0.25)
    assert defense.ascended.name == "margin"


def test_lists() -> None:
    first, second, third = parse("trades:eps=0.07, beta=3,cvar:0.25, awp:gamma=0.02", THREAT)
    assert isinstance(first, TRADES)
    assert (first.schedule.final, first.beta) == (0.07, 3.0)
    assert (second.name, second.to_json()["share"], third.to_json()["gamma"]) == ("cvar", 0.25, 0.02)
    assert [defense.name for defense in parse("pgd-at", THREAT)] == ["pgd-at"]


def test_several_norms() -> None:
    defense = by_name("mixed-at:attacks=pgd-ce+fgsm,also=l2:0.5+l1:2", THREAT)
    assert isinstance(defense, MixedTraining)
    assert defense.attacks == ("pgd-ce", "fgsm")
    assert [(other.norm, other.eps) for other in defense.others] == [("l2", (0.5,)), ("l1", (2.0,))]
    with pytest.raises(UsageError, match="also is 'l2'"):
        by_name("mixed-at:also=l2", THREAT)
    with pytest.raises(UsageError, match="norm is 'l3'"):
        by_name("mixed-at:also=l3:0.1", THREAT)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "there is no defence ''; defences: pgd-at, "),
        ("pdg-at", r"there is no defence 'pdg-at'.*Did you mean pgd-at\?"),
        ("pgd-at,trade", r"there is no defence 'trade'.*Did you mean trades\?"),
        ("pgd-at:eps=0.1,trade", r"pgd-at has no option 'trade'; options: eps, .*Did you mean trades\?"),
        ("pgd-at:epsilon=0.1", "pgd-at has no option 'epsilon=0.1'; options: eps, warmup, steps"),
        ("pgd-at:eps=0.1,eps=0.2", "pgd-at: eps is given twice"),
        ("pgd-at:eps=a", "eps is 'a'; give a number"),
        ("pgd-at:steps=2.5", "steps is '2.5'; give a whole number"),
        ("pgd-at:loss=kl", "loss is 'kl'; allowed: ce, margin"),
        ("pgd-at:eps=0", "eps is 0.0"),
        ("pgd-at:eps=nan", "eps is nan"),
        ("cvar:much", "share is 'much'; give a number"),
        ("awp,awp", "defence 'awp' is given twice"),
    ],
)
def test_refusals_are_one_sentence(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse(text, THREAT)


def test_a_model_is_checked() -> None:
    model = linear_model(box=Box.uniform(0.0, 1.0, features=6))
    parse("pgd-at", THREAT, model)
    with pytest.raises(UsageError, match="beyond the box"):
        parse("pgd-at:eps=0.51", THREAT, model)
    with pytest.raises(UsageError, match="beyond the box"):
        by_name("pgd-at:eps=1.3", L2(0.5), model)


def test_names_are_unique_and_described() -> None:
    assert names() == tuple(entries())
    assert len(names()) >= 12
    for name, entry in entries().items():
        assert entry.name == name
        assert entry.summary
        assert not entry.argument or entry.argument in entry.options


def test_values_of_options() -> None:
    assert (real({}, "a", 0.5), real({"a": "1e-2"}, "a", 0.5)) == (0.5, 0.01)
    assert (count({}, "a", 3), count({"a": "4"}, "a", 3)) == (3, 4)
    assert word({"a": "y"}, "a", "x", ("x", "y")) == "y"
    with pytest.raises(UsageError, match="a is '0'; give a whole number"):
        count({"a": "0"}, "a", 3)
