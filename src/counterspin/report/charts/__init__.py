"""The figures of the report as Altair charts; each carries its data inline and names no colour (see `theme`)."""

from counterspin.report.charts.base import Chart
from counterspin.report.charts.calibration import bin_counts, reliability_diagram
from counterspin.report.charts.comparison import compared_curves, difference_plot
from counterspin.report.charts.conditions import CONDITIONS, condition_curves
from counterspin.report.charts.distances import distance_curves
from counterspin.report.charts.noise import noise_curve, shot_curve
from counterspin.report.charts.proofs import proof_chart
from counterspin.report.charts.security import WORST_CASE, security_curve
from counterspin.report.charts.traces import broken_traces, distance_traces, margin_traces

__all__ = [
    "CONDITIONS",
    "WORST_CASE",
    "Chart",
    "bin_counts",
    "broken_traces",
    "compared_curves",
    "condition_curves",
    "difference_plot",
    "distance_curves",
    "distance_traces",
    "margin_traces",
    "noise_curve",
    "proof_chart",
    "reliability_diagram",
    "security_curve",
    "shot_curve",
]
