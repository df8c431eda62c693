"""What is said about a hardening besides its numbers."""

import pytest

from counterspin.evaluation.hardening.notes import against_zero_notes, gain_notes
from counterspin.evaluation.hardening.record import ComparedMetric


def line(eps: float, before: float, after: float, p: float) -> ComparedMetric:
    return ComparedMetric(
        metric=f"robust_accuracy@{eps:g}",
        kind="robust_accuracy",
        eps=eps,
        better="higher",
        before=before,
        after=after,
        difference=after - before,
        p_value=p,
        p_holm=p,
    )


@pytest.mark.parametrize(
    ("after", "p", "silent"), [(0.9, 0.01, True), (0.9, 0.2, False), (0.5, 0.01, False), (0.7, 1.0, False)]
)
def test_a_gain_that_is_not_shown_is_said(after: float, p: float, silent: bool) -> None:
    notes = gain_notes([line(0.05, 0.7, 0.7, 1.0), line(0.1, 0.7, after, p)])
    assert notes == ([] if silent else ["No gain of robust accuracy over the undefended model is shown at any ε."])


def test_defence_zero_that_beats_the_defence_is_named_with_its_figures() -> None:
    lines = [line(0.05, 0.8, 0.7, 0.001), line(0.1, 0.6, 0.55, 0.3), line(0.2, 0.3, 0.31, 0.9), line(0.3, 0, 0.2, 0.01)]
    beats, level = against_zero_notes(lines, 2.0)
    assert beats == (
        "Defence zero (no defence, logit scale tuned to 2) beats the defence: 80.0 % against 70.0 % at ε = 0.05, "
        "60.0 % against 55.0 % at ε = 0.1 (not significant)."
    )
    assert level.endswith("is not shown to be worse than the defence at ε = 0.2.")
    assert against_zero_notes([lines[3]], 2.0) == []
    assert against_zero_notes([], None) == []
