"""The figures of the report as Altair charts; each carries its data inline and names no colour (see `theme`)."""

from dataclasses import dataclass
from typing import Any, TypeAlias

import altair as alt

from counterspin.evaluation.records import AuditRecord, BudgetRecord, CalibrationRecord, Measured, NoiseCurve
from counterspin.report.wording import count, number, percent, threat_words

__all__ = ["WORST_CASE", "Chart", "bin_counts", "noise_curve", "reliability_diagram", "security_curve", "shot_curve"]

WORST_CASE, CERTIFIED, EXACT = "worst case", "certified", "exact"

# Dash and shape tell the series apart without colour; the first three belong to worst case, certified and exact.
_DASHES = [[1, 0], [8, 4], [2, 3], [6, 2], [1, 2], [10, 3, 2, 3], [4, 4], [12, 3], [3, 2, 1, 2], [8, 2, 2, 2, 2, 2]]
_STAR = "M0,-1L.24,-.32L.95,-.31L.38,.12L.59,.81L0,.4L-.59,.81L-.38,.12L-.95,-.31L-.24,-.32Z"
_SALTIRE = "M-1,-.6L-.6,-1L0,-.4L.6,-1L1,-.6L.4,0L1,.6L.6,1L0,.4L-.6,1L-1,.6L-.4,0Z"
_SHAPES = ["circle", "square", "diamond", "triangle-up", "cross", "triangle-down", _STAR, "triangle-right", _SALTIRE,
           "triangle-left"]  # fmt: skip

# Beyond this ratio of largest to smallest strength a linear axis would press the small ones together.
WIDE = 10

# What altair promises for a stack of layers.
_Layers: TypeAlias = alt.LayerChart | alt.FacetChart


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One figure.

    Args:
        spec: the Vega-Lite specification, data inline, width following its container.
        summary: what it shows, in one sentence, for those who do not see it.
    """

    spec: dict[str, Any]
    summary: str


def _measured(measured: Measured) -> dict[str, float]:
    return {"value": measured.value, "low": measured.low, "high": measured.high}


def _share_axis(title: str) -> alt.Y:
    return alt.Y("value:Q").title(title).scale(domain=[0, 1]).axis(format="%", tickCount=5)


def _ticked(x: alt.X, values: list[float]) -> alt.X:
    """An axis from 0 with a tick at each measured value."""
    return x.scale(domain=[0.0, values[-1]], nice=False).axis(values=values, format=".4~g")


def _finish(chart: _Layers, summary: str, height: int) -> Chart:
    sized = chart.properties(width="container", height=height, description=summary).configure_view(stroke=None)
    return Chart(spec=sized.to_dict(), summary=summary)


def _curves(rows: list[dict[str, Any]], series: list[str], x: alt.X, title: str, tips: list[alt.Tooltip]) -> _Layers:
    """Lines with marks and 95 % bands.

    `series` is in the order of palette, dashes, shapes and legend, the first one bold; later rows are drawn on top.
    """
    base = alt.Chart(alt.Data(values=rows)).encode(x=x)
    repeats = -(-len(series) // len(_SHAPES))

    def scaled(channel: Any, values: list[Any]) -> Any:
        return channel("series:N").scale(domain=series, range=values[: len(series)])

    legend = alt.Legend(orient="bottom", symbolLimit=0, symbolOpacity=1, columnPadding=16)
    color = alt.Color("series:N").scale(domain=series).legend(legend)
    shape = scaled(alt.Shape, _SHAPES * repeats).legend(legend)
    dash = scaled(alt.StrokeDash, _DASHES * repeats).legend(legend)
    first = alt.datum.series == series[0]
    width = alt.condition(first, alt.value(3.5), alt.value(1.75))
    size = alt.condition(first, alt.value(120), alt.value(50))
    y = _share_axis(title)
    band = (
        base.transform_filter("datum.band")
        .mark_area(opacity=0.14)
        .encode(y=alt.Y("low:Q").title(title), y2="high:Q", color=color)
    )
    lines = base.mark_line().encode(y=y, color=color, strokeDash=dash, strokeWidth=width)
    points = base.mark_point(filled=True, opacity=1).encode(y=y, color=color, shape=shape, size=size, tooltip=tips)
    return alt.layer(band, lines, points)


def _tips(*first: alt.Tooltip) -> list[alt.Tooltip]:
    return [
        *first,
        alt.Tooltip("value:Q", format=".1%", title="share"),
        alt.Tooltip("low:Q", format=".1%", title="95 % from"),
        alt.Tooltip("high:Q", format=".1%", title="95 % to"),
    ]


def _settled(budget: BudgetRecord) -> Measured | None:
    """The exact value where proof and counterexample meet."""
    exact = budget.exact
    return exact.lower if exact is not None and exact.lower.value == exact.upper.value else None


def security_curve(record: AuditRecord) -> Chart:
    """Robust accuracy against ε: the worst case, the certificate as lower envelope, exact where settled, every attack.

    All curves start at ε = 0 with the clean accuracy; worst case and certificate carry their 95 % intervals as bands.
    """
    attacks = list(dict.fromkeys(name for budget in record.budgets for name in budget.attacks))
    certified = any(budget.certified is not None for budget in record.budgets)
    exact = any(_settled(budget) is not None for budget in record.budgets)
    series = [WORST_CASE, *[CERTIFIED] * certified, *[EXACT] * exact]
    # An attack may carry the name of a curve: the method that finds exact minima is itself one of the attacks.
    labels = {name: f"attack: {name}" if name in (WORST_CASE, CERTIFIED, EXACT) else name for name in attacks}

    def row(name: str, eps: float, measured: Measured) -> dict[str, Any]:
        return {"series": name, "eps": eps, "band": name in (WORST_CASE, CERTIFIED)} | _measured(measured)

    # Attacks first: the curves that bound the truth are drawn on top of them.
    rows = [row(name, 0.0, record.clean_accuracy) for name in [*labels.values(), *series]]
    for budget in record.budgets:
        rows += [row(labels[name], budget.eps, found.robust_accuracy) for name, found in budget.attacks.items()]
        rows.append(row(WORST_CASE, budget.eps, budget.worst_case))
        if budget.certified is not None:
            rows.append(row(CERTIFIED, budget.eps, budget.certified))
        # An open bracket is no exact value; its ends lie between the two curves above.
        if (settled := _settled(budget)) is not None:
            rows.append(row(EXACT, budget.eps, settled))
    unit, norm = threat_words(record.threat)
    x = _ticked(alt.X("eps:Q").title(f"ε ({unit}, {norm})"), [0.0, *(budget.eps for budget in record.budgets)])
    tips = _tips(alt.Tooltip("series:N", title="curve"), alt.Tooltip("eps:Q", title="ε"))
    last = record.budgets[-1]
    summary = (
        f"Security curve. Accuracy falls from {percent(record.clean_accuracy.value)} without an attack to "
        f"{percent(last.worst_case.value)} in the worst case at ε = {number(last.eps)}."
    )
    return _finish(_curves(rows, [*series, *labels.values()], x, "robust accuracy", tips), summary, 380)


def reliability_diagram(calibration: CalibrationRecord) -> Chart:
    """Accuracy against confidence, bin by bin with 95 % intervals, and the diagonal of perfect calibration."""
    rows = [
        {"confidence": b.confidence, "n": b.n, "bin": f"{b.low:.2f}–{b.high:.2f}"} | _measured(b.accuracy)
        for b in calibration.reliability
        if b.n > 0
    ]
    x = alt.X("confidence:Q").title("confidence").scale(domain=[0, 1]).axis(format="%", tickCount=5)
    y = _share_axis("accuracy")
    base = alt.Chart(alt.Data(values=rows)).encode(x=x)
    ends = alt.Data(values=[{"confidence": 0, "value": 0}, {"confidence": 1, "value": 1}])
    diagonal = alt.Chart(ends).mark_line(style="reference", strokeDash=[6, 4]).encode(x=x, y=y)
    spread = base.mark_rule(style="measured", strokeWidth=2).encode(y=alt.Y("low:Q"), y2="high:Q")
    line = base.mark_line(style="measured", strokeWidth=1.5).encode(y=y)
    points = base.mark_point(style="measured", filled=True, size=70, opacity=1).encode(
        y=y,
        tooltip=_tips(
            alt.Tooltip("bin:N"), alt.Tooltip("n:Q", title="samples"), alt.Tooltip("confidence:Q", format=".1%")
        ),
    )
    summary = (
        "Reliability diagram. Accuracy in each confidence bin; on the dashed diagonal confidence equals accuracy. "
        f"Expected calibration error {percent(calibration.ece.value)}."
    )
    return _finish(alt.layer(diagonal, alt.layer(spread, line, points)), summary, 300)


def bin_counts(calibration: CalibrationRecord) -> Chart:
    """How many samples stand behind each bin of the reliability diagram, on the same confidence axis."""
    rows = [{"low": b.low, "high": b.high, "n": b.n, "middle": (b.low + b.high) / 2} for b in calibration.reliability]
    x = alt.X("low:Q").title("confidence").scale(domain=[0, 1]).axis(format="%", tickCount=5)
    y = alt.Y("n:Q").title("samples").axis(tickCount=3, tickMinStep=1)
    base = alt.Chart(alt.Data(values=rows))
    bars = base.mark_bar(style="measured", binSpacing=1).encode(x=x.bin("binned"), x2="high:Q", y=y)
    notes = base.transform_filter("datum.n > 0").mark_text(style="note", dy=-7).encode(x="middle:Q", y=y, text="n:Q")
    total = sum(b.n for b in calibration.reliability)
    return _finish(alt.layer(bars, notes), f"Number of samples in each confidence bin, {count(total)} in total.", 110)


def _shots(shots: int | None) -> str:
    return "∞ shots" if shots is None else f"{shots} shots"


def noise_curve(curve: NoiseCurve) -> Chart:
    """Clean accuracy against the strength of one kind of noise, one line for each number of shots."""
    order = sorted({p.shots for p in curve.points}, key=lambda shots: -1 if shots is None else shots)
    rows = [
        {"series": _shots(p.shots), "strength": p.strength, "band": p.shots is None} | _measured(p.accuracy)
        for p in sorted(curve.points, key=lambda point: point.strength)
    ]
    strengths = sorted({0.0} | {p.strength for p in curve.points})
    x = _ticked(alt.X("strength:Q").title("strength"), strengths)
    smallest = strengths[1] if len(strengths) > 1 else 0.0
    if 0 < WIDE * smallest < strengths[-1]:
        x = x.title(f"strength (logarithmic above {number(smallest)})")
        x = x.scale(type="symlog", constant=smallest, domain=[0.0, strengths[-1]], nice=False)
    tips = _tips(alt.Tooltip("series:N", title="shots"), alt.Tooltip("strength:Q", title="strength"))
    best = max(p.accuracy.value for p in curve.points)
    worst = min(p.accuracy.value for p in curve.points)
    summary = f"{curve.label}: clean accuracy between {percent(best)} and {percent(worst)} over strengths and shots."
    return _finish(_curves(rows, [_shots(s) for s in order], x, "clean accuracy", tips), summary, 260)


def shot_curve(curves: list[NoiseCurve]) -> Chart | None:
    """Clean accuracy against the number of shots without added noise; None where fewer than two numbers were tried."""
    clean = {p.shots: p.accuracy for curve in reversed(curves) for p in curve.points if p.strength == 0}
    finite = sorted(shots for shots in clean if shots is not None)
    if len(finite) < 2:
        return None
    rows = [{"series": "finite shots", "shots": s, "band": True} | _measured(clean[s]) for s in finite]
    series = ["finite shots"]
    if None in clean:
        series.append("∞ shots")
        limit = {"series": "∞ shots", "band": False} | _measured(clean[None])
        rows += [limit | {"shots": s} for s in (finite[0], finite[-1])]
    x = alt.X("shots:Q").title("shots per sample").scale(type="log", base=2, nice=False).axis(values=finite, format="d")
    tips = _tips(alt.Tooltip("series:N", title="curve"), alt.Tooltip("shots:Q"))
    summary = (
        f"Finite shots without added noise: clean accuracy {percent(clean[finite[0]].value)} with {finite[0]} shots, "
        f"{percent(clean[finite[-1]].value)} with {finite[-1]}."
    )
    return _finish(_curves(rows, series, x, "clean accuracy", tips), summary, 260)
