"""Robust accuracy at each ε: proved, exact, and against every attack."""

from counterspin.evaluation.records import AuditRecord, ExactRecord, Measured
from counterspin.evaluation.summary import EXACT_ATTACKS
from counterspin.report.formats import number, percent
from counterspin.report.tables.base import Table
from counterspin.report.wording import share, zero_note

__all__ = ["attack_names", "attacks_table", "budgets_table"]


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
    both = any(
        {*EXACT_ATTACKS} & budget.attacks.keys() or budget.worst_case_gradient != budget.worst_case
        for budget in record.budgets
    )
    open_ = any(budget.worst_case_upper is not None for budget in record.budgets)
    rows = [
        (
            number(budget.eps),
            "nothing proved" if budget.certified is None else _stated(budget.certified),
            _exact(budget.exact),
            _stated(budget.worst_case),
            *[share(budget.worst_case_upper)] * open_,
            *[share(budget.undecided)] * open_,
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
            *["Undecided counted as robust", "Undecided"] * open_,
            *["Gradient attacks alone"] * both,
        ),
        rows=tuple(rows),
    )


def attacks_table(record: AuditRecord) -> Table:
    """Every attack at every ε."""
    rows = [
        (name, number(budget.eps), share(found.robust_accuracy), share(found.attack_success_rate))
        for name in attack_names(record)
        for budget in record.budgets
        if (found := budget.attacks.get(name)) is not None
    ]
    return Table(
        caption="Each attack on its own, with 95 % intervals. Success counts the correctly classified samples only.",
        columns=("Attack", "ε", "Robust accuracy", "Attack success rate"),
        rows=tuple(rows),
    )


def attack_names(record: AuditRecord) -> list[str]:
    """Every attack of an audit, in the order of its first appearance."""
    return list(dict.fromkeys(name for budget in record.budgets for name in budget.attacks))
