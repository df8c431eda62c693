"""Figures of a hardening: accuracy curves, clean against robust accuracy, epochs, and what transfers from the twin."""

from typing import Any

import altair as alt

from counterspin.evaluation.hardening.record import HardenRecord, TradeOff, TransferredAt
from counterspin.evaluation.hardening.wording import defense_words
from counterspin.evaluation.measured import Measured
from counterspin.evaluation.records import AuditRecord
from counterspin.report.attacker import eps_axis
from counterspin.report.charts.base import Chart, curve_chart, finish, legend, measured, ticked, tips
from counterspin.report.formats import number, percent

__all__ = ["epochs_chart", "hardened_curves", "trade_off_chart", "transfer_chart"]

BEFORE, AFTER, ZERO = "undefended", "defended", "defence zero"


def hardened_curves(record: HardenRecord) -> Chart:
    """Robust accuracy against ε before and after, and of defence zero, with 95 % intervals."""
    sides = [(AFTER, record.after), (BEFORE, record.before)]
    sides += [] if record.zero is None else [(ZERO, record.zero)]
    rows = [
        {"series": name, "eps": eps, "band": True} | measured(share)
        for name, audit in reversed(sides)
        for eps, share in _curve(audit)
    ]
    grid = [budget.eps for budget in record.after.budgets]
    x = ticked(alt.X("eps:Q").title(eps_axis(record.after.threat)), [0.0, *grid])
    hints = tips(alt.Tooltip("series:N", title="model"), alt.Tooltip("eps:Q", title="ε"))
    said = "; ".join(f"{name} {percent(audit.budgets[-1].worst_case.value)}" for name, audit in sides)
    summary = f"Robust accuracy against ε. At ε = {number(grid[-1])}: {said}."
    return finish(curve_chart(rows, [name for name, _ in sides], x, "robust accuracy", hints), summary, 320)


def trade_off_chart(record: HardenRecord, eps: str) -> Chart:
    """Clean against robust accuracy at one ε: one point per model with the 95 % interval of both."""
    rows = [_point(line, eps, record) for line in record.trade_off]
    # As in the curves: the defended model first, then the undefended one.
    order = sorted((row["series"] for row in rows), key=lambda name: name != AFTER)
    clean = [row[key] for row in rows for key in ("clean_low", "clean_high")]
    robust = [row[key] for row in rows for key in ("low", "high")]
    base = alt.Chart(alt.Data(values=rows))
    x = alt.X("clean:Q").title("clean accuracy").scale(domain=_range(clean), nice=False, zero=False)
    y = alt.Y("value:Q").title(f"robust accuracy, ε = {eps}").scale(domain=_range(robust), nice=False, zero=False)
    x, y = x.axis(format=".0%", tickCount=6), y.axis(format=".0%", tickCount=6)
    color = alt.Color("series:N").scale(domain=order).legend(legend())
    shape = alt.Shape("series:N").scale(domain=order).legend(legend())
    hints = [
        *tips(alt.Tooltip("series:N", title="model")),
        alt.Tooltip("clean:Q", format=".1%", title="clean accuracy"),
    ]
    upright = base.mark_rule(opacity=0.45, strokeWidth=1.5).encode(
        x=x, y=alt.Y("low:Q").title(f"robust accuracy, ε = {eps}"), y2="high:Q", color=color
    )
    level = base.mark_rule(opacity=0.45, strokeWidth=1.5).encode(
        x=alt.X("clean_low:Q").title("clean accuracy"), x2="clean_high:Q", y=y, color=color
    )
    points = base.mark_point(filled=True, size=150, opacity=1).encode(x=x, y=y, color=color, shape=shape, tooltip=hints)
    summary = f"Clean against robust accuracy at ε = {eps} of {len(rows)} models, with 95 % intervals."
    return finish(alt.layer(upright, level, points), summary, 260)


def transfer_chart(lines: list[TransferredAt]) -> Chart:
    """Share of the correct samples broken by the model's own attacks and by points from its twin, at each ε."""
    sources = {"own white-box attacks": "white_box", "replayed from before": "replayed", "fresh on the twin": "fresh"}
    rows = [
        {"series": series, "eps": number(line.eps), "missed": line.missed} | measured(share)
        for line in lines
        for series, name in sources.items()
        if (share := getattr(line, name)) is not None
    ]
    order = [series for series in sources if any(row["series"] == series for row in rows)]
    budgets = [number(line.eps) for line in lines]
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("eps:N").title("ε").sort(budgets).axis(labelAngle=0),
        xOffset=alt.XOffset("series:N").sort(order),
    )
    y = alt.Y("value:Q").title("share broken").scale(domain=[0, 1]).axis(format="%", tickCount=5)
    hints = [*tips(alt.Tooltip("series:N", title="points"), alt.Tooltip("eps:N", title="ε"))]
    color = alt.Color("series:N").scale(domain=order).legend(legend())
    bars = base.mark_bar(size=26).encode(y=y, color=color, tooltip=hints)
    spread = base.mark_rule(style="reference", strokeWidth=1.5).encode(
        y=alt.Y("low:Q").title("share broken"), y2="high:Q"
    )
    summary = "Share of the correct samples broken by own attacks and by points made on the undefended twin."
    return finish(alt.layer(bars, spread), summary, 240)


def epochs_chart(record: HardenRecord) -> Chart | None:
    """Training loss of each epoch, and what the epoch was chosen by; None for a single epoch."""
    history = record.training.history
    if len(history) < 2:
        return None
    rows: list[dict[str, Any]] = [{"epoch": line.epoch, "value": line.loss} for line in history]
    base = alt.Chart(alt.Data(values=rows))
    chart = base.mark_line(style="measured", strokeWidth=2).encode(
        x=alt.X("epoch:Q").title("epoch").axis(format="d", tickMinStep=1),
        y=alt.Y("value:Q").title("training loss").scale(zero=False).axis(format="~g", tickCount=5),
    )
    kept = alt.Chart(alt.Data(values=[{"epoch": record.training.best_epoch}]))
    rule = kept.mark_rule(style="reference", strokeDash=[6, 4]).encode(x="epoch:Q")
    summary = f"Training loss over {len(history)} epochs of {defense_words(record)}."
    return finish(alt.layer(rule, chart), summary, 180)


def _curve(audit: AuditRecord) -> list[tuple[float, Measured]]:
    return [(0.0, audit.clean_accuracy), *((budget.eps, budget.worst_case) for budget in audit.budgets)]


def _point(line: TradeOff, eps: str, record: HardenRecord) -> dict[str, Any]:
    whole = defense_words(record)
    name = AFTER if line.name == whole else line.name
    clean = {"clean": line.clean.value, "clean_low": line.clean.low, "clean_high": line.clean.high}
    return {"series": name} | clean | measured(line.robust_by_eps[eps])


def _range(values: list[float]) -> list[float]:
    """A domain with some air around the values, within [0, 1]."""
    air = 0.08 * (max(values) - min(values)) + 0.01
    return [max(0.0, min(values) - air), min(1.0, max(values) + air)]
