"""Defences in training by name, and lists of them as users type them."""

from __future__ import annotations

import difflib
from functools import cache
from importlib import import_module

from counterspin.defenses.training.base import Entry, TrainingDefense
from counterspin.errors import UsageError
from counterspin.threats import ThreatModel
from counterspin.types import Classifier

__all__ = ["by_name", "entries", "names", "parse"]

# In the order in which they are listed. Modules are imported when a defence is asked for.
_MODULES = (
    "pgd",
    "fgsm",
    "mixed",
    "trades",
    "perturbed_weights",
    "input_gradient",
    "worst_case",
    "tail",
    "groups",
    "smoothing",
    "smoothed_labels",
    "mixup",
    "exact_margin",
    "lipschitz",
    "bures",
    "certified",
    "noise",
    "angle_noise",
    "shot_noise",
    "parameters",
    "prune",
)


@cache
def entries() -> dict[str, Entry]:
    """Every defence in training by name."""
    package = __name__.rpartition(".")[0]
    listed = [import_module(f"{package}.{module}").ENTRY for module in _MODULES]
    return {entry.name: entry for entry in listed}


def names() -> tuple[str, ...]:
    """Every defence in training, as `counterspin list defenses` shows them."""
    return tuple(entries())


def by_name(text: str, threat: ThreatModel, model: Classifier | None = None) -> TrainingDefense:
    """The defence of `text`: a name, or a name, a colon and what it is given (`pgd-at:eps=0.1,steps=7`).

    Args:
        text: what the user typed.
        threat: what is defended against; budgets that are not given come from it.
        model: checked before anything is computed; None: not checked.

    Raises:
        UsageError: no such defence or option, or a value that makes no sense.
        CapabilityError: `model` lacks what the defence needs.
        ConditionsError: the defence does not hold for `model` or the threat.
    """
    name, _, rest = text.strip().partition(":")
    if name not in entries():
        raise _unknown(name)
    entry = entries()[name]
    defense = entry.build(_options(entry, rest), threat)
    if model is not None:
        defense.check(model, threat)
    return defense


def parse(text: str, threat: ThreatModel, model: Classifier | None = None) -> tuple[TrainingDefense, ...]:
    """The defences of a comma-separated list; a comma starts a new one only where a known name follows.

    Raises:
        UsageError: an empty list, a defence that is unknown or named twice, or what `by_name` refuses.
    """
    parts: list[str] = []
    for piece in text.split(","):
        piece = piece.strip()
        # A value that happens to be a name (`with=pgd-at`) has an equals sign before it.
        if not parts or piece.partition(":")[0] in entries() or ":" not in parts[-1]:
            parts.append(piece)
        else:
            parts[-1] += f",{piece}"
    defenses = tuple(by_name(part, threat, model) for part in parts)
    for index, defense in enumerate(defenses):
        if any(defense.name == other.name and defense == other for other in defenses[:index]):
            raise UsageError(f"defence {parts[index]!r} is given twice; once is enough.")
    return defenses


def _options(entry: Entry, text: str) -> dict[str, str]:
    """What follows the colon, by option; pieces that are no option of the entry are its argument."""
    options: dict[str, str] = {}
    unnamed: list[str] = []
    for piece in text.split(",") if text else ():
        key, equals, value = piece.partition("=")
        key = key.strip()
        if not (equals and key in entry.options):
            unnamed.append(piece.strip())
        elif key in options:
            raise UsageError(f"{entry.name}: {key} is given twice; once is enough.")
        else:
            options[key] = value.strip()
    if unnamed and not entry.argument:
        piece = unnamed[0]
        allowed = ", ".join(entry.options) or "none"
        hint = _hint(piece.partition("=")[0], [*entry.options, *entries()])
        raise UsageError(f"{entry.name} has no option {piece!r}; options: {allowed}.{hint}")
    if unnamed:
        options[entry.argument] = ",".join(unnamed)
    return options


def _unknown(name: str) -> UsageError:
    listed = ", ".join(entries())
    return UsageError(f"there is no defence {name!r}; defences: {listed}.{_hint(name, list(entries()))}")


def _hint(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f" Did you mean {close[0]}?" if close else ""
