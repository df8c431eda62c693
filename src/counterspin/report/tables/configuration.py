"""The configuration of an audit, and what issues it again."""

import shlex
from collections.abc import Mapping
from typing import Any

from counterspin.evaluation.records import AuditRecord

__all__ = ["facts", "reproduce", "threat_facts"]


def facts(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested values as pairs of a dotted name and text.

    Example:
        >>> facts({"name": "digits", "box": {"low": [0, 0.5], "periodic": False}, "groups": None})
        [('name', 'digits'), ('box.low', '0, 0.5'), ('box.periodic', 'no'), ('groups', 'none')]
    """
    pairs: list[tuple[str, str]] = []
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            pairs += facts(value, f"{prefix}{key}.")
        else:
            pairs.append((f"{prefix}{key}", _text(value)))
    return pairs


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(_text(item) for item in value) or "none"
    return str(value)


def threat_facts(threat: Mapping[str, Any]) -> dict[str, Any]:
    """A threat with its mask, groups and tied sets in a readable length; what is not limited is left out.

    Example:
        >>> threat_facts({"norm": "l0", "mask": [True, False, True], "groups": [], "budget": None})
        {'norm': 'l0', 'mask': 'features 0, 2 of 3'}
    """
    shown = {key: value for key, value in threat.items() if value is not None and value != []}
    if "mask" in shown:
        free = [str(i) for i, allowed in enumerate(shown["mask"]) if allowed]
        shown["mask"] = f"features {', '.join(free)} of {len(shown['mask'])}"
    if "groups" in shown:
        shown["groups"] = "; ".join(
            f"{_features(group['features'])}: {len(group['values'])} values" for group in shown["groups"]
        )
    if "tied" in shown:
        shown["tied"] = "; ".join(_features(features) for features in shown["tied"])
    return shown


def _features(features: list[int]) -> str:
    return f"feature{'s' * (len(features) > 1)} {', '.join(map(str, features))}"


def reproduce(record: AuditRecord) -> str:
    """What issues the audit again: a shell command for a recipe or a saved model, Python for one given in Python."""
    threat = record.threat
    engine = None if record.engine is None or record.engine.asked == "auto" else record.engine.asked
    limited = any(threat.get(key) for key in ("mask", "groups", "tied", "budget"))
    if limited or threat.get("target") is not None or "split" not in record.dataset:
        chosen = f"model.engine = {engine!r}\n" if engine else ""
        call = f"cs.audit(model, x, y, {_threat_call(threat)}, tier={record.tier!r}, seed={record.seed})"
        homes = [name for name, key in (("Group", "groups"), ("QueryBudget", "budget")) if threat.get(key)]
        needed = f"from counterspin.threats import {', '.join(homes)}\n" if homes else ""
        return f"import counterspin as cs\n{needed}\n{chosen}{call}"
    lines = [shlex.join(["counterspin", "audit", str(record.model.get("name", "MODEL"))])]
    options = {key: threat[key] for key in ("norm", "units", "box")}
    options |= {"eps": ",".join(str(budget.eps) for budget in record.budgets)}
    options |= {"samples": record.clean_accuracy.n, "tier": record.tier, "seed": record.seed}
    if engine:
        options["engine"] = engine
    if record.dataset.get("source") == "file":
        options["data"] = record.dataset["name"]
    options |= record.model.get("asked", {})
    lines += [f"--{name} {shlex.quote(str(value))}" for name, value in options.items()]
    if record.model.get("between") is not None:
        lines.append("--bounds {} {}".format(*record.model["between"]))
    return " \\\n  ".join(lines)


def _threat_call(threat: Mapping[str, Any]) -> str:
    """The threat in Python, without what is not limited."""
    maker = {"l2": "L2", "linf": "Linf", "l1": "L1", "l0": "L0"}[threat["norm"]]
    given = {key: repr(_tuples(threat[key])) for key in ("units", "box", "target", "mask", "tied") if threat.get(key)}
    if threat.get("target") is not None:
        given["target"] = repr(_tuples(threat["target"]))
    if threat.get("groups"):
        groups = [f"Group(features={_tuples(g['features'])}, values={_tuples(g['values'])})" for g in threat["groups"]]
        given["groups"] = f"({', '.join(groups)},)"
    if threat.get("budget"):
        limits = ", ".join(f"{key}={value}" for key, value in threat["budget"].items() if value is not None)
        given["budget"] = f"QueryBudget({limits})"
    options = "".join(f", {key}={value}" for key, value in given.items())
    return f"cs.{maker}({', '.join(str(eps) for eps in threat['eps'])}{options})"


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
