"""The lines of a degradation table in words, as terminal and page print them."""

from __future__ import annotations

import re
from typing import Any

from counterspin.evaluation.hardening.record import ComparedMetric, HardenRecord

__all__ = ["defense_words", "metric_name", "metric_words", "part_words", "value_words"]

_NAMES = {
    "clean_accuracy": "clean accuracy",
    "robust_accuracy": "robust",
    "certified_accuracy": "certified",
    "exact_accuracy": "exact",
    "median_radius": "median radius",
    "ece": "calibration error",
    "brier": "Brier score",
    "noise_global_depolarizing": "global depolarising",
    "noise_qubit_depolarizing": "depolarising per qubit",
    "noise_readout_flips": "readout errors",
    "training_seconds": "training, seconds",
    "circuits": "circuits audited",
}


def defense_words(record: HardenRecord) -> str:
    """The defence as users name it: `pgd-at + label-smoothing`."""
    return " + ".join(str(part.get("name", "unnamed")) for part in record.defense)


def part_words(part: dict[str, Any]) -> str:
    """A part with its settings: `pgd-at (eps 0.1, steps 7)`; nested ones in brackets, what is not set left out.

    Example:
        >>> part_words({"name": "pgd-at", "step_size": None, "loss": {"name": "CrossEntropyObjective"}})
        'pgd-at (loss cross entropy)'
    """
    said = []
    for key, value in part.items():
        if key in ("name", "kind", "threat") or value is None:
            continue
        said.append(f"{key.replace('_', ' ')} {_nested(key, value) if isinstance(value, dict) else _short(value)}")
    return f"{part.get('name', 'unnamed')} ({', '.join(said)})" if said else str(part.get("name", "unnamed"))


def _nested(key: str, value: dict[str, Any]) -> str:
    inner = ", ".join(f"{k.replace('_', ' ')} {_short(v)}" for k, v in value.items() if k not in ("name", "threat"))
    # The name of a class in words; one that only repeats the key says nothing.
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", str(value.get("name", ""))).lower().removesuffix(" objective")
    shown = "" if key in name else name
    return f"{shown} [{inner}]".strip() if inner else shown or name


def metric_name(line: ComparedMetric) -> str:
    """What a line measures: `robust at ε = 0.05`, `readout errors 0.1`."""
    name = _NAMES.get(line.kind, line.kind)
    if line.eps is not None:
        return f"{name} at ε = {line.eps:g}"
    _, _, strength = line.metric.partition("=")
    return f"{name} {strength}".strip()


def value_words(line: ComparedMetric, value: float | None) -> str:
    """A value in the unit of its line; a dash for None."""
    if value is None:
        return "–"
    if _is_share(line):
        return f"{100 * value:.1f} %"
    if line.kind == "circuits":
        return f"{round(value):,}"
    return f"{value:.1f}" if line.kind == "training_seconds" else f"{value:.4g}"


def metric_words(line: ComparedMetric) -> tuple[str, str, str, str, str]:
    """Name, before, after, difference with its interval, and adjusted p-value."""
    return (
        metric_name(line),
        value_words(line, line.before),
        value_words(line, line.after),
        _difference(line),
        "–" if line.p_holm is None else f"{line.p_holm:.2g}" if line.p_holm >= 1e-4 else "< 0.0001",
    )


def _difference(line: ComparedMetric) -> str:
    if line.difference is None:
        return "–"
    if not _is_share(line):
        return f"{line.difference:+,.0f}" if line.kind == "circuits" else f"{line.difference:+.4g}"
    points = f"{100 * line.difference:+.1f}"
    if line.low is not None and line.high is not None:
        points += f" ({100 * line.low:+.1f} to {100 * line.high:+.1f})"
    return points.replace("-", "−")


def _is_share(line: ComparedMetric) -> bool:
    return line.kind.endswith("_accuracy") or line.kind.startswith("noise_")


def _short(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
