"""The tables of the report: what stands in which column, as text ready to print."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from counterspin.evaluation.records import (
    AuditRecord,
    CalibrationRecord,
    CostRecord,
    ExactRecord,
    Measured,
    NoiseCurve,
)
from counterspin.evaluation.summary import EXACT
from counterspin.report.wording import count, number, percent, seconds, share, zero_note

__all__ = [
    "Table",
    "attacks_table",
    "budgets_table",
    "calibration_table",
    "cost_table",
    "facts",
    "noise_table",
    "reproduce",
    "shots_table",
]


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table; the first cell of each row is its heading.

    Args:
        caption: what the table shows.
        columns: heading of each column.
        rows: cells as text, as many as `columns`.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def _exact(exact: ExactRecord | None) -> str:
    if exact is None:
        return "no claim"
    if exact.lower.value == exact.upper.value:
        return _stated(exact.lower)
    bracket = f"{percent(exact.lower.value)} to {percent(exact.upper.value)}"
    return f"{bracket}; {percent(exact.decided.value)} of samples settled"


def _stated(measured: Measured) -> str:
    return zero_note(measured) or share(measured)


def budgets_table(record: AuditRecord) -> Table:
    """Per ε: proved, exact, worst case of all attacks, and of the gradient attacks where that is another question."""
    both = any(EXACT in budget.attacks or budget.worst_case_gradient != budget.worst_case for budget in record.budgets)
    rows = [
        (
            number(budget.eps),
            "nothing proved" if budget.certified is None else _stated(budget.certified),
            _exact(budget.exact),
            _stated(budget.worst_case),
            *[_stated(budget.worst_case_gradient)] * both,
        )
        for budget in record.budgets
    ]
    return Table(
        caption="Robust accuracy at each ε with its 95 % interval: proved ≤ exact ≤ worst case of the attacks.",
        columns=(
            "ε",
            "Proved (certificate)",
            "Exact",
            "Worst case of all attacks",
            *["Gradient attacks alone"] * both,
        ),
        rows=tuple(rows),
    )


def attacks_table(record: AuditRecord) -> Table:
    """Every attack at every ε."""
    rows = [
        (name, number(budget.eps), share(found.robust_accuracy), share(found.attack_success_rate))
        for name in _attack_names(record)
        for budget in record.budgets
        if (found := budget.attacks.get(name)) is not None
    ]
    return Table(
        caption="Each attack on its own, with 95 % intervals. Success counts the correctly classified samples only.",
        columns=("Attack", "ε", "Robust accuracy", "Attack success rate"),
        rows=tuple(rows),
    )


def _attack_names(record: AuditRecord) -> list[str]:
    return list(dict.fromkeys(name for budget in record.budgets for name in budget.attacks))


def cost_table(record: AuditRecord) -> Table:
    """What each attack spent over all ε, and the audit as a whole."""
    rows = []
    for name in _attack_names(record):
        found = [budget.attacks[name] for budget in record.budgets if name in budget.attacks]
        config = {key: value for key, value in found[0].config.items() if key not in ("name", "steps", "restarts")}
        spent = CostRecord(
            forwards=sum(a.forwards for a in found),
            backwards=sum(a.backwards for a in found),
            circuits=sum(a.circuits for a in found),
            shots=sum(a.shots for a in found),
            seconds=sum(a.seconds for a in found),
        )
        steps, restarts = (str(found[0].config.get(key, "–")) for key in ("steps", "restarts"))
        settings = ", ".join(f"{key} = {value}" for key, value in facts(config)) or "–"
        rows.append((name, steps, restarts, *_spent(spent), settings))
    rows.append(("whole audit", "", "", *_spent(record.cost), "–"))
    return Table(
        caption=(
            "Cost over all ε and samples, counted at the model. The whole audit includes certificates, calibration, "
            "noise and checks."
        ),
        columns=("Attack", "Steps", "Restarts", "Forwards", "Backwards", "Circuits", "Shots", "Time", "Other settings"),
        rows=tuple(rows),
    )


def _spent(cost: CostRecord) -> tuple[str, str, str, str, str]:
    return count(cost.forwards), count(cost.backwards), count(cost.circuits), count(cost.shots), seconds(cost.seconds)


def calibration_table(calibration: CalibrationRecord) -> Table:
    """The bins of the reliability diagram."""
    rows = [
        (
            f"{percent(b.low)} to {percent(b.high)}",
            count(b.n),
            percent(b.confidence) if b.n else "–",
            share(b.accuracy) if b.n else "–",
        )
        for b in calibration.reliability
    ]
    columns = ("Confidence bin", "Samples", "Mean confidence", "Accuracy")
    return Table(
        caption="Reliability of the clean predictions, with 95 % intervals.", columns=columns, rows=tuple(rows)
    )


def noise_table(curve: NoiseCurve) -> Table:
    """Clean accuracy per strength (rows) and number of shots (columns)."""
    shots = sorted({p.shots for p in curve.points}, key=lambda s: float("inf") if s is None else s)
    found = {(p.strength, p.shots): p.accuracy for p in curve.points}
    rows = [
        (number(strength), *(share(found.get((strength, s))) for s in shots))
        for strength in sorted({p.strength for p in curve.points})
    ]
    columns = ("Strength", *("∞ shots" if s is None else f"{count(s)} shots" for s in shots))
    return Table(caption=f"{curve.label}: clean accuracy with 95 % intervals.", columns=columns, rows=tuple(rows))


def shots_table(curves: list[NoiseCurve]) -> Table:
    """Clean accuracy without added noise per number of shots."""
    found = {p.shots: p.accuracy for curve in reversed(curves) for p in curve.points if p.strength == 0}
    order = sorted(found, key=lambda s: float("inf") if s is None else s)
    rows = tuple(("∞" if s is None else count(s), share(found[s])) for s in order)
    caption = "Clean accuracy without added noise, with 95 % intervals."
    return Table(caption=caption, columns=("Shots per sample", "Clean accuracy"), rows=rows)


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


def reproduce(record: AuditRecord) -> str:
    """What issues the audit again: a shell command for a recipe or a saved model, Python for one given in Python."""
    threat = record.threat
    budgets = [str(budget.eps) for budget in record.budgets]
    engine = None if record.engine is None or record.engine.asked == "auto" else record.engine.asked
    if threat.get("target") is not None or "split" not in record.dataset:
        maker = {"l2": "L2", "linf": "Linf"}[threat["norm"]]
        options = "".join(
            f", {key}={threat[key]!r}" for key in ("units", "box", "target") if threat.get(key) is not None
        )
        attacker = f"cs.{maker}({', '.join(budgets)}{options})"
        chosen = f"model.engine = {engine!r}\n" if engine else ""
        call = f"cs.audit(model, x, y, {attacker}, tier={record.tier!r}, seed={record.seed})"
        return f"import counterspin as cs\n\n{chosen}{call}"
    lines = [shlex.join(["counterspin", "audit", str(record.model.get("name", "MODEL"))])]
    options = {key: threat[key] for key in ("norm", "units", "box")} | {"eps": ",".join(budgets)}
    options |= {"samples": record.clean_accuracy.n, "tier": record.tier, "seed": record.seed}
    if engine:
        options["engine"] = engine
    if record.dataset.get("source") == "file":
        options["data"] = record.dataset["name"]
    lines += [f"--{name} {shlex.quote(str(value))}" for name, value in options.items()]
    return " \\\n  ".join(lines)
