"""Attacks on quantum parts by name: every listed one is complete, and options are converted by their type."""

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
from part_attacks import OneShift, Shift

from counterspin.attacks.quantum import registry
from counterspin.attacks.quantum.registry import WHERE, attacks_at, by_name, check_distinct, label, parse
from counterspin.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Options(Shift):
    """An option of every kind."""

    name: ClassVar[str] = "options"

    share: float = 0.5
    whole: bool = False
    limit: int | None = None
    levels: tuple[float, ...] = (0.1,)
    note: str = ""
    other: object = None


class Package:
    """Stands for a package with three attacks."""

    ATTACKS = (Shift(), OneShift(), Options(), Shift(side="up"))


@pytest.fixture
def toy(monkeypatch):
    monkeypatch.setattr(registry, "import_module", lambda name: Package)
    registry.attacks_at.cache_clear()
    yield
    registry.attacks_at.cache_clear()


@pytest.mark.parametrize("where", WHERE)
def test_every_listed_attack_is_complete(where) -> None:
    listed = attacks_at(where)
    assert listed
    assert len({label(attack) for attack in listed}) == len(listed)
    for attack in listed:
        assert attack.where == where
        assert attack.scope in ("sample", "shared")
        assert attack.unit
        assert attack.checked_budgets(attack.default_budgets) == attack.default_budgets
        for line in (attack.goal, attack.capability, attack.defense):
            assert line
            assert "\n" not in line
        assert (type(attack).__doc__ or "").split("\n")[0].endswith(".")
        assert by_name(where, label(attack)) == attack


def test_options_by_type(toy) -> None:
    text = "options:share=0.25,whole=yes,limit=3,levels=0.1+0.2,note=a b,side=up,tries=4,target=1"
    assert by_name("state", text) == Options(
        share=0.25, whole=True, limit=3, levels=(0.1, 0.2), note="a b", side="up", tries=4, target=1
    )
    assert by_name("state", "options:limit=none").limit is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("shfit", r"no attack 'shfit' on state; attacks: shift, one-shift, options. Did you mean shift\?"),
        ("shift:", None),
        ("shift:tires=3", r"shift has no option 'tires=3'; options: target, tries, side. Did you mean tries\?"),
        ("shift:tries", "shift has no option 'tries'"),
        ("shift:tries=1,tries=2", "tries is given twice"),
        ("options:share=much", "share is 'much'; give a number"),
        ("options:limit=1.5", "limit is '1.5'; give a whole number"),
        ("options:whole=maybe", "whole is 'maybe'; give true or false"),
        ("options:side=left", "side is 'left'; allowed: both, up"),
        ("options:other=3", "other cannot be written here"),
    ],
)
def test_what_is_no_attack(toy, text, sentence) -> None:
    if sentence is None:
        assert by_name("state", text) == Shift()
        return
    with pytest.raises(UsageError, match=sentence):
        by_name("state", text)


def test_a_comma_starts_an_attack_only_where_a_name_follows(toy) -> None:
    assert parse("state", "shift:side=up,tries=2, one-shift") == (Shift(side="up", tries=2), OneShift())
    assert parse("state", "shift,shift:tries=2") == (Shift(), Shift(tries=2))
    with pytest.raises(UsageError, match="attack 'shift' is given twice"):
        parse("state", "shift,one-shift,shift")
    with pytest.raises(UsageError, match="no attack 'side=up'"):
        parse("state", "shift,side=up")


def test_labels_leave_out_the_target_and_what_is_usual(toy) -> None:
    assert label(Shift(target=1)) == "shift"
    assert label(Shift(tries=3, side="up")) == "shift:tries=3,side=up"
    assert label(Options(levels=(0.1, 0.2))) == "options:levels=0.1+0.2"
    assert by_name("state", "shift") == Shift()  # listed twice, the first one is meant
    check_distinct([Shift(), Shift(tries=3)])
    with pytest.raises(UsageError, match="attack 'shift' is given twice"):
        check_distinct([Shift(), replace(Shift(), target=1)])


def test_a_part_a_model_has_not() -> None:
    with pytest.raises(UsageError, match=r"where is 'gate'; allowed: state, parameters, .*Did you mean gates\?"):
        attacks_at("gate")
