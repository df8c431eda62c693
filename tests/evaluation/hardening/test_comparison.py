"""The degradation table of hand-made runs, in which every number is known."""

import pytest
import torch
from stored_runs import SAMPLES, mask, write_run

from counterspin.evaluation.compare import paired_record
from counterspin.evaluation.hardening.comparison import degradation
from counterspin.evaluation.measured import Measured
from counterspin.evaluation.records import CalibrationRecord, NoiseCurve, NoisePoint, NoiseRecord
from counterspin.evaluation.run_store import RunStore, read_record
from counterspin.evaluation.statistics import holm, mcnemar, measured_share
from counterspin.threats import Linf

THREAT = Linf(0.1, 0.2)


def table(before, after, seconds=(None, 2.5)):
    lines, compared = degradation(before, after, THREAT, seconds=seconds)
    return {line.metric: line for line in lines}, compared


def change(path, **changes) -> None:
    record = read_record(path).model_copy(update=changes)
    with RunStore(path, None) as store:
        store.write_record(record)


def prove(path, radius: torch.Tensor) -> None:
    with RunStore(path, None) as store:
        store.save_tensors("certificate-lipschitz", {"radius_lower": radius})


def test_after_minus_before_with_one_family_of_tests(tmp_path) -> None:
    before = write_run(tmp_path / "before", wrong=1, broken={"pgd": (10, 18)})
    after = write_run(tmp_path / "after", wrong=2, broken={"pgd": (4, 8)})
    lines, compared = table(before, after)
    # Before 10-18 stand at 0.1 and 18 at 0.2; after 4-17 and 8-17.
    assert (lines["clean_accuracy"].before, lines["clean_accuracy"].after) == (19 / 20, 18 / 20)
    assert (lines["robust_accuracy@0.1"].before, lines["robust_accuracy@0.1"].after) == (9 / 20, 14 / 20)
    assert (lines["robust_accuracy@0.2"].before, lines["robust_accuracy@0.2"].after) == (1 / 20, 10 / 20)
    raw = [mcnemar(0, 1), mcnemar(6, 1), mcnemar(10, 1)]
    names = ("clean_accuracy", "robust_accuracy@0.1", "robust_accuracy@0.2")
    assert [lines[name].p_value for name in names] == raw
    assert [lines[name].p_holm for name in names] == list(holm(raw))
    pair = compared.budgets[0].worst_case
    assert (lines["robust_accuracy@0.1"].low, lines["robust_accuracy@0.1"].high) == (pair.low, pair.high)
    assert lines["robust_accuracy@0.1"].difference == pytest.approx(0.25)
    assert (lines["training_seconds"].before, lines["training_seconds"].after) == (None, 2.5)
    assert lines["training_seconds"].difference is None
    assert lines["circuits"].difference == 0
    assert not any(name.startswith(("certified", "exact", "ece", "median")) for name in lines)


def test_proved_accuracy_is_paired_and_a_family_of_its_own(tmp_path) -> None:
    before, after = write_run(tmp_path / "before", wrong=0), write_run(tmp_path / "after", wrong=0)
    prove(before, 0.15 * mask(5).double())
    prove(after, 0.1 + 0.15 * mask(12).double())
    lines, _ = table(before, after)
    first, last = lines["certified_accuracy@0.1"], lines["certified_accuracy@0.2"]
    # A radius of exactly ε proves nothing at ε.
    assert (first.before, first.after) == (5 / SAMPLES, 12 / SAMPLES)
    assert (last.before, last.after) == (0.0, 12 / SAMPLES)
    assert first.p_value == paired_record(mask(12), mask(5)).p_value
    assert [first.p_holm, last.p_holm] == list(holm([mcnemar(7, 0), mcnemar(12, 0)]))
    assert "exact_accuracy@0.1" not in lines


def test_what_one_side_alone_proves_has_no_test(tmp_path) -> None:
    before, after = write_run(tmp_path / "before"), write_run(tmp_path / "after")
    prove(after, torch.full((SAMPLES,), 0.3, dtype=torch.float64))
    record = read_record(after)
    budgets = [budget.model_copy(update={"certified": measured_share(7, SAMPLES)}) for budget in record.budgets]
    change(after, budgets=budgets)
    line = table(before, after)[0]["certified_accuracy@0.1"]
    assert (line.before, line.after, line.difference, line.p_value) == (None, 7 / SAMPLES, None, None)


def test_calibration_and_the_strongest_noise_at_infinitely_many_shots(tmp_path) -> None:
    before, after = write_run(tmp_path / "before"), write_run(tmp_path / "after")
    for path, ece, right in ((before, 0.05, 15), (after, 0.15, 18)):
        points = [
            NoisePoint(strength=strength, shots=shots, accuracy=measured_share(hits, SAMPLES))
            for strength, shots, hits in ((0.0, None, 20), (0.1, 64, 1), (0.1, None, right))
        ]
        curve = NoiseCurve(kind="readout_flips", label="l", theorem=None, trajectories=None, points=points)
        value = Measured(value=ece, low=0.0, high=1.0, n=SAMPLES)
        change(
            path,
            noise_resilience=NoiseRecord(samples=SAMPLES, curves=[curve]),
            calibration=CalibrationRecord(ece=value, brier=value, confidence="softmax", reliability=[]),
        )
    lines, _ = table(before, after)
    noisy = lines["noise_readout_flips=0.1"]
    assert (noisy.before, noisy.after, noisy.better) == (15 / 20, 18 / 20, "higher")
    assert lines["ece"].better == "lower"
    assert lines["ece"].difference == pytest.approx(0.1)
    assert lines["brier"].p_value is None
