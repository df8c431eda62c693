"""Training for randomised smoothing: Gaussian noise (arXiv:1902.02918), and consistency under it (arXiv:2006.04584)."""

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from counterspin.defenses.training.base import Entry, as_json
from counterspin.defenses.training.options import count, real
from counterspin.defenses.training.sample_losses import check_log_probabilities, log_probabilities
from counterspin.defenses.training.schedule import middle
from counterspin.defenses.training.trades import divergences
from counterspin.errors import UsageError
from counterspin.threats import ThreatModel
from counterspin.training import CrossEntropyObjective, Objective, Step
from counterspin.types import Classifier

__all__ = ["ENTRY", "SmoothingTraining", "sized_like"]


@dataclass(frozen=True, kw_only=True)
class SmoothingTraining:
    r"""The loss under Gaussian noise, and a penalty where the draws of one sample disagree.

    .. math:: L = \frac1m\sum_k \ell(f(x + \delta_k), y)
        + \frac{\lambda}{m}\sum_k \mathrm{KL}\bigl(\bar p\,\|\,p(x + \delta_k)\bigr), \qquad
        \bar p = \frac1m\sum_k p(x + \delta_k)

    The noise leaves the box, as that of the smoothed classifier does.

    Args:
        threat: its units, and its mask: features the attacker cannot change get no noise.
        sigma: standard deviation of each feature, in the units of the threat (relative: as a share of the norm of the
            input); None: noise about as long as the largest step of the threat's middle budget, see `sized_like`.
        draws: m.
        consistency: λ; it needs two draws at least.
        loss: the classification loss.

    Raises:
        UsageError: a deviation that is not above 0, no draws, or a consistency that is negative or of one draw.
    """

    name: ClassVar[str] = "smoothing"
    kind: ClassVar[str] = "core"

    threat: ThreatModel
    sigma: float | None = None
    draws: int = 2
    consistency: float = 0.0
    loss: Objective = field(default_factory=CrossEntropyObjective)

    def __post_init__(self) -> None:
        """Refuse what smooths nothing."""
        if self.sigma is not None and not (math.isfinite(self.sigma) and self.sigma > 0):
            raise UsageError(f"sigma is {self.sigma}; give a finite standard deviation above 0.")
        if self.draws < 1:
            raise UsageError(f"draws is {self.draws}; give a whole number from 1.")
        if not (math.isfinite(self.consistency) and self.consistency >= 0):
            raise UsageError(f"consistency is {self.consistency}; give a finite weight from 0 upwards.")
        if self.consistency > 0 and self.draws == 1:
            raise UsageError("consistency compares draws and draws is 1; give draws=2 or more.")

    def __call__(self, model: Classifier, x: Tensor, y: Tensor, step: Step, /) -> Tensor:
        """Loss `()` of `x` `(batch, features)`, `y` `(batch,)`."""
        noise = torch.randn((self.draws, *x.shape), generator=step.generator, dtype=x.dtype)
        movable = self.threat.constraints.movable(x.shape[1])
        sigma = (
            sized_like(middle(self.threat), self.threat.norm, int(movable.sum())) if self.sigma is None else self.sigma
        )
        shifted = (x + sigma * self.threat.scale(x)[:, None] * noise.where(movable, 0.0)).flatten(0, 1)
        value = self.loss(model, shifted, y.repeat(self.draws), step)
        if self.consistency == 0:
            return value
        logs = functional.log_softmax(log_probabilities(model(shifted), model.outputs), dim=1)
        mean = torch.logsumexp(logs.unflatten(0, (self.draws, -1)), dim=0) - math.log(self.draws)
        return value + self.consistency * divergences(mean.repeat(self.draws, 1), logs).mean()

    def check(self, model: Classifier, threat: ThreatModel) -> None:
        """Refuse a model without class probabilities, or constraints that do not fit it.

        Raises:
            UsageError: its scores are expectation values, or the threat is one of discrete features.
        """
        check_log_probabilities(model)
        self.threat.check(model.bounds)
        if self.threat.norm == "l0" or self.threat.groups:
            raise UsageError(
                "smoothing adds Gaussian noise, which discrete features cannot take; use fgsm-at or pgd-at."
            )

    def to_json(self) -> dict[str, Any]:
        """Name and values."""
        return as_json(self)


def sized_like(eps: float, norm: str, features: int) -> float:
    r"""The standard deviation at which Gaussian noise is, in the mean, as long in the L2 norm as the largest step ε.

    .. math:: \sigma\sqrt{d} = \max_{\|\delta\|_p \le \varepsilon} \|\delta\|_2

    In L1 and L2 that step is ε long, in L-infinity ε√d.

    Example:
        >>> sized_like(0.1, "linf", 64), sized_like(0.8, "l2", 64)
        (0.1, 0.1)
    """
    return eps if norm == "linf" else eps / math.sqrt(features)


def _build(options: dict[str, str], threat: ThreatModel) -> SmoothingTraining:
    return SmoothingTraining(
        threat=threat,
        sigma=real(options, "sigma", 0.1) if "sigma" in options else None,
        draws=count(options, "draws", 2),
        consistency=real(options, "consistency", 0.0),
    )


ENTRY = Entry(
    name="smoothing",
    summary="Gaussian noise on the input (arXiv:1902.02918), optionally with consistency (arXiv:2006.04584)",
    build=_build,
    options={
        "sigma": "standard deviation per feature in the units of the threat; as long as its middle budget",
        "draws": "noisy copies of each sample; 2",
        "consistency": "weight of the disagreement of the copies; 0",
    },
    argument="sigma",
)
