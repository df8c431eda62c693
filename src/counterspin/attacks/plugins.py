"""Attacks that other distributions register under the entry point group `counterspin.attacks`."""

from counterspin.attacks.base import Attack
from counterspin.plugins import Plugin, plugins

__all__ = ["GROUP", "attack_of", "registered"]

GROUP = "counterspin.attacks"


def registered() -> dict[str, Plugin]:
    """Every registered attack by name; nothing is imported.

    Raises:
        UsageError: two distributions register one name.
    """
    return plugins(GROUP)


def attack_of(plugin: Plugin, *, taken: tuple[str, ...] = ()) -> Attack:
    """The attack a plugin brings: an instance, or what an `Attack` class or a function gives without arguments.

    Args:
        plugin: the entry point.
        taken: names of the built-in attacks, which a plugin must not hide.

    Raises:
        UsageError: it cannot be imported, is no attack, or has another name than its entry point or one that is taken.
    """
    attack = plugin.load()
    if not isinstance(attack, Attack) and callable(attack):
        try:
            attack = attack()
        except Exception as error:
            raise plugin.broken(f"calling it raised {type(error).__name__}: {error}") from error
    if not isinstance(attack, Attack):
        raise plugin.broken(f"it is a {type(attack).__name__}, not a counterspin.attacks.Attack")
    if attack.name != plugin.name:
        raise plugin.broken(f"the attack calls itself {attack.name!r}; both names must be the same")
    if attack.name in taken:
        raise plugin.broken("a built-in attack has this name; choose another one")
    return attack
