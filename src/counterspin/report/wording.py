"""How the report says things: numbers, intervals and the headline in plain words."""

from collections import Counter

from counterspin.evaluation.records import AuditRecord, BudgetRecord, Measured
from counterspin.evaluation.statistics import rule_of_three

__all__ = [
    "checks_sentence",
    "count",
    "exact_note",
    "headline",
    "headline_budget",
    "interval",
    "number",
    "percent",
    "seconds",
    "share",
    "threat_words",
    "zero_note",
]

NBSP = "\u00a0"
NORMS = {"l2": "L2", "linf": "L∞", "l1": "L1", "l0": "L0"}


def number(value: float | None) -> str:
    """A number with four significant digits; a dash for None.

    Example:
        >>> number(0.1), number(1234567.0), number(None)
        ('0.1', '1.235e+06', '–')
    """
    return "–" if value is None else f"{value:.4g}"


def count(value: int) -> str:
    """A whole number with thin gaps between thousands, which no line break splits."""
    return f"{value:,}".replace(",", "\u202f")


def seconds(value: float) -> str:
    """A duration: `0.42 s`, `12.3 s`, `3 min 5 s`."""
    if value < 60:
        return f"{value:.2f}{NBSP}s" if value < 10 else f"{value:.1f}{NBSP}s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes}{NBSP}min{NBSP}{rest}{NBSP}s"


def percent(value: float) -> str:
    """A share in per cent with one digit and a gap that no line break splits.

    Example:
        >>> percent(0.475).replace(NBSP, " ")
        '47.5 %'
    """
    return f"{100 * value:.1f}{NBSP}%"


def interval(measured: Measured) -> str:
    """The 95 % interval of a share, in per cent: `40.4–54.7`."""
    return f"{100 * measured.low:.1f}–{100 * measured.high:.1f}"


def zero_note(measured: Measured) -> str:
    """For a share of zero what seeing none does and does not show; nothing for any other share."""
    if measured.value > 0 or measured.n == 0:
        return ""
    return rule_of_three(0, measured.n) or ""


def share(measured: Measured | None) -> str:
    """A share with its interval; a dash for None."""
    return "–" if measured is None else f"{percent(measured.value)}{NBSP}({interval(measured)})"


def threat_words(threat: dict) -> tuple[str, str]:
    """The unit of ε and the name of the norm: `("share of ‖x‖", "L2")`."""
    unit = "share of ‖x‖" if threat.get("units") == "relative" else "feature units"
    return unit, NORMS.get(str(threat.get("norm")), str(threat.get("norm")))


def headline_budget(record: AuditRecord) -> BudgetRecord:
    """The budget of the headline: the middle of the grid, the larger of two."""
    return record.budgets[len(record.budgets) // 2]


def headline(record: AuditRecord) -> str:
    """What was found, in one sentence."""
    budget = headline_budget(record)
    unit, norm = threat_words(record.threat)
    worst = budget.worst_case
    samples = "test samples" if record.dataset.get("split") == "test" else "samples"
    attacks = f"all {len(budget.attacks)} attacks" if len(budget.attacks) > 1 else "the one attack"
    found = (
        f"At ε{NBSP}={NBSP}{number(budget.eps)} ({unit}, {norm}), {percent(worst.value)} of {count(worst.n)} "
        f"{samples} are correct and unbroken by {attacks} tried"
    )
    exact = budget.exact
    agree = exact is not None and exact.lower.value == exact.upper.value == worst.value
    if budget.certified is None:
        proved = "nothing is proved"
    else:
        proved = f"{percent(budget.certified.value)} is proved{', so the number is exact' if agree else ''}"
    return f"{found}; {proved}."


def checks_sentence(record: AuditRecord) -> str:
    """What the sanity checks say about the audit, in one sentence."""
    statuses = Counter(check.status for check in record.sanity.checks)
    decided = statuses["PASS"] + statuses["WARN"] + statuses["FAIL"]
    skipped = f", {statuses['SKIP']} skipped" if statuses["SKIP"] else ""
    if record.sanity.verdict == "fail":
        return f"Audit unreliable: {statuses['FAIL']} of {decided} checks failed{skipped}."
    if record.sanity.verdict == "warn":
        passed = f"{statuses['PASS']} of {decided} checks passed"
        return f"Audit reliable, with warnings: {passed}, {statuses['WARN']} warned{skipped}."
    return f"Audit reliable: {statuses['PASS']} of {decided} checks passed{skipped}."


def exact_note(record: AuditRecord) -> str:
    """Whether an exact value is claimed, and why not where none is."""
    if any(budget.exact is not None for budget in record.budgets):
        return (
            "Exact: each sample is settled by a proof that it cannot be broken or by a point that breaks it. "
            "Where all are settled, the value is the true robust accuracy on these samples."
        )
    if all(budget.certified is None for budget in record.budgets):
        return (
            "No certificate covers this model and threat. Nothing is proved and no exact value is claimed: the numbers "
            "only say what these attacks could not break."
        )
    if record.threat.get("box") == "data":
        return (
            "No exact value is claimed. The proof looks at all inputs within ε, also those outside the data box, which "
            "this attacker must not leave. It therefore holds, but may be too careful: the truth lies between the "
            "proved share and the worst case."
        )
    return (
        "No exact value is claimed: the certificate is a lower bound for this model. The truth lies between the proved "
        "share and the worst case."
    )
