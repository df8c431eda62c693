r"""Training on exact robust radii of amplitude-encoded classifiers (to our knowledge new).

Networks are trained on estimates of the distance to the boundary (arXiv:1812.02637). Where every score is a quadratic
form of the input the distance itself is computed, and its gradient costs one adjoint pass at the point it ends at.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from counterspin.defenses.training.base import Entry, as_json
from counterspin.defenses.training.circuit_views import ReadoutView
from counterspin.defenses.training.options import real, word
from counterspin.defenses.training.pair_forms import check_forms, pair_spectra
from counterspin.defenses.training.schedule import middle
from counterspin.defenses.training.signed_distances import signed_distances
from counterspin.errors import UsageError
from counterspin.threats import ThreatModel
from counterspin.training import CrossEntropyObjective, Objective, Step
from counterspin.types import Classifier

__all__ = ["ENTRY", "ExactMargin"]

_RIVALS = ("all", "nearest")
_UNITS = ("relative", "feature")
# Where the threat names no length in L2: a share of the norm of each input.
_TARGET = 0.2
# Rivals with a smaller share of a sample's force are left out of the adjoint pass.
_NEGLIGIBLE = 1e-3


@dataclass(frozen=True, kw_only=True)
class ExactMargin:
    r"""What the signed exact distances ρ of each sample lack to a target, after a warm-up on the classification loss.

    .. math:: L = \frac{w}{B} \sum_i \tau \log\Bigl(1 + \sum_{j \ne y_i} e^{(t(s) - \rho_{ij})/\tau}\Bigr)
        + c\, L_{\mathrm{loss}}, \qquad d\rho_{ij} = \frac{d m_{yj}(z)}{\|\nabla m_{yj}(z)\|}

    with z the nearest boundary point of the pair (envelope theorem, see
    `counterspin.defenses.training.signed_distances`) and :math:`\tau` = `softness` times `target`; at softness 0 it is
    the hinge :math:`\max(0, t - \min_j \rho_{ij})`. The target t grows linearly from `start` at the end of the warm-up
    to `target` at the share `full` of the training. Distances are in L2 and without a box, whatever the threat is.

    Args:
        target: distance beyond which a sample exerts little force; in `units`.
        weight: w.
        loss_weight: c after the warm-up; in it the loss stands alone.
        softness: share of the target over which the force sets in.
        warmup: share of the training before distances count.
        start: the target when they begin to; None: `target`.
        full: share of the training at which the target is reached.
        rivals: `"all"`, or `"nearest"`: the sum runs over the nearest class of each sample alone.
        units: `"relative"`: as a share of the norm of each input; `"feature"`.
        loss: the classification loss.

    Raises:
        UsageError: values that make no objective.

    Example:
        >>> ExactMargin(target=0.2, start=0.1).at(0.15), ExactMargin(target=0.2, start=0.1).at(0.9)
        (0.1, 0.2)
    """

    name: ClassVar[str] = "exact-margin"
    kind: ClassVar[str] = "core"

    target: float
    weight: float = 10.0
    loss_weight: float = 0.2
    softness: float = 0.2
    warmup: float = 0.15
    start: float | None = None
    full: float = 0.7
    rivals: str = "all"
    units: str = "relative"
    loss: Objective = field(default_factory=CrossEntropyObjective)

    def __post_init__(self) -> None:
        """Refuse what makes no objective."""
        for name in ("target", "weight"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise UsageError(f"exact-margin: {name} is {getattr(self, name)}; give a finite number above 0.")
        for name in ("loss_weight", "softness"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise UsageError(f"exact-margin: {name} is {getattr(self, name)}; give a finite number from 0 upwards.")
        if not 0 <= self.warmup < self.full <= 1:
            raise UsageError(
                f"exact-margin: warmup is {self.warmup} and full is {self.full}; give shares of the training with "
                "0 <= warmup < full <= 1."
            )
        if self.start is not None and not 0 <= self.start <= self.target:
            raise UsageError(
                f"exact-margin: start is {self.start}; the target grows from there, give 0 to {self.target}."
            )
        if self.units == "relative" and self.target > 1:
            raise UsageError(
                f"exact-margin: target is {self.target}; no input is farther from a boundary than its own norm, give "
                "at most 1, or units='feature'."
            )
        for name, allowed in (("rivals", _RIVALS), ("units", _UNITS)):
            if getattr(self, name) not in allowed:
                raise UsageError(f"exact-margin: {name} is {getattr(self, name)!r}; allowed: {', '.join(allowed)}.")

    def check(self, model: Classifier, threat: ThreatModel) -> None:
        """Refuse a model whose scores are no quadratic form of its input.

        Raises:
            CapabilityError: it has no effective observables.
            ConditionsError: data enters through gate angles, or the forms are too large.
        """
        check_forms(model)

    def to_json(self) -> dict[str, Any]:
        """Name and values."""
        return as_json(self)

    def at(self, progress: float) -> float:
        """The target after a share of the training."""
        start = self.target if self.start is None else self.start
        share = min(max((progress - self.warmup) / (self.full - self.warmup), 0.0), 1.0)
        return start + share * (self.target - start)

    def __call__(self, model: Classifier, x: Tensor, y: Tensor, step: Step, /) -> Tensor:
        """Loss `()` of `x` `(batch, features)`, `y` `(batch,)`."""
        if step.progress < self.warmup:
            return self.loss(model, x, y, step)
        lack = self.weight * self.lack(model, x, y, self.at(step.progress))
        return lack if self.loss_weight == 0 else lack + self.loss_weight * self.loss(model, x, y, step)

    def lack(self, model: Classifier, x: Tensor, y: Tensor, target: float) -> Tensor:
        """Mean over the batch of what its distances lack to `target` `()`, attached to the weights."""
        while isinstance(model, ReadoutView):
            model = model.body  # distances are those of expectation values
        inputs = x.detach().double()
        found = signed_distances(pair_spectra(model, y), inputs, y)
        unit = torch.ones_like(inputs[:, :1])
        if self.units == "relative":
            unit = torch.linalg.vector_norm(inputs, dim=1, keepdim=True)
        values, shares = self._penalties(target - found.values / unit)
        rows, rival = (shares > _NEGLIGIBLE).nonzero(as_tuple=True)
        if not len(rows):
            # Attached, so that a batch that is far enough everywhere moves no weight.
            return values.mean().to(x) + 0.0 * model(x[:1]).sum()
        ends = found.ends(rows, rival)
        scores = model(ends.points.to(x))
        margins = (scores.gather(1, y[rows][:, None]) - scores.gather(1, rival[:, None]))[:, 0]
        gain = (shares[rows, rival] / (unit[rows, 0] * ends.slopes)).to(margins)
        # The value is exact, the gradient is that of the margins at the end points.
        return values.mean().to(margins) - (gain * (margins - margins.detach())).sum() / len(x)

    def _penalties(self, missing: Tensor) -> tuple[Tensor, Tensor]:
        """Penalty `(batch,)` of what is missing over each rival `(batch, classes)`, and its derivatives."""
        # Classes that never tie with the own one have no boundary that could be moved.
        missing = torch.where(torch.isfinite(missing), missing, -torch.inf)
        if self.rivals == "nearest" or self.softness == 0:
            nearest = functional.one_hot(missing.argmax(dim=1), missing.shape[1]).bool()
            missing = torch.where(nearest, missing, -torch.inf)
        if self.softness == 0:
            return missing.amax(dim=1).clamp(min=0), (missing > 0).to(missing)
        tau = self.softness * self.target
        scaled = functional.pad(missing / tau, (1, 0))
        return tau * scaled.logsumexp(dim=1), scaled.softmax(dim=1)[:, 1:]


def _build(options: dict[str, str], threat: ThreatModel) -> ExactMargin:
    euclidean = threat.norm == "l2"
    return ExactMargin(
        target=real(options, "target", 1.5 * middle(threat) if euclidean else _TARGET),
        weight=real(options, "weight", 10.0),
        loss_weight=real(options, "loss", 0.2),
        softness=real(options, "softness", 0.2),
        warmup=real(options, "warmup", 0.15),
        start=real(options, "start", 0.0) if "start" in options else None,
        full=real(options, "full", 0.7),
        rivals=word(options, "rivals", "all", _RIVALS),
        units=word(options, "units", threat.units if euclidean else "relative", _UNITS),
    )


ENTRY = Entry(
    name="exact-margin",
    summary="exact L2 radii up to a target, amplitude encodings, without a box whatever the threat",
    build=_build,
    options={
        "target": "L2 distance to reach; 1.5 times the middle of an L2 threat's grid, else 0.2 of each input's norm",
        "weight": "of what the distances lack; 10",
        "loss": "weight of the classification loss after the warm-up; 0.2",
        "softness": "share of the target over which the force sets in; 0.2",
        "warmup": "share of the training on the classification loss alone; 0.15",
        "start": "target at the end of the warm-up; the target itself",
        "full": "share of the training at which a growing target is reached; 0.7",
        "rivals": "all, nearest; all",
        "units": "relative, feature; those of an L2 threat, else relative",
    },
)
