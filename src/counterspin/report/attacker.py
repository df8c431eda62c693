"""What the attacker may do, in words: the units of ε, and every limit besides it."""

from collections.abc import Mapping, Sequence
from typing import Any

from counterspin.report.formats import NBSP, count, number

__all__ = ["attacker_sentences", "budget_words", "distance_words", "eps_axis", "threat_words"]

NORMS = {"l2": "L2", "linf": "L∞", "l1": "L1", "l0": "L0"}

# How many features, or sets of features, a sentence lists by name.
_LISTED, _FEW = 12, 4


def threat_words(threat: Mapping[str, Any]) -> tuple[str, str]:
    """The unit of ε and the name of the norm: `("share of ‖x‖", "L2")`.

    Example:
        >>> threat_words({"norm": "l0", "groups": []})
        ('changed features', 'L0')
    """
    norm = str(threat.get("norm"))
    if norm == "l0":
        # What moves together counts once.
        together = any(len(group["features"]) > 1 for group in threat.get("groups") or ()) or threat.get("tied")
        return ("changed features or groups" if together else "changed features"), NORMS[norm]
    unit = "share of ‖x‖" if threat.get("units") == "relative" else "feature units"
    return unit, NORMS.get(norm, norm)


def eps_axis(threat: Mapping[str, Any]) -> str:
    """Title of an axis of ε, with norm and unit: `ε (share of ‖x‖, L2)`."""
    unit, norm = threat_words(threat)
    return f"ε ({unit}, {norm})"


def budget_words(threat: Mapping[str, Any], eps: float) -> str:
    """A budget at the start of a sentence.

    Example:
        >>> budget_words({"norm": "l0"}, 2.0), budget_words({"norm": "linf"}, 0.1).replace(NBSP, " ")
        ('With at most 2 changed features (L0)', 'At ε = 0.1 (feature units, L∞)')
    """
    unit, norm = threat_words(threat)
    if threat.get("norm") == "l0":
        return f"With at most {_of(int(eps), unit)} ({norm})"
    return f"At ε{NBSP}={NBSP}{number(eps)} ({unit}, {norm})"


def distance_words(threat: Mapping[str, Any], distance: float) -> str:
    """The size of one perturbation: `L2 distance 0.31 in feature units`, `2 changed features`."""
    unit, norm = threat_words(threat)
    if threat.get("norm") == "l0":
        return _of(round(distance), unit)
    return f"{norm} distance {number(distance)} in feature units"


def attacker_sentences(threat: Mapping[str, Any], names: Sequence[str] = ()) -> list[str]:
    """What the attacker may do besides the size of the change, one sentence each.

    Args:
        threat: the threat as JSON values; keys that an older run does not know mean no constraint.
        names: of the features; empty: x0, x1, …

    Example:
        >>> attacker_sentences({"norm": "l0", "box": "data", "mask": [True, False, True]})
        ['2 of 3 features may change: x0, x2.', 'Adversarial inputs stay in the range of the data.']
    """
    mask, groups, tied = threat.get("mask"), threat.get("groups") or (), threat.get("tied") or ()
    said = []
    if mask is not None:
        free = [i for i, allowed in enumerate(mask) if allowed]
        said.append(f"{len(free)} of {len(mask)} features may change: {_named(free, names)}.")
    single = [group["features"][0] for group in groups if len(group["features"]) == 1]
    if single:
        verb = "takes" if len(single) == 1 else "take"
        said.append(
            f"Discrete values: {_of(len(single), 'features')} {verb} listed values only ({_named(single, names)})."
        )
    joint = [group["features"] for group in groups if len(group["features"]) > 1]
    if joint:
        which = "; ".join(_named(features, names) for features in joint[:_FEW])
        more = f"; {len(joint) - _FEW} more" if len(joint) > _FEW else ""
        said.append(f"Only listed combinations of values within {_of(len(joint), 'groups')} ({which}{more}).")
    said += [f"Moved by the same amount: {_named(features, names)}." for features in tied[:_FEW]]
    limits = [f"{count(limit)} {what}" for what, limit in (threat.get("budget") or {}).items() if limit is not None]
    if limits:
        said.append(f"At most {' and '.join(limits)} per sample and ε.")
    if isinstance(threat.get("target"), int):
        said.append(f"Only a change to class {threat['target']} counts.")
    elif threat.get("target") is not None:
        said.append("Only a change to a class chosen for each sample counts.")
    stay = "stay in" if threat.get("box") == "data" else "may leave"
    return [*said, f"Adversarial inputs {stay} the range of the data."]


def _of(number: int, what: str) -> str:
    """A number of things named in the plural: `1 changed feature`, `2 changed features or groups`."""
    return f"{number} {what.replace('features', 'feature').replace('groups', 'group') if number == 1 else what}"


def _named(features: Sequence[int], names: Sequence[str]) -> str:
    shown = [names[i] if i < len(names) else f"x{i}" for i in features[:_LISTED]]
    more = f" and {len(features) - _LISTED} more" if len(features) > _LISTED else ""
    return ", ".join(shown) + more
