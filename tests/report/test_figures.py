import pytest

from counterspin.evaluation.records import AuditRecord
from counterspin.report.figures import report_figures


@pytest.mark.slow
def test_every_section_has_its_figures(record: AuditRecord) -> None:
    keys = {section: [figure.key for figure in group] for section, group in report_figures(record).items()}
    assert keys == {
        "security": ["security"],
        "distances": [],
        "proofs": [],
        "traces": [],
        "calibration": ["reliability", "bins"],
        "noise": ["noise-0", "noise-1", "noise-2", "shots"],
    }


@pytest.mark.slow
def test_theorem_and_trajectories_are_said(record: AuditRecord) -> None:
    flat, qubit, readout, _ = report_figures(record)["noise"]
    assert flat.note.startswith("Theorem: Balanced readout")
    assert qubit.note == "200 samples, 64 noise trajectories each."
    assert readout.note == "200 samples."


@pytest.mark.slow
@pytest.mark.parametrize(("certified", "words"), [(True, "between these two."), (False, "on the worst case or below")])
def test_what_the_band_means(record: AuditRecord, audit, certified: bool, words: str) -> None:
    budgets = record.to_json()["budgets"]
    if not certified:
        budgets = [b | {"certified": None, "exact": None} for b in budgets]
    assert words in report_figures(audit(budgets=budgets))["security"][0].note


def test_what_was_not_measured_has_no_figure(audit) -> None:
    bare = audit(calibration=None, noise_resilience={"samples": 0, "curves": [], "skipped": "no circuit"})
    figures = report_figures(bare)
    assert figures["calibration"] == figures["noise"] == []
