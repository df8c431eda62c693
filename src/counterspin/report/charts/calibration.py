"""Confidence against accuracy, and how many samples stand behind each bin."""

import altair as alt

from counterspin.evaluation.records import CalibrationRecord
from counterspin.report.charts.base import Chart, finish, measured, share_axis, tips
from counterspin.report.formats import count, percent

__all__ = ["bin_counts", "reliability_diagram"]


def reliability_diagram(calibration: CalibrationRecord) -> Chart:
    """Accuracy against confidence, bin by bin with 95 % intervals, and the diagonal of perfect calibration."""
    rows = [
        {"confidence": b.confidence, "n": b.n, "bin": f"{b.low:.2f}–{b.high:.2f}"} | measured(b.accuracy)
        for b in calibration.reliability
        if b.n > 0
    ]
    x = alt.X("confidence:Q").title("confidence").scale(domain=[0, 1]).axis(format="%", tickCount=5)
    y = share_axis("accuracy")
    base = alt.Chart(alt.Data(values=rows)).encode(x=x)
    ends = alt.Data(values=[{"confidence": 0, "value": 0}, {"confidence": 1, "value": 1}])
    diagonal = alt.Chart(ends).mark_line(style="reference", strokeDash=[6, 4]).encode(x=x, y=y)
    spread = base.mark_rule(style="measured", strokeWidth=2).encode(y=alt.Y("low:Q"), y2="high:Q")
    line = base.mark_line(style="measured", strokeWidth=1.5).encode(y=y)
    points = base.mark_point(style="measured", filled=True, size=70, opacity=1).encode(
        y=y,
        tooltip=tips(
            alt.Tooltip("bin:N"), alt.Tooltip("n:Q", title="samples"), alt.Tooltip("confidence:Q", format=".1%")
        ),
    )
    summary = (
        "Reliability diagram. Accuracy in each confidence bin; on the dashed diagonal confidence equals accuracy. "
        f"Expected calibration error {percent(calibration.ece.value)}."
    )
    return finish(alt.layer(diagonal, alt.layer(spread, line, points)), summary, 300)


def bin_counts(calibration: CalibrationRecord) -> Chart:
    """How many samples stand behind each bin of the reliability diagram, on the same confidence axis."""
    rows = [{"low": b.low, "high": b.high, "n": b.n, "middle": (b.low + b.high) / 2} for b in calibration.reliability]
    x = alt.X("low:Q").title("confidence").scale(domain=[0, 1]).axis(format="%", tickCount=5)
    y = alt.Y("n:Q").title("samples").axis(tickCount=3, tickMinStep=1)
    base = alt.Chart(alt.Data(values=rows))
    bars = base.mark_bar(style="measured", binSpacing=1).encode(x=x.bin("binned"), x2="high:Q", y=y)
    notes = base.transform_filter("datum.n > 0").mark_text(style="note", dy=-7).encode(x="middle:Q", y=y, text="n:Q")
    total = sum(b.n for b in calibration.reliability)
    return finish(alt.layer(bars, notes), f"Number of samples in each confidence bin, {count(total)} in total.", 110)
