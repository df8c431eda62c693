"""Robust accuracy against ε: curves where there are several ε, a dot plot where there is one."""

from typing import Any

import altair as alt

from counterspin.evaluation.records import AuditRecord, BudgetRecord, Measured
from counterspin.report.attacker import eps_axis
from counterspin.report.charts.base import Chart, curve_chart, finish, measured, ticked, tips
from counterspin.report.formats import count, number, percent

__all__ = ["UNDECIDED", "WORST_CASE", "security_curve"]

WORST_CASE, CERTIFIED, EXACT = "worst case", "certified", "exact"
UNDECIDED = "undecided as robust"
CLEAN = "no attack"

# Height of a row of the dot plot in pixels, and on which side of its dot a number has room.
_ROW = 26
_OUTWARD = "datum.value > 0.5 ? 'right' : 'left'"


def security_curve(record: AuditRecord) -> Chart:
    """Robust accuracy: the worst case, the certificate as lower envelope, exact where settled, and every attack.

    Curves start at ε = 0 with the clean accuracy; worst case and certificate carry their 95 % intervals as bands. With
    a single ε each becomes a row with a dot and its interval.
    """
    return _curves(record) if len(record.budgets) > 1 else _dots(record)


def _labels(record: AuditRecord) -> dict[str, str]:
    """Name of each attack in the figure: the method that finds exact minima is itself one of the attacks."""
    attacks = dict.fromkeys(name for budget in record.budgets for name in budget.attacks)
    taken = (WORST_CASE, UNDECIDED, CERTIFIED, EXACT, CLEAN)
    return {name: f"attack: {name}" if name in taken else name for name in attacks}


def _bounds(budget: BudgetRecord) -> dict[str, Measured]:
    """What bounds the truth at one ε; an open bracket is no exact value, its ends lie between the other two."""
    exact = budget.exact
    found = {WORST_CASE: budget.worst_case, UNDECIDED: budget.worst_case_upper, CERTIFIED: budget.certified}
    found[EXACT] = exact.lower if exact is not None and exact.lower.value == exact.upper.value else None
    return {name: share for name, share in found.items() if share is not None}


def _curves(record: AuditRecord) -> Chart:
    labels = _labels(record)
    series = [s for s in (WORST_CASE, UNDECIDED, CERTIFIED, EXACT) if any(s in _bounds(b) for b in record.budgets)]

    def row(name: str, eps: float, share: Measured, *, thin: bool) -> dict[str, Any]:
        extra = {"band": name in (WORST_CASE, CERTIFIED)} | ({"thin": True} if thin else {})
        return {"series": name, "eps": eps} | extra | measured(share)

    # Attacks first: the curves that bound the truth are drawn on top of them.
    rows = [row(name, 0.0, record.clean_accuracy, thin=True) for name in labels.values()]
    for budget in record.budgets:
        rows += [
            row(labels[name], budget.eps, found.robust_accuracy, thin=True) for name, found in budget.attacks.items()
        ]
    rows += [row(name, 0.0, record.clean_accuracy, thin=False) for name in series]
    for budget in record.budgets:
        bounds = _bounds(budget)
        rows += [row(name, budget.eps, bounds[name], thin=False) for name in series if name in bounds]
    x = ticked(alt.X("eps:Q").title(eps_axis(record.threat)), [0.0, *(budget.eps for budget in record.budgets)])
    hints = tips(alt.Tooltip("series:N", title="curve"), alt.Tooltip("eps:Q", title="ε"))
    last = record.budgets[-1]
    summary = (
        f"Security curve. Accuracy falls from {percent(record.clean_accuracy.value)} without an attack to "
        f"{percent(last.worst_case.value)} in the worst case at ε = {number(last.eps)}."
    )
    return finish(curve_chart(rows, [*series, *labels.values()], x, "robust accuracy", hints), summary, 400)


def _dots(record: AuditRecord) -> Chart:
    budget = record.budgets[0]
    attacks = sorted(budget.attacks.items(), key=lambda pair: pair[1].robust_accuracy.value)
    labels, bounds = _labels(record), _bounds(budget)
    shares = {CLEAN: record.clean_accuracy} | {name: bounds[name] for name in (WORST_CASE, UNDECIDED) if name in bounds}
    shares |= {name: bounds[name] for name in (EXACT, CERTIFIED) if name in bounds}
    kinds = {name: "bound" for name in shares}
    shares |= {labels[name]: found.robust_accuracy for name, found in attacks}
    rows = [
        {"series": name, "kind": kinds.get(name, "attack"), "first": name == WORST_CASE, "label": percent(share.value)}
        | measured(share)
        for name, share in shares.items()
    ]
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=alt.Y("series:N").title(None).sort(list(shares)).axis(minExtent=0, maxExtent=220, labelLimit=140, grid=True)
    )
    x = alt.X("value:Q").title("robust accuracy").scale(domain=[0, 1.0]).axis(format="%", tickCount=5)
    color = alt.Color("kind:N").scale(domain=["bound", "attack"]).legend(None)
    width = alt.condition(alt.datum.first, alt.value(4), alt.value(1.75))
    size = alt.condition(alt.datum.first, alt.value(150), alt.value(70))
    hints = tips(alt.Tooltip("series:N", title="against"))
    spread = base.mark_rule().encode(x=alt.X("low:Q"), x2="high:Q", color=color, strokeWidth=width)
    points = base.mark_point(filled=True, opacity=1).encode(x=x, color=color, size=size, tooltip=hints)
    notes = base.mark_text(style="note", dy=-10, align=alt.expr(_OUTWARD)).encode(x=x, text="label:N")
    summary = (
        f"Robust accuracy at ε = {number(budget.eps)}: {percent(record.clean_accuracy.value)} without an attack, "
        f"{percent(budget.worst_case.value)} in the worst case of {count(len(attacks))} attacks."
    )
    return finish(alt.layer(spread, points, notes), summary, _ROW * len(rows) + 20)
