"""The attacks on the quantum parts of a model by where they act, and lists of them as users type them."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import MISSING, fields, replace
from functools import cache
from importlib import import_module
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from counterspin.attacks.quantum.base import QuantumAttack
from counterspin.errors import UsageError

__all__ = ["WHERE", "attacks_at", "by_name", "check_distinct", "every_quantum_attack", "label", "parse"]

WHERE = ("state", "parameters", "gates", "encoding", "measurement", "transfer")

# Where an attack acts, and the package that holds those attacks; transfer is one of features too, so it stands apart.
_PACKAGES = {where: f"counterspin.attacks.quantum.{'states' if where == 'state' else where}" for where in WHERE[:-1]}
_PACKAGES["transfer"] = "counterspin.attacks.transfer"

_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@cache
def attacks_at(where: str) -> tuple[QuantumAttack, ...]:
    """The attacks on one part of a model, in the order in which they are listed.

    Raises:
        UsageError: an unknown part.

    Example:
        >>> all(attack.where == "state" for attack in attacks_at("state"))
        True
    """
    if where not in WHERE:
        raise UsageError(f"where is {where!r}; allowed: {', '.join(WHERE)}.{_hint(where, WHERE)}")
    return tuple(import_module(_PACKAGES[where]).ATTACKS)


def every_quantum_attack() -> tuple[QuantumAttack, ...]:
    """The attacks on all parts of a model."""
    return tuple(attack for where in WHERE for attack in attacks_at(where))


def by_name(where: str, text: str) -> QuantumAttack:
    """The attack of `text`: a name, or a name, a colon and options (`name:restarts=4,steps=50`).

    Raises:
        UsageError: no such part, attack or option, or a value that makes no sense.
    """
    name, _, rest = text.strip().partition(":")
    known = _first_of_each_name(where)
    if name not in known:
        raise UsageError(
            f"there is no attack {name!r} on {where}; attacks: {', '.join(known) or 'none'}.{_hint(name, tuple(known))}"
        )
    attack = known[name]
    options: dict[str, Any] = {}
    kinds = get_type_hints(type(attack))
    allowed = [item.name for item in fields(attack)]
    for piece in rest.split(",") if rest else ():
        key, equals, value = (part.strip() for part in piece.partition("="))
        if not equals or key not in allowed:
            raise UsageError(
                f"{name} has no option {piece.strip()!r}; options: {', '.join(allowed)}.{_hint(key, tuple(allowed))}"
            )
        if key in options:
            raise UsageError(f"{name}: {key} is given twice; once is enough.")
        options[key] = _converted(name, key, value, kinds[key])
    return replace(attack, **options)


def parse(where: str, text: str) -> tuple[QuantumAttack, ...]:
    """The attacks of a comma-separated list; a comma starts a new one only where a known name follows.

    Raises:
        UsageError: an empty list, an attack that is named twice, or what `by_name` refuses.
    """
    known = {attack.name for attack in attacks_at(where)}
    parts: list[str] = []
    for piece in (piece.strip() for piece in text.split(",")):
        if not parts or piece.partition(":")[0] in known or ":" not in parts[-1]:
            parts.append(piece)
        else:
            parts[-1] += f",{piece}"
    found = tuple(by_name(where, part) for part in parts)
    check_distinct(found)
    return found


def check_distinct(attacks: Sequence[QuantumAttack]) -> None:
    """Refuse the same attack twice: results are told apart by their labels.

    Raises:
        UsageError: two attacks of one label.
    """
    labels = [label(attack) for attack in attacks]
    for index, text in enumerate(labels):
        if text in labels[:index]:
            raise UsageError(f"attack {text!r} is given twice; once is enough.")


def label(attack: QuantumAttack) -> str:
    """The name of an attack with the options in which it differs from its class's defaults, as users type them.

    The target is left out: it belongs to the goal of a whole run.
    """
    listed = _first_of_each_name(attack.where).get(attack.name) if attack.where in WHERE else None
    changed = []
    for item in fields(attack):
        value = getattr(attack, item.name)
        default = _default(item) if listed is None else getattr(listed, item.name, MISSING)
        if item.name != "target" and value != default:
            changed.append(f"{item.name}={'+'.join(map(str, value)) if isinstance(value, tuple) else value}")
    return f"{attack.name}:{','.join(changed)}" if changed else attack.name


def _first_of_each_name(where: str) -> dict[str, QuantumAttack]:
    """Attacks by name; one that is listed in several settings means the first."""
    found: dict[str, QuantumAttack] = {}
    for attack in attacks_at(where):
        found.setdefault(attack.name, attack)
    return found


def _default(item: Any) -> Any:
    return item.default_factory() if item.default_factory is not MISSING else item.default


def _converted(attack: str, option: str, text: str, kind: Any) -> Any:
    """An option's text as a value of its type.

    Raises:
        UsageError: a text that is none.
    """
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        kinds = get_args(kind)
        if NoneType in kinds and text.lower() == "none":
            return None
        return _converted(attack, option, text, next(part for part in kinds if part is not NoneType))
    if origin is Literal:
        by_text = {str(value): value for value in get_args(kind)}
        if text not in by_text:
            raise UsageError(f"{attack}: {option} is {text!r}; allowed: {', '.join(by_text)}.")
        return by_text[text]
    if origin is tuple:
        # A comma separates options, so a plus sign separates values.
        return tuple(_converted(attack, option, part.strip(), get_args(kind)[0]) for part in text.split("+"))
    if kind is bool:
        if text.lower() not in _WORDS:
            raise UsageError(f"{attack}: {option} is {text!r}; give true or false.")
        return _WORDS[text.lower()]
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            number = "a whole number" if kind is int else "a number"
            raise UsageError(f"{attack}: {option} is {text!r}; give {number}.") from None
    if kind is str:
        return text
    raise UsageError(f"{attack}: {option} cannot be written here; give the attack itself in Python.")


def _hint(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f" Did you mean {close[0]}?" if close else ""
