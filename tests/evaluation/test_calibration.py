import math

import pytest
import torch

from counterspin.errors import InputError, ModelError
from counterspin.evaluation.calibration import (
    _debiased_square,
    brier_scores,
    calibrate,
    calibration_error,
    probabilities_from_scores,
    reliability_bins,
)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def calibrated_sample(n: int, rng: torch.Generator, shift: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Confidences, and hits that happen with probability confidence - shift."""
    confidence = 0.5 + 0.5 * torch.rand(n, generator=rng, dtype=torch.float64)
    return confidence, torch.rand(n, generator=rng, dtype=torch.float64) < confidence - shift


def plug_in(confidence: torch.Tensor, correct: torch.Tensor) -> float:
    """The plain estimator on ten bins of equal mass, written out as a loop."""
    order = confidence.argsort()
    total = 0.0
    for block in order.chunk(10):
        gap = confidence[block].mean() - correct[block].double().mean()
        total += len(block) / len(order) * float(gap) ** 2
    return math.sqrt(total)


@pytest.mark.slow
def test_perfectly_calibrated_predictions_have_error_near_zero_where_the_plain_estimator_has_not():
    rng, squares, plain = seeded(0), [], []
    for _ in range(60):
        confidence, correct = calibrated_sample(300, rng)
        squares.append(calibration_error(confidence, correct, generator=rng).value)
        plain.append(plug_in(confidence, correct))
    assert sorted(squares)[30] < 0.02
    assert min(plain) > 0.03
    assert sorted(plain)[30] > 0.06


def test_error_equals_the_formula_written_as_a_loop():
    rng, positive = seeded(1), 0
    for _ in range(10):
        confidence, correct = calibrated_sample(100, rng, shift=0.1)
        square = 0.0
        for block in confidence.argsort().chunk(10):
            accuracy = float(correct[block].double().mean())
            square += 0.1 * ((float(confidence[block].mean()) - accuracy) ** 2 - accuracy * (1 - accuracy) / 9)
        error = calibration_error(confidence, correct, generator=rng)
        assert error.value == pytest.approx(math.sqrt(max(0.0, square)), abs=1e-9)
        positive += square > 0
    assert positive >= 5


@pytest.mark.slow
def test_square_is_unbiased_for_a_calibrated_model():
    rng, member, squares = seeded(1), torch.arange(100) // 10, []
    for _ in range(3000):
        confidence, correct = calibrated_sample(100, rng)
        confidence, order = confidence.sort()
        square = _debiased_square(confidence, correct[order].double(), member, 10, torch.arange(100)[None])
        squares.append(square.item())
    spread = torch.tensor(squares).std().item() / math.sqrt(len(squares))
    assert abs(sum(squares) / len(squares)) < 3 * spread
    assert spread < 3e-4


@pytest.mark.slow
def test_a_known_overconfidence_is_found_and_covered():
    rng, covered = seeded(2), 0
    for _ in range(20):
        error = calibration_error(*calibrated_sample(1000, rng, shift=0.2), generator=rng)
        assert error.value == pytest.approx(0.2, abs=0.07)
        covered += error.low <= 0.2 <= error.high
    assert covered >= 16


def test_interval_holds_zero_for_a_calibrated_model_and_not_for_another():
    rng = seeded(3)
    assert calibration_error(*calibrated_sample(500, rng), generator=rng).low == 0.0
    assert calibration_error(*calibrated_sample(500, rng, shift=0.3), generator=rng).low > 0.15


def test_two_samples_are_enough_and_one_is_not():
    assert calibration_error(torch.tensor([1.0, 1.0]), torch.tensor([True, True]), generator=seeded()).value == 0.0
    with pytest.raises(InputError, match="from 2 samples"):
        calibration_error(torch.tensor([1.0]), torch.tensor([True]), generator=seeded())


def test_probabilities_by_kind_of_output():
    scores = torch.tensor([[1.0, -1.0]])
    logistic = 1 / (1 + math.exp(-2.0))
    for outputs in ("logits", "expectations"):
        probabilities, words = probabilities_from_scores(scores, outputs)
        assert probabilities[0, 0].item() == pytest.approx(logistic, abs=1e-12)
        assert "softmax" in words
    same, words = probabilities_from_scores(torch.tensor([[0.3, 0.7]], dtype=torch.float64), "probabilities")
    assert same.tolist() == [[0.3, 0.7]]
    assert "as the model returns them" in words


@pytest.mark.parametrize("row", [[0.5, 0.6], [1.2, -0.2]])
def test_false_probabilities_are_refused(row):
    with pytest.raises(ModelError, match="outputs are probabilities"):
        probabilities_from_scores(torch.tensor([row], dtype=torch.float64), "probabilities")


def test_brier_by_hand():
    probabilities = torch.tensor([[0.7, 0.2, 0.1], [1 / 3, 1 / 3, 1 / 3]], dtype=torch.float64)
    scores = brier_scores(probabilities, torch.tensor([0, 2]))
    assert scores.tolist() == pytest.approx([0.09 + 0.04 + 0.01, 2 / 3], abs=1e-12)


def test_reliability_bins_partition_the_samples():
    confidence = torch.tensor([0.05, 0.95, 1.0, 0.52, 0.58], dtype=torch.float64)
    correct = torch.tensor([False, True, True, True, False])
    bins = reliability_bins(confidence, correct)
    assert [(b.low, b.n, b.accuracy.value) for b in bins] == [(0.0, 1, 0.0), (0.5, 2, 0.5), (0.9, 2, 1.0)]
    assert bins[1].confidence == pytest.approx(0.55)
    assert all(b.low <= b.confidence <= b.high for b in bins)


def test_a_tie_counts_as_wrong():
    scores = torch.tensor([[1.0, 1.0], [2.0, 0.0]], dtype=torch.float64)
    record = calibrate(scores, "logits", torch.tensor([0, 0]), generator=seeded())
    assert [(b.low, b.accuracy.value) for b in record.reliability] == [(0.5, 0.0), (0.8, 1.0)]


def test_record_is_reproducible_and_complete():
    rng = seeded(5)
    scores = torch.randn(80, 4, generator=rng, dtype=torch.float64)
    y = torch.multinomial(torch.softmax(scores, dim=1), 1, generator=rng)[:, 0]
    record = calibrate(scores, "logits", y, generator=seeded(1))
    assert record == calibrate(scores, "logits", y, generator=seeded(1))
    assert sum(b.n for b in record.reliability) == record.ece.n == record.brier.n == 80
    assert record.brier.low < record.brier.value < record.brier.high
    assert record.ece.low <= record.ece.value <= record.ece.high
