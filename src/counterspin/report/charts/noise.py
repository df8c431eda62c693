"""Clean accuracy against noise and against the number of shots."""

import altair as alt

from counterspin.evaluation.records import NoiseCurve
from counterspin.report.charts.base import Chart, curve_chart, finish, measured, ticked, tips
from counterspin.report.formats import number, percent

__all__ = ["noise_curve", "shot_curve"]

# Beyond this ratio of largest to smallest strength a linear axis would press the small ones together.
WIDE = 10


def _shots(shots: int | None) -> str:
    return "∞ shots" if shots is None else f"{shots} shots"


def noise_curve(curve: NoiseCurve) -> Chart:
    """Clean accuracy against the strength of one kind of noise, one line for each number of shots."""
    order = sorted({p.shots for p in curve.points}, key=lambda shots: -1 if shots is None else shots)
    rows = [
        {"series": _shots(p.shots), "strength": p.strength, "band": p.shots is None} | measured(p.accuracy)
        for p in sorted(curve.points, key=lambda point: point.strength)
    ]
    strengths = sorted({0.0} | {p.strength for p in curve.points})
    x = ticked(alt.X("strength:Q").title("strength"), strengths)
    smallest = strengths[1] if len(strengths) > 1 else 0.0
    if 0 < WIDE * smallest < strengths[-1]:
        x = x.title(f"strength (logarithmic above {number(smallest)})")
        x = x.scale(type="symlog", constant=smallest, domain=[0.0, strengths[-1]], nice=False)
    hints = tips(alt.Tooltip("series:N", title="shots"), alt.Tooltip("strength:Q", title="strength"))
    best = max(p.accuracy.value for p in curve.points)
    worst = min(p.accuracy.value for p in curve.points)
    summary = f"{curve.label}: clean accuracy between {percent(best)} and {percent(worst)} over strengths and shots."
    return finish(curve_chart(rows, [_shots(s) for s in order], x, "clean accuracy", hints), summary, 260)


def shot_curve(curves: list[NoiseCurve]) -> Chart | None:
    """Clean accuracy against the number of shots without added noise; None where fewer than two numbers were tried."""
    clean = {p.shots: p.accuracy for curve in reversed(curves) for p in curve.points if p.strength == 0}
    finite = sorted(shots for shots in clean if shots is not None)
    if len(finite) < 2:
        return None
    rows = [{"series": "finite shots", "shots": s, "band": True} | measured(clean[s]) for s in finite]
    series = ["finite shots"]
    if None in clean:
        series.append("∞ shots")
        limit = {"series": "∞ shots", "band": False} | measured(clean[None])
        rows += [limit | {"shots": s} for s in (finite[0], finite[-1])]
    x = alt.X("shots:Q").title("shots per sample").scale(type="log", base=2, nice=False).axis(values=finite, format="d")
    hints = tips(alt.Tooltip("series:N", title="curve"), alt.Tooltip("shots:Q"))
    summary = (
        f"Finite shots without added noise: clean accuracy {percent(clean[finite[0]].value)} with {finite[0]} shots, "
        f"{percent(clean[finite[-1]].value)} with {finite[-1]}."
    )
    return finish(curve_chart(rows, series, x, "clean accuracy", hints), summary, 260)
