"""Distances as distribution functions: how many samples are broken within each distance."""

from typing import Any

import altair as alt

from counterspin.report.attacker import threat_words
from counterspin.report.charts.base import Chart, dashes, finish, legend, picked
from counterspin.report.distances import Distances, ecdf
from counterspin.report.formats import number, percent

__all__ = ["UNION", "distance_curves", "proved_label"]

UNION = "all attacks together"

# More steps than these cannot be told apart.
_MOST_STEPS = 300


def proved_label(distances: Distances) -> str:
    """What the proved distances are called: exact, or a bound that no attack can cross."""
    return "exact" if distances.exact else "certified bound"


def distance_curves(distances: Distances, threat: dict) -> Chart:
    """Share of samples broken within each distance, per attack, of all together, and as proved.

    Misclassified samples are broken at distance 0; beyond the largest ε nothing is counted.
    """
    shown = {UNION: distances.union}
    if distances.proved is not None:
        shown[proved_label(distances)] = distances.proved
    shown |= {f"attack: {name}" if name in shown else name: found for name, found in distances.attacks.items()}
    series = list(shown)
    # The attacks alone first: what is near the truth is drawn on top.
    rows = [_steps(name, ecdf(shown[name], distances.largest)) for name in [*series[2:], *series[:2]]]
    unit, norm = threat_words(threat)
    choice, opacity = picked()
    x = alt.X("distance:Q").title(f"distance ({unit}, {norm})").scale(domain=[0, distances.largest], nice=False)
    x = x.axis(format="~g", tickCount=6)
    y = alt.Y("value:Q").title("samples broken within it").scale(domain=[0, 1]).axis(format="%", tickCount=5)
    color = alt.Color("series:N").scale(domain=series).legend(legend(lines=True))
    width = alt.condition(alt.datum.series == UNION, alt.value(3.5), alt.value(1.75))
    hints = [alt.Tooltip("series:N", title="curve"), alt.Tooltip("distance:Q", format=".4~g"),
             alt.Tooltip("value:Q", format=".1%", title="broken")]  # fmt: skip
    lines = (
        alt.Chart(alt.Data(values=rows))
        .transform_flatten(["distance", "value"])
        .mark_line(interpolate="step-after")
        .encode(
            x=x,
            y=y,
            color=color,
            strokeDash=dashes(series).legend(legend(lines=True)),
            strokeWidth=width,
            opacity=opacity,
        )
        .encode(tooltip=hints)
        .add_params(choice)
    )
    broken = ecdf(distances.union, distances.largest)[-1][1]
    summary = (
        f"Distribution of distances: within {number(distances.largest)} all attacks together break {percent(broken)} "
        "of the samples, misclassified ones included."
    )
    return finish(lines, summary, 320)


def _steps(name: str, steps: list[tuple[float, float]]) -> dict[str, Any]:
    """One row for a curve, taken apart in the browser; at most 300 of its steps, with the first and the last."""
    last = len(steps) - 1
    kept = sorted({round(place * last / _MOST_STEPS) for place in range(_MOST_STEPS + 1)})
    distance, value = ([round(steps[k][axis], 6) for k in kept] for axis in (0, 1))
    return {"series": name, "distance": distance, "value": value}
