"""What every certificate promises: per sample, a radius inside which no attack of the threat's norm can succeed."""

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from counterspin.errors import CapabilityError, ConditionsError, InputError
from counterspin.threats import ThreatModel
from counterspin.types import Box, Classifier, HasCircuit, HasEffectiveObservables
from counterspin.validation import as_features, as_labels, check_classifier_interface, checked_scores

__all__ = ["Certificate", "CertificateResult", "Radii", "in_norm_of"]

_CAPABILITIES: dict[str, tuple[type, str]] = {
    "effective_observables": (
        HasEffectiveObservables,
        "effective observables (a frozen amplitude-encoded circuit has them)",
    ),
    "circuit": (HasCircuit, "a circuit with its readout (a model that is one circuit has them)"),
}


@dataclass(frozen=True, kw_only=True)
class CertificateResult:
    """Radii of one batch, in feature units of the threat's norm.

    Args:
        radius_lower: certified radius `(batch,)`: every perturbation smaller than this keeps the prediction.
        radius_upper: distance `(batch,)` at which the prediction is known to change; infinite where unknown.
        exact: samples `(batch,)` bool whose radius is known to 1e-6; all False where no exact claim is made.
        method: name of the certificate.
        assumptions: what the radii rest on, one sentence each.
        seconds: wall time.
    """

    radius_lower: Tensor
    radius_upper: Tensor
    exact: Tensor
    method: str
    assumptions: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Radii:
    """What a certificate computes: `lower`, `upper` `(batch,)`, `exact` `(batch,)` bool and its assumptions."""

    lower: Tensor
    upper: Tensor
    exact: Tensor
    assumptions: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Certificate(ABC):
    """Template of a certificate: checks and the rule for misclassified samples once, the mathematics in `_radii`."""

    name: ClassVar[str]
    requires: ClassVar[tuple[str, ...]] = ()

    @torch.no_grad()
    def __call__(self, model: Classifier, x: Any, y: Any, threat: ThreatModel) -> CertificateResult:
        """Certify each sample of `x` `(batch, features)` with labels `y` `(batch,)` against `threat`.

        The budgets of the threat play no role. A sample that is misclassified or tied has radius 0.

        Raises:
            InputError: data that cannot be used, or a target class equal to the label.
            CapabilityError: the model lacks something the certificate requires.
            ConditionsError: outside the conditions of the theorem.
        """
        started = time.perf_counter()
        check_classifier_interface(model)
        self._check_capabilities(model)
        box = model.bounds if threat.box == "data" else Box.unbounded(model.bounds.features)
        features = as_features(x, box).to(torch.float64)
        labels = as_labels(y, model.classes, len(features))
        target = _checked_target(threat, labels, model.classes)

        radii = self._radii(model, features, labels, target, threat)
        scores = checked_scores(model, features)
        others = scores.scatter(1, labels[:, None], -torch.inf).amax(dim=1)
        wrong = scores.gather(1, labels[:, None])[:, 0] <= others
        zero = torch.zeros_like(radii.lower)
        return CertificateResult(
            radius_lower=torch.where(wrong, zero, radii.lower),
            radius_upper=torch.where(wrong, zero, radii.upper),
            exact=radii.exact,
            method=self.name,
            assumptions=radii.assumptions,
            seconds=time.perf_counter() - started,
        )

    @abstractmethod
    def _radii(self, model: Any, x: Tensor, y: Tensor, target: Tensor | None, threat: ThreatModel) -> Radii:
        """Radii of checked float64 inputs; what is said of misclassified samples is overruled.

        Conditions on the model are checked here, before any compute.
        """

    def _check_capabilities(self, model: Classifier) -> None:
        for capability in self.requires:
            protocol, words = _CAPABILITIES[capability]
            if not isinstance(model, protocol):
                raise CapabilityError(
                    f"certificate {self.name} needs {words}, which model ({type(model).__name__}) lacks; "
                    "choose another certificate."
                )
        if model.stochastic:
            raise ConditionsError(
                f"certificate {self.name} holds for scores without shot noise; certify the model at infinitely many "
                "shots."
            )


def in_norm_of(threat: ThreatModel, lower: Tensor, features: int) -> tuple[Tensor, tuple[str, ...]]:
    r"""An L2 radius in the norm of the threat, and what that assumes.

    .. math:: \|\delta\|_2 \le \sqrt{d}\, \|\delta\|_\infty, \qquad \|\delta\|_2 \le \|\delta\|_1

    Raises:
        ConditionsError: a norm that an L2 radius says nothing about.
    """
    if threat.norm == "l2":
        return lower, ()
    if threat.norm == "l1":
        return lower, ("L1 radius by the norm inequality: the L2 radius itself",)
    if threat.norm == "linf":
        sentence = f"L-infinity radius by the norm inequality: the L2 radius divided by sqrt({features})"
        return lower / features**0.5, (sentence,)
    raise ConditionsError(
        f"the certificate bounds lengths, and norm {threat.norm} counts features; use linf, l2 or l1."
    )


def _checked_target(threat: ThreatModel, y: Tensor, classes: int) -> Tensor | None:
    target = threat.targets(y)
    if target is None:
        return None
    target = as_labels(target, classes, len(y), name="target")
    if bool((target == y).any()):
        raise InputError(
            f"target equals the label of sample {int((target == y).nonzero()[0])}; leave such samples out."
        )
    return target
