"""Offline HTML files: about an audit (verdict, curves, gallery, checks, cost) and about two runs side by side."""

from counterspin.report.comparison import render_comparison, write_comparison
from counterspin.report.details import RunDetails, run_details
from counterspin.report.from_run import gallery, write_report
from counterspin.report.page import render, save_report
from counterspin.report.samples import MAX_EXAMPLES, Example, ReportSamples

__all__ = [
    "MAX_EXAMPLES",
    "Example",
    "ReportSamples",
    "RunDetails",
    "gallery",
    "render",
    "render_comparison",
    "run_details",
    "save_report",
    "write_comparison",
    "write_report",
]
