"""Traces over queries as small multiples: one for each attack, one line for each ε."""

from collections.abc import Sequence

import altair as alt

from counterspin.report.attacker import eps_axis
from counterspin.report.charts.base import Chart, dashes, facetted, legend, picked
from counterspin.report.formats import number
from counterspin.report.traces import Trace

__all__ = ["broken_traces", "distance_traces", "margin_traces"]

_HEIGHT = 120


def broken_traces(traces: Sequence[Trace], threat: dict) -> Chart | None:
    """Share of the correctly classified samples broken after each query."""
    axis = alt.Y("value:Q").title(None).scale(domain=[0, 1]).axis(format="%", tickCount=3)
    return _multiples(traces, [t.broken for t in traces], axis, "Share of the correct samples broken", threat)


def margin_traces(traces: Sequence[Trace], threat: dict) -> Chart | None:
    """Mean of the smallest margin of each correctly classified sample after each query, broken ones as 0."""
    axis = alt.Y("value:Q").title(None).scale(zero=True).axis(format="~s", tickCount=3)
    return _multiples(traces, [t.best_margin for t in traces], axis, "Mean smallest margin", threat)


def distance_traces(traces: Sequence[Trace], threat: dict) -> Chart | None:
    """Mean of the smallest distance of each correctly classified sample after each query, the largest ε if unbroken."""
    axis = alt.Y("value:Q").title(None).scale(zero=True).axis(format="~g", tickCount=3)
    return _multiples(traces, [t.distance for t in traces], axis, "Mean smallest distance", threat)


def _multiples(
    traces: Sequence[Trace], values: Sequence[Sequence[float]], axis: alt.Y, what: str, threat: dict
) -> Chart | None:
    """None where no trace has such values."""
    drawn = [(trace, found) for trace, found in zip(traces, values, strict=True) if found]
    if not drawn:
        return None
    # An ε has one look in all figures of traces.
    series, present = (
        [f"ε = {number(eps)}" for eps in sorted({trace.eps for trace in some})]
        for some in (traces, [t for t, _ in drawn])
    )
    # One row a trace, taken apart in the browser: that is a third of the text.
    rows = [
        {"attack": t.attack, "series": f"ε = {number(t.eps)}", "query": list(t.queries), "value": list(found)}
        for t, found in drawn
    ]
    longest = max(trace.queries[-1] for trace, _ in drawn)
    choice, opacity = picked()
    x = alt.X("query:Q").title("queries").scale(type="log", domain=[1, max(10, longest)], nice=False)
    shown = legend(lines=True, values=present)
    color = alt.Color("series:N").scale(domain=series).legend(shown)
    cell = (
        alt.Chart(alt.Data(values=rows))
        .transform_flatten(["query", "value"])
        .mark_line(strokeWidth=1.75)
        .encode(
            x=x.axis(format="~s", values=[10**k for k in range(len(str(longest)))]),
            y=axis,
            color=color,
            strokeDash=dashes(series).legend(shown),
            opacity=opacity,
        )
        .add_params(choice)
    )
    attacks = list(dict.fromkeys(trace.attack for trace, _ in drawn))
    summary = f"{what} against the number of queries, for {', '.join(attacks)} at each {eps_axis(threat)}."
    return facetted(cell, summary, by="attack", order=attacks, height=_HEIGHT)
