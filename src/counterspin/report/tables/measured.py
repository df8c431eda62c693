"""Calibration, noise and shots in numbers."""

from counterspin.evaluation.records import CalibrationRecord, NoiseCurve
from counterspin.report.formats import count, number, percent
from counterspin.report.tables.base import Table
from counterspin.report.wording import share

__all__ = ["calibration_table", "noise_table", "shots_table"]


def calibration_table(calibration: CalibrationRecord) -> Table:
    """The bins of the reliability diagram."""
    rows = [
        (
            f"{percent(b.low)} to {percent(b.high)}",
            count(b.n),
            percent(b.confidence) if b.n else "–",
            share(b.accuracy) if b.n else "–",
        )
        for b in calibration.reliability
    ]
    columns = ("Confidence bin", "Samples", "Mean confidence", "Accuracy")
    return Table(
        caption="Reliability of the clean predictions, with 95 % intervals.", columns=columns, rows=tuple(rows)
    )


def noise_table(curve: NoiseCurve) -> Table:
    """Clean accuracy per strength (rows) and number of shots (columns)."""
    shots = sorted({p.shots for p in curve.points}, key=lambda s: float("inf") if s is None else s)
    found = {(p.strength, p.shots): p.accuracy for p in curve.points}
    rows = [
        (number(strength), *(share(found.get((strength, s))) for s in shots))
        for strength in sorted({p.strength for p in curve.points})
    ]
    columns = ("Strength", *("∞ shots" if s is None else f"{count(s)} shots" for s in shots))
    return Table(caption=f"{curve.label}: clean accuracy with 95 % intervals.", columns=columns, rows=tuple(rows))


def shots_table(curves: list[NoiseCurve]) -> Table:
    """Clean accuracy without added noise per number of shots."""
    found = {p.shots: p.accuracy for curve in reversed(curves) for p in curve.points if p.strength == 0}
    order = sorted(found, key=lambda s: float("inf") if s is None else s)
    rows = tuple(("∞" if s is None else count(s), share(found[s])) for s in order)
    caption = "Clean accuracy without added noise, with 95 % intervals."
    return Table(caption=caption, columns=("Shots per sample", "Clean accuracy"), rows=rows)
