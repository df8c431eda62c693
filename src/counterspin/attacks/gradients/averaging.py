"""EOT: expectation over the randomness of a stochastic model (Athalye et al., arXiv:1707.07397)."""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from counterspin.attacks.gradients.autodiff import Autodiff
from counterspin.attacks.gradients.base import Evaluation, GradientSource, Objective, check_count
from counterspin.types import Classifier, Cost

__all__ = ["EOT"]


@dataclass(frozen=True, kw_only=True)
class EOT(GradientSource):
    r"""Scores, value and gradient averaged over k independent evaluations by another source.

    .. math:: \nabla \mathbb E\, \ell(f(x)) \approx \frac1k \sum_{i=1}^k \nabla \ell(f_i(x))

    Each of the k evaluations is paid for; the variance of what is averaged falls as 1/k.

    Args:
        source: of each evaluation.
        samples: k, at least 1.

    Raises:
        UsageError: samples below 1.

    Example:
        >>> EOT(samples=8).config
        {'kind': 'EOT', 'source': {'kind': 'Autodiff'}, 'samples': 8}
    """

    source: GradientSource = field(default_factory=Autodiff)
    samples: int = 16

    averages: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse an average over nothing."""
        check_count("samples", self.samples)

    def check(self, model: Classifier) -> None:
        """Refuse what the source refuses."""
        self.source.check(model)

    def price(self, model: Classifier, rows: int) -> Cost:
        """Each evaluation is paid for."""
        return sum((self.source.price(model, rows) for _ in range(self.samples)), Cost())

    def __call__(
        self, model: Classifier, x: Tensor, objective: Objective, generator: torch.Generator | None = None
    ) -> Evaluation:
        """Means over the evaluations, and their cost together."""
        drawn = [self.source(model, x, objective, generator) for _ in range(self.samples)]
        return Evaluation(
            scores=_mean([found.scores for found in drawn]),
            value=_mean([found.value for found in drawn]),
            gradient=_mean([found.gradient for found in drawn]),
            cost=sum((found.cost for found in drawn), Cost()),
        )


def _mean(values: list[Tensor]) -> Tensor:
    return torch.stack(values).mean(dim=0)
