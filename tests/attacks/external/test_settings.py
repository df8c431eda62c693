import sys

import pytest

from counterspin.attacks.external import ARTAttack, AutoAttackExternal, FoolboxAttack
from counterspin.attacks.external.extras import imported
from counterspin.errors import MissingExtraError, UsageError


def test_settings_are_values_whatever_their_form():
    first = FoolboxAttack(settings={"steps": 5, "random_start": False})
    second = FoolboxAttack(settings=(("random_start", False), ("steps", 5)))
    assert first == second
    assert hash(first) == hash(second)
    assert first.config["settings"] == [["random_start", False], ["steps", 5]]
    assert AutoAttackExternal().config["attacks"] == ["apgd-ce", "fab"]


@pytest.mark.parametrize("kind", [FoolboxAttack, ARTAttack])
def test_settings_that_are_no_json_are_refused(kind):
    with pytest.raises(UsageError, match="settings hold init_attack"):
        kind(settings={"init_attack": object()})


def test_a_count_below_one_is_refused():
    with pytest.raises(UsageError, match="starts is 0"):
        AutoAttackExternal(starts=0)


@pytest.mark.parametrize(
    ("attack", "module"),
    [(FoolboxAttack(), "foolbox"), (ARTAttack(), "art"), (AutoAttackExternal(), "pyautoattack")],
)
def test_a_missing_library_is_named_with_its_extra(monkeypatch, linear, seeded, attack, module):
    for name in [name for name in sys.modules if name == module or name.startswith(f"{module}.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=r"pip install counterspin\[crosscheck\]"):
        imported(module)
