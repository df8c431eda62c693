"""How the report says things: numbers, intervals and the headline in plain words."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from counterspin.evaluation.records import AuditRecord, BudgetRecord, Measured, SanityRecord
from counterspin.evaluation.statistics import rule_of_three
from counterspin.report.attacker import budget_words
from counterspin.report.formats import NBSP, count, percent

__all__ = [
    "MARKS",
    "checks_sentence",
    "exact_note",
    "failed_checks",
    "headline",
    "headline_budget",
    "interval",
    "is_cut_short",
    "route_sentence",
    "share",
    "undecided_note",
    "verdict_mark",
    "zero_note",
]

MARKS = {"pass": "reliable", "warn": "reliable, with warnings", "fail": "UNRELIABLE"}


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


def headline_budget(record: AuditRecord) -> BudgetRecord:
    """The budget of the headline: the middle of the grid, the larger of two."""
    return record.budgets[len(record.budgets) // 2]


def headline(record: AuditRecord) -> str:
    """What was found, in one sentence."""
    budget = headline_budget(record)
    worst = budget.worst_case
    samples = "test samples" if record.dataset.get("split") == "test" else "samples"
    attacks = f"all {len(budget.attacks)} attacks" if len(budget.attacks) > 1 else "the one attack"
    found = (
        f"{budget_words(record.threat, budget.eps)}, {percent(worst.value)} of {count(worst.n)} "
        f"{samples} are correct and unbroken by {attacks} tried"
    )
    exact = budget.exact
    agree = exact is not None and exact.lower.value == exact.upper.value == worst.value
    if budget.certified is None:
        proved = "nothing is proved"
    else:
        proved = f"{percent(budget.certified.value)} is proved{', so the number is exact' if agree else ''}"
    undecided = budget.undecided
    if undecided is not None and undecided.value > 0:
        proved += f"; on {percent(undecided.value)} the test came to no verdict, they count as broken"
    return f"{found}; {proved}."


def failed_checks(sanity: SanityRecord) -> str:
    """Ids of the failed checks: `S04, S24`."""
    return ", ".join(check.id for check in sanity.checks if check.status == "FAIL")


def is_cut_short(record: AuditRecord) -> bool:
    """Whether an execution budget ended the audit before it was complete."""
    return record.budget is not None and record.budget.reached


def verdict_mark(record: AuditRecord) -> str:
    """What stands next to every figure and table: `UNRELIABLE: S04 failed`, or that the audit is reliable."""
    sanity = record.sanity
    if is_cut_short(record) and sanity.verdict != "fail":
        return "incomplete: budget reached"
    return MARKS[sanity.verdict] + (f": {failed_checks(sanity)} failed" if sanity.verdict == "fail" else "")


def undecided_note(record: AuditRecord) -> str:
    """What UNDECIDED means for the numbers; empty for a deterministic model."""
    shares = [budget.undecided for budget in record.budgets if budget.undecided is not None]
    if not shares:
        return ""
    most = max(shares, key=lambda share: share.value)
    if most.value == 0:
        return "The model is stochastic; the test behind each verdict decided every sample."
    return (
        f"The model is stochastic: a verdict is a test on repeated predictions. On up to {percent(most.value)} of the "
        "samples it came to no verdict within its limit of calls. The worst case counts these as broken; the upper "
        "value counts them as robust. The truth about these attacks lies between the two."
    )


def checks_sentence(record: AuditRecord) -> str:
    """What the sanity checks say about the audit, in one sentence."""
    statuses = Counter(check.status for check in record.sanity.checks)
    decided = statuses["PASS"] + statuses["WARN"] + statuses["FAIL"]
    skipped = f", {statuses['SKIP']} skipped" if statuses["SKIP"] else ""
    if is_cut_short(record) and record.sanity.verdict != "fail":
        passed = f"{statuses['PASS']} of {decided} checks passed{skipped}" if decided else "no check was run"
        return f"Audit incomplete, its budget was reached: {passed}."
    if record.sanity.verdict == "fail":
        return f"Audit unreliable: {statuses['FAIL']} of {decided} checks failed{skipped}."
    if record.sanity.verdict == "warn":
        passed = f"{statuses['PASS']} of {decided} checks passed"
        return f"Audit reliable, with warnings: {passed}, {statuses['WARN']} warned{skipped}."
    return f"Audit reliable: {statuses['PASS']} of {decided} checks passed{skipped}."


def route_sentence(model: Mapping[str, Any]) -> str:
    """How a model of another library was taken in, and in which features budgets are measured.

    Example:
        >>> route_sentence({"library": "torch.Module", "route": "wrapped", "space": "features as given", "repairs": []})
        'The model is a torch.Module and computed by its own library. ε is measured in features as given.'
    """
    how = {
        "imported": "read into counterspin, with the same values and gradients",
        "wrapped": "computed by its own library",
        "native": "computed by counterspin",
    }[model["route"]]
    mended = "".join(f" Mended: {repair}." for repair in model["repairs"])
    return f"The model is a {model['library']} and {how}.{mended} ε is measured in {model['space']}."


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
    limits = {"outside the data box": record.threat.get("box") == "data"}
    limits["with features changed that must stay"] = record.threat.get("mask") is not None
    limits["with values that are not allowed"] = bool(record.threat.get("groups"))
    beyond = [words for words, holds in limits.items() if holds]
    if beyond:
        return (
            f"No exact value is claimed. The proof looks at all inputs within ε, also those {' or '.join(beyond)}, "
            "which are out of this attacker's reach. It therefore holds, but may be too careful: the truth lies "
            "between the proved share and the worst case."
        )
    return (
        "No exact value is claimed: the certificate is a lower bound for this model. The truth lies between the proved "
        "share and the worst case."
    )
