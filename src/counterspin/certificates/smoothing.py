"""Radii of randomised smoothing: by votes (sampled) and by exactly averaged scores."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from counterspin.certificates.base import Assumptions, Certificate, Radii, Task, in_norm_of
from counterspin.certificates.confidence import check_sampling, pessimistic_probabilities
from counterspin.errors import ConditionsError
from counterspin.models.damped import DampedClassifier
from counterspin.models.smoothed import SmoothedClassifier
from counterspin.threats import ThreatModel
from counterspin.validation import checked_scores

__all__ = ["DampingCertificate", "SmoothingCertificate", "smoothing_radius"]

# How far the quantiles of the normal distribution may be off, relatively.
_QUANTILE = 1e-12
# How far averaged scores may be off, as a share of the largest score: sums of 1024 products of numbers below 1.
_SCORES = 1e-12
# Scores that are all zero still need a range.
_SMALLEST = 1e-200


def smoothing_radius(lower: Tensor, upper: Tensor, sigma: float) -> Tensor:
    r"""L2 radius `(...)` inside which a smoothed probability stays above another one, 0 where it is not.

    .. math:: r = \frac{\sigma}{2}\bigl(\Phi^{-1}(p_A) - \Phi^{-1}(p_B)\bigr)

    with :math:`\Phi` the normal distribution (Cohen et al., arXiv:1902.02918). It holds for any averages over
    :math:`N(0, \sigma^2 1)` of functions into [0, 1], whose :math:`\Phi^{-1}` is :math:`1/\sigma`-Lipschitz
    (arXiv:1906.04584).

    Args:
        lower: p_A or a lower bound of it.
        upper: p_B or an upper bound of it.
        sigma: standard deviation of the noise.

    Example:
        >>> round(smoothing_radius(torch.tensor(0.9).double(), torch.tensor(0.1).double(), 0.25).item(), 5)
        0.32039
    """
    a, b = torch.special.ndtri(lower.clamp(0, 1)), torch.special.ndtri(upper.clamp(0, 1))
    # Two infinities of one sign have no difference: both certain, or both impossible, is a tie.
    gap = torch.where(a == b, 0.0, a - b - _QUANTILE * (a.abs() + b.abs()))
    gap = torch.where(torch.isinf(a) | torch.isinf(b), torch.where(a > b, torch.inf, 0.0), gap)
    return (sigma / 2 * gap).clamp(min=0)


@dataclass(frozen=True, kw_only=True)
class SmoothingCertificate(Certificate):
    r"""Radius of the majority vote of a `SmoothedClassifier`, from votes bounded with confidence.

    .. math:: r = \frac{\sigma}{2}\bigl(\Phi^{-1}(\underline{p}_y) - \max_j \Phi^{-1}(\overline{p}_j)\bigr)

    (arXiv:1902.02918), with Clopper–Pearson bounds that hold together. Where the votes do not settle that the label
    wins, the certificate abstains: radius 0. It certifies the smoothed classifier, never its body.

    Args:
        draws: noisy copies per sample that the certificate spends; the model's own number plays no role.
        confidence: with which the radius of one sample holds.

    Raises:
        UsageError: draws below 1, or a confidence outside (0, 1).

    Example:
        >>> from counterspin.models import LogisticRegression
        >>> from counterspin.threats import L2
        >>> from counterspin.types import Box
        >>> body = LogisticRegression(Box.uniform(0.0, 1.0, features=2), classes=2)
        >>> SmoothingCertificate(draws=10).refusal(body, L2(0.1))[:44]
        'certificate smoothing holds for a SmoothedCl'
    """

    name: ClassVar[str] = "smoothing"
    stochastic: ClassVar[bool] = True

    draws: int = 10_000
    confidence: float = 0.999

    def __post_init__(self) -> None:
        """Refuse settings that bound nothing."""
        check_sampling("draws", self.draws, self.confidence)

    def _prepare(self, model: Any, threat: ThreatModel) -> None:
        if not isinstance(model, SmoothedClassifier):
            raise ConditionsError(
                f"certificate {self.name} holds for a SmoothedClassifier, and model is {type(model).__name__}; wrap "
                "it, and evaluate the wrapped model."
            )

    def _radii(self, model: SmoothedClassifier, prepared: None, task: Task) -> Radii:
        counts = model.votes(task.x, draws=self.draws, generator=task.generator)
        bounds = pessimistic_probabilities(counts, self.draws, task.y, self.confidence, complete=True)
        rivals = bounds.scatter(1, task.y[:, None], -torch.inf).amax(dim=1)
        radius = smoothing_radius(bounds.gather(1, task.y[:, None])[:, 0], rivals, model.sigma)
        lower, notes = in_norm_of(task.threat, radius, task.x.shape[1])
        return Radii.below(
            lower,
            Assumptions(
                model="scores",
                noise="any",
                shots="finite",
                box="none" if task.box.is_unbounded else "not used",
                notes=(
                    f"holds for the majority vote under Gaussian noise of {model.sigma:g}, not for the model below it",
                    f"each radius holds with confidence {self.confidence:g}, from {self.draws} noisy copies",
                    *notes,
                ),
            ),
        )


@dataclass(frozen=True, kw_only=True)
class DampingCertificate(Certificate):
    r"""Radius of a `DampedClassifier`, whose averaged scores are exact: nothing is sampled.

    Scores brought to [0, 1] by the common range of the class observables behind the encoding, noise included, give
    :math:`\frac{\sigma}{2}(\Phi^{-1}(g_y) - \Phi^{-1}(g_j))`; the margin :math:`m_j = s_y - s_j` in the range
    :math:`[a, b]` of its observable gives :math:`\sigma(\Phi^{-1}(\tfrac{m_j - a}{b - a}) - \Phi^{-1}(\tfrac{-a}{b -
    a}))` (arXiv:1906.04584; phase damping as smoothing: arXiv:2408.01200). The larger one holds; the radius is the
    smallest over the rivals. It certifies the averaged classifier, never its body.
    """

    name: ClassVar[str] = "damping"

    def _prepare(self, model: Any, threat: ThreatModel) -> Tensor:
        if not isinstance(model, DampedClassifier) or not model.sigma:
            raise ConditionsError(
                f"certificate {self.name} holds for a DampedClassifier with sigma above 0, and model is "
                f"{type(model).__name__}; build one from the angle-encoded circuit, and evaluate that."
            )
        differences = model.observables[:, None] - model.observables[None, :]
        ranges = torch.linalg.eigvalsh(torch.cat([model.observables[None], differences]))
        return torch.stack([ranges[..., 0], ranges[..., -1]], dim=-1)

    def _radii(self, model: DampedClassifier, prepared: Tensor, task: Task) -> Radii:
        scores, own = checked_scores(model, task.x), task.y[:, None]
        off = _SCORES * max(float(prepared[0].abs().max()), _SMALLEST)
        low, high = float(prepared[0, :, 0].min()) - off, float(prepared[0, :, 1].max()) + off
        share = (scores - low) / (high - low)
        slack = off / (high - low)
        alone = smoothing_radius(share.gather(1, own) - slack, share + slack, model.sigma)

        pair = prepared[1:][task.y]
        bottom, top = pair[..., 0] - 2 * off, pair[..., 1] + 2 * off
        margins = scores.gather(1, own) - scores - 2 * off
        # σ rather than σ/2: only the margin moves, the threshold stays.
        together = smoothing_radius((margins - bottom) / (top - bottom), -bottom / (top - bottom), 2 * model.sigma)

        radius = torch.maximum(alone, together).scatter(1, own, torch.inf).amin(dim=1)
        lower, notes = in_norm_of(task.threat, radius, task.x.shape[1])
        return Radii.below(
            lower,
            Assumptions(
                noise="modelled",
                box="none" if task.box.is_unbounded else "not used",
                notes=(
                    f"holds for scores averaged over Gaussian noise of {model.sigma:g}, not for the model below them",
                    *notes,
                ),
            ),
        )
