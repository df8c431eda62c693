"""The benchmark of exact radii on a case small enough for a test, and what it counts as missed."""

import pytest

from benchmarks import exact_radius
from benchmarks.outcome import Options


@pytest.mark.slow
def test_rows_name_what_was_measured(monkeypatch, tmp_path):
    cases = {
        "plain": {"qubits": 4, "samples": 200, "target_seconds": 60.0},
        "mapped": {"qubits": 4, "samples": 200, "pixels": 30, "target_seconds": None},
        "large": {"qubits": 10, "samples": 200, "target_seconds": 60.0},
    }
    monkeypatch.setattr(exact_radius, "CASES", cases)
    outcome = exact_radius.run(Options(folder=tmp_path, quick=True))
    assert [row["case"] for row in outcome.rows] == ["plain", "mapped"]
    assert [row["samples"] for row in outcome.rows] == [20, 20]
    assert all(0 <= row["largest_gap"] <= 1e-4 and row["seconds"] > 0 for row in outcome.rows)
    assert outcome.missed == 0


@pytest.mark.parametrize(
    ("seconds", "peak", "missed"), [(14.0, 100.0, 0), (16.0, 100.0, 1), (16.0, 3000.0, 2), (14.0, None, 0)]
)
def test_what_is_missed(seconds, peak, missed):
    row = {"seconds": seconds, "target_seconds": 15.0, "peak_mib": peak, "target_mib": exact_radius.TARGET_MIB}
    assert exact_radius._missed(row) == missed
    assert exact_radius._missed({**row, "target_seconds": None}) == missed - (seconds > 15)
