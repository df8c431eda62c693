"""One offline HTML file about an audit: verdict, curves, gallery, checks, cost and how to reproduce it."""

from counterspin.report.from_run import gallery, write_report
from counterspin.report.page import render, save_report
from counterspin.report.samples import MAX_EXAMPLES, Example, ReportSamples

__all__ = ["MAX_EXAMPLES", "Example", "ReportSamples", "gallery", "render", "save_report", "write_report"]
