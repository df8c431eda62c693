"""Budgets as users write them, `0.1rad,3gates`, and which attack takes which."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from counterspin.attacks.quantum import QuantumAttack
from counterspin.attacks.quantum.registry import label
from counterspin.errors import UsageError

__all__ = ["Amount", "assigned", "in_unit", "read_amounts"]

_AMOUNT = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)\s*(.*?)\s*", re.IGNORECASE)

# A prefix of this length says which unit is meant.
_SHORT = 3


@dataclass(frozen=True, kw_only=True)
class Amount:
    """A number, and the unit that was written after it; empty: none."""

    value: float
    unit: str = ""


def read_amounts(values: Iterable[float | str]) -> tuple[Amount, ...]:
    """Numbers with units.

    Raises:
        UsageError: something else.

    Example:
        >>> read_amounts(["0.1rad", 3])
        (Amount(value=0.1, unit='rad'), Amount(value=3.0, unit=''))
    """
    found = []
    for value in values:
        match = _AMOUNT.fullmatch(str(value))
        if match is None:
            raise UsageError(f"budget {value!r} is no number; give numbers, with a unit if you like: 0.1rad, 3gates.")
        found.append(Amount(value=float(match[1]), unit=match[2].lower()))
    if not found:
        raise UsageError("budgets is empty; give at least one number, with a unit if you like: 0.1rad, 3gates.")
    return tuple(found)


def assigned(
    attacks: Sequence[QuantumAttack], amounts: Sequence[Amount] | None
) -> tuple[dict[str, tuple[float, ...]], dict[str, str]]:
    """The budgets of each attack by its label, and why attacks are left out that have none.

    Attacks of one unit and scope share their budgets, so that they can be compared. Without amounts these are the
    default ones of all of them, up to the largest that means anything for each.

    Args:
        attacks: what is run.
        amounts: what was asked for; None: the defaults.

    Raises:
        UsageError: a unit that no attack has, a number without a unit where several units are meant, or numbers that
            are no budgets of an attack.
    """
    if amounts is None:
        return {label(attack): _defaults(attack, attacks) for attack in attacks}, {}
    by_word = {_word(attack.unit): attack.unit for attack in attacks}
    found: dict[str, tuple[float, ...]] = {}
    left_out: dict[str, str] = {}
    chosen = {amount: _units(amount, attacks, by_word) for amount in amounts}
    for attack in attacks:
        levels = sorted({amount.value for amount, units in chosen.items() if attack.unit in units})
        if levels:
            found[label(attack)] = attack.checked_budgets(levels)
        else:
            left_out[label(attack)] = f"Its budgets are in {attack.unit}, and none was given in that unit."
    return found, left_out


def in_unit(amounts: Sequence[Amount], unit: str) -> tuple[float, ...]:
    """The numbers of budgets that are all in one unit, ascending.

    Raises:
        UsageError: an amount in another unit.

    Example:
        >>> in_unit(read_amounts(["0.2", "0.1feature"]), "feature units (l2)")
        (0.1, 0.2)
    """
    for amount in amounts:
        if amount.unit and not (_names(amount.unit, unit) or _begins(amount.unit, unit)):
            raise UsageError(f"budget {amount.value:g}{amount.unit} is in another unit; budgets here are in {unit}.")
    return tuple(sorted({amount.value for amount in amounts}))


def _units(amount: Amount, attacks: Sequence[QuantumAttack], by_word: Mapping[str, str]) -> set[str]:
    """The units of attacks that an amount is meant in."""
    listed = "; ".join(
        f"{unit}: {', '.join(label(attack) for attack in attacks if attack.unit == unit)}"
        for unit in dict.fromkeys(attack.unit for attack in attacks)
    )
    if not amount.unit:
        if len(by_word) > 1:
            raise UsageError(
                f"budget {amount.value:g} has no unit, and the attacks here have several ({listed}); write the unit "
                "after the number, or choose attacks of one unit."
            )
        return {attack.unit for attack in attacks}
    units = {attack.unit for attack in attacks}
    meant = {unit for unit in units if _names(amount.unit, unit)} or {u for u in units if _begins(amount.unit, u)}
    if not meant:
        raise UsageError(f"budget {amount.value:g}{amount.unit} is in no unit of the attacks here ({listed}).")
    return meant


def _names(text: str, unit: str) -> bool:
    """Whether a text is a unit in full, with or without its norm, or the initials of its words (`tv`)."""
    words = _word(unit)
    initials = "".join(word[0] for word in words.split())
    return _bare(text) in (_bare(unit), _bare(words)) or (len(initials) > 1 and text == initials)


def _begins(text: str, unit: str) -> bool:
    """Whether a text is how the words of a unit begin (`rad`)."""
    short = text.rstrip("s")
    return len(short) >= _SHORT and _word(unit).startswith(short)


def _word(unit: str) -> str:
    """The unit without its norm: `radians` of `radians (linf)`."""
    return unit.partition("(")[0].strip().lower()


def _bare(text: str) -> str:
    return re.sub(r"[^\w‖]", "", text.lower())


def _defaults(attack: QuantumAttack, attacks: Sequence[QuantumAttack]) -> tuple[float, ...]:
    """What all attacks of its row try, as far as it means anything for this one."""
    peers = [other for other in attacks if (other.unit, other.scope) == (attack.unit, attack.scope)]
    levels = sorted({level for other in peers for level in other.default_budgets if level <= attack.ceiling})
    return attack.checked_budgets(levels)
