"""The benchmark of mitigation on circuits small enough for a test, and what it counts as missed."""

import pytest

from benchmarks import mitigation
from benchmarks.mitigation import _TECHNIQUES, _noise, _row, _rows
from benchmarks.timing import Samples
from counterspin.circuits import reuploading
from counterspin.mitigation.zne import ZNE


def test_noise_scaling_is_held_to_the_cost_of_its_factors():
    held = [technique for _, technique, required in _TECHNIQUES if required]
    assert len(held) == 3
    assert all(isinstance(technique, ZNE) and technique.amplification == "noise" for technique in held)


@pytest.mark.parametrize(("seconds", "held", "missed"), [(0.35, True, 0), (0.37, True, 1), (0.37, False, 0)])
def test_a_row_is_missed_beyond_its_factors(seconds, held, missed):
    times = {
        ("noisy", "value"): Samples((0.1,)),
        ("noisy", "gradient"): Samples((0.2,)),
        ("zne", "value"): Samples((seconds,)),
        ("zne", "gradient"): Samples((0.9,)),
    }
    circuit = reuploading(2, 1)
    row = _row(2, "zne", held, circuit, ZNE().construct(circuit, _noise()), times)
    assert row["missed"] == missed
    assert row["value_ratio"] == pytest.approx(seconds / 0.3)
    assert row["gradient_ratio"] == pytest.approx(1.5)
    assert (row["variants"], row["gates"], row["required"]) == (3, 1.0, 1.2 if held else None)


@pytest.mark.slow
def test_one_row_per_technique(monkeypatch):
    monkeypatch.setattr(mitigation, "_BATCH", 4)
    rows = _rows(2, repeats=1)
    assert [row["technique"] for row in rows] == [name for name, _, _ in _TECHNIQUES]
    assert [row["variants"] for row in rows] == [3, 3, 5, 3, 1, 1]
    folded = rows[3]
    assert folded["gates"] == pytest.approx(3.0)
    assert all(row["value_milliseconds"] > 0 and row["gradient_milliseconds"] > 0 for row in rows)
