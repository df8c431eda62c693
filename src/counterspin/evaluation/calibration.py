r"""Calibration of clean predictions: does a confidence of 80 % mean right in 80 % of the cases?

The calibration error is the debiased squared estimator (Bröcker, Clim. Dyn. 39, 2012; Ferro and Fricker, Q. J. R.
Meteorol. Soc. 138, 2012; Kumar, Liang, Ma, arXiv:1909.10155, section 5) on bins of equal mass, and its square root:

.. math:: \widehat{\mathrm{CE}}^2 = \sum_b \frac{n_b}{n}\Bigl[(\bar c_b - \bar a_b)^2
          - \frac{\bar a_b(1 - \bar a_b)}{n_b - 1}\Bigr], \qquad
          \mathrm{ECE} = \sqrt{\max(0, \widehat{\mathrm{CE}}^2)}

with mean confidence :math:`\bar c_b` and accuracy :math:`\bar a_b` of the :math:`n_b` samples of a bin. The plain
estimator is the same without the second term: it charges a perfectly calibrated model for the scatter of its labels.
"""

import torch
from torch import Tensor

from counterspin.attacks.losses import verdict_margin
from counterspin.errors import InputError, ModelError
from counterspin.evaluation.records import CalibrationRecord, Measured, ReliabilityBin
from counterspin.evaluation.statistics import CONFIDENCE, RESAMPLES, measured_mean, measured_share
from counterspin.types import Outputs

__all__ = ["brier_scores", "calibrate", "calibration_error", "probabilities_from_scores", "reliability_bins"]

BINS = 10


def probabilities_from_scores(scores: Tensor, outputs: Outputs) -> tuple[Tensor, str]:
    """Class probabilities `(batch, classes)` in float64, and in words how they came about.

    Args:
        scores: what the model returned, `(batch, classes)`.
        outputs: the kind of scores.

    Raises:
        ModelError: a model that promises probabilities returned rows that are not: negative, or not summing to 1.
    """
    scores = scores.detach().to(torch.float64)
    if outputs == "logits":
        return torch.softmax(scores, dim=1), "softmax of the logits"
    if outputs == "expectations":
        return torch.softmax(scores, dim=1), "softmax of the expectation values at temperature 1"
    off = float((scores.sum(dim=1) - 1).abs().max())
    if off > 1e-6 or float(scores.min()) < -1e-6:
        raise ModelError(
            f"model says its outputs are probabilities, but a row misses the sum 1 by {off:.3g} and the smallest value "
            f"is {float(scores.min()):.3g}; normalise them in the model or declare outputs='logits'."
        )
    return scores.clamp_min(0.0), "probabilities as the model returns them"


def calibration_error(confidence: Tensor, correct: Tensor, *, generator: torch.Generator) -> Measured:
    """Debiased calibration error of the top class, root of the squared error, with a bootstrap interval.

    Up to 10 bins of equal mass with at least 2 samples each. Resampling adds the bias of the plain estimator once more,
    so the spread of the resampled squared errors is centred on the estimate before the root is taken.

    Args:
        confidence: probability of the predicted class `(n,)`.
        correct: whether it was right `(n,)`, bool.
        generator: where the resamples are drawn from.

    Raises:
        InputError: fewer than 2 samples.
    """
    n = len(confidence)
    if n < 2:
        raise InputError(f"calibration has {n} sample; its error can be debiased from 2 samples on.")
    bins = min(BINS, n // 2)
    confidence, hit = confidence.to(torch.float64), correct.to(torch.float64)
    # Bins depend on confidences only, never on labels: the debiased square is then unbiased for these bins.
    rank = torch.empty(n, dtype=torch.int64)
    rank[confidence.argsort(stable=True)] = torch.arange(n)
    member = rank * bins // n
    everyone = torch.arange(n)[None]
    square = _debiased_square(confidence, hit, member, bins, everyone)
    rows = max(1, 2_000_000 // n)
    draws = torch.cat(
        [
            _debiased_square(
                confidence, hit, member, bins, torch.randint(n, (min(rows, RESAMPLES - start), n), generator=generator)
            )
            for start in range(0, RESAMPLES, rows)
        ]
    )
    tails = torch.tensor([(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], dtype=torch.float64)
    ends = square + torch.quantile(draws - draws.mean(), tails)
    low, value, high = torch.stack([ends[0], square[0], ends[1]]).clamp_min(0.0).sqrt().tolist()
    return Measured(value=value, low=low, high=high, n=n)


def _debiased_square(confidence: Tensor, hit: Tensor, member: Tensor, bins: int, chosen: Tensor) -> Tensor:
    """Debiased squared calibration error of each row of sample indices `chosen` `(rows, n)`."""
    rows, n = chosen.shape
    place = member[chosen]
    empty = torch.zeros(rows, bins, dtype=torch.float64)
    count = empty.scatter_add(1, place, torch.ones_like(place, dtype=torch.float64))
    sure = empty.scatter_add(1, place, confidence[chosen]) / count.clamp_min(1)
    right = empty.scatter_add(1, place, hit[chosen]) / count.clamp_min(1)
    # A resample can leave one sample in a bin; nothing is known of its variance and nothing is taken off.
    noise = torch.where(count > 1, right * (1 - right) / (count - 1).clamp_min(1), torch.zeros_like(right))
    return (count / n * ((sure - right) ** 2 - noise)).sum(dim=1)


def brier_scores(probabilities: Tensor, y: Tensor) -> Tensor:
    """Multi-class Brier score of each sample `(n,)`: the sum over classes of (probability - truth)², 0 to 2.

    Example:
        >>> brier_scores(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([0, 1])).tolist()
        [0.0, 2.0]
    """
    truth = torch.nn.functional.one_hot(y, probabilities.shape[1]).to(probabilities)
    return ((probabilities - truth) ** 2).sum(dim=1)


def reliability_bins(confidence: Tensor, correct: Tensor) -> list[ReliabilityBin]:
    """Ten bins of equal width over confidences 0 to 1; empty ones are left out."""
    place = (confidence * BINS).long().clamp(0, BINS - 1)
    bins = []
    for index in place.unique().tolist():
        inside = place == index
        n = int(inside.sum())
        bins.append(
            ReliabilityBin(
                low=index / BINS,
                high=(index + 1) / BINS,
                n=n,
                confidence=float(confidence[inside].mean()),
                accuracy=measured_share(int(correct[inside].sum()), n),
            )
        )
    return bins


def calibrate(scores: Tensor, outputs: Outputs, y: Tensor, *, generator: torch.Generator) -> CalibrationRecord:
    """Calibration error, Brier score and reliability diagram of clean predictions; a tie counts as wrong.

    Args:
        scores: what the model returned on clean samples `(n, classes)`.
        outputs: the kind of scores.
        y: the labels `(n,)`.
        generator: where bootstrap resamples are drawn from.

    Raises:
        InputError: fewer than 2 samples.
        ModelError: promised probabilities are none.
    """
    probabilities, words = probabilities_from_scores(scores, outputs)
    confidence = probabilities.amax(dim=1)
    correct = verdict_margin(scores, y) > 0
    return CalibrationRecord(
        ece=calibration_error(confidence, correct, generator=generator),
        brier=measured_mean(brier_scores(probabilities, y), generator=generator),
        confidence=words,
        reliability=reliability_bins(confidence, correct),
    )
