"""What every certificate promises: per sample, a radius inside which no attack of the threat's norm can succeed."""

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from counterspin.certificates.assumptions import Assumptions
from counterspin.errors import CapabilityError, ConditionsError, InputError
from counterspin.threats import ThreatModel
from counterspin.types import (
    Box,
    Classifier,
    Differentiable,
    HasCircuit,
    HasEffectiveObservables,
    HasStates,
)
from counterspin.validation import as_features, as_labels, check_classifier_interface, checked_scores

__all__ = ["Assumptions", "Certificate", "CertificateResult", "Radii", "Task", "in_norm_of"]

_CAPABILITIES: dict[str, tuple[type, str]] = {
    "effective_observables": (
        HasEffectiveObservables,
        "effective observables (a frozen amplitude-encoded circuit has them)",
    ),
    "circuit": (HasCircuit, "a circuit with its readout (a model that is one circuit has them)"),
    "gradient": (Differentiable, "a gradient with respect to its input"),
    "states": (HasStates, "the state it measures (a noiseless circuit has it)"),
}


@dataclass(frozen=True, kw_only=True)
class CertificateResult:
    """Radii of one batch, in feature units of the threat's norm.

    Args:
        radius_lower: certified radius `(batch,)`: every perturbation smaller than this keeps the prediction.
        radius_upper: distance `(batch,)` at which the prediction is known to change; infinite where unknown.
        exact: samples `(batch,)` bool whose radius is known to 1e-6; all False where no exact claim is made.
        method: name of the certificate.
        assumptions: what the radii rest on.
        seconds: wall time of both stages.
        prepare_seconds: the share of it that is spent once per model.
        points: inputs `(batch, features)` seen to flip at `radius_upper`, the sample itself where none is known; None:
            the method looks for none.
    """

    radius_lower: Tensor
    radius_upper: Tensor
    exact: Tensor
    method: str
    assumptions: Assumptions
    seconds: float
    prepare_seconds: float = 0.0
    points: Tensor | None = None

    def verdicts(self, radius: float | Tensor) -> list[str]:
        """Per sample `"proved"`, `"counterexample"` or `"inconclusive"` at a radius `()` or `(batch,)`.

        The radius is in feature units. A flip exactly at it is within reach, so a proof must reach beyond.
        """
        proved = (self.radius_lower > radius).tolist()
        broken = (self.radius_upper <= radius).tolist()
        return [
            "proved" if p else "counterexample" if b else "inconclusive" for p, b in zip(proved, broken, strict=True)
        ]


@dataclass(frozen=True, kw_only=True)
class Radii:
    """What a certificate computes, before misclassified samples are set to 0.

    Args:
        lower: certified radius `(batch,)`.
        upper: distance of a known flip `(batch,)`, infinite where none is known.
        exact: radii `(batch,)` bool known to 1e-6.
        assumptions: what they rest on.
        points: inputs `(batch, features)` seen to flip, the sample itself where there is none; None: not looked for.
    """

    lower: Tensor
    upper: Tensor
    exact: Tensor
    assumptions: Assumptions
    points: Tensor | None = None

    @classmethod
    def below(cls, lower: Tensor, assumptions: Assumptions) -> "Radii":
        """A lower bound `(batch,)` and nothing else."""
        unknown = torch.full_like(lower, torch.inf)
        nowhere = torch.zeros_like(lower, dtype=torch.bool)
        return cls(lower=lower, upper=unknown, exact=nowhere, assumptions=assumptions)


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """The checked inputs of one call.

    Args:
        x: inputs `(batch, features)` float64, inside the box.
        y: labels `(batch,)`.
        target: class `(batch,)` the attacker wants, None: any other.
        threat: norm, mask and discrete features; its budgets count only where a search is set to end there.
        box: where adversarial inputs must stay; unbounded where they need not.
        generator: source of randomness.
    """

    x: Tensor
    y: Tensor
    target: Tensor | None
    threat: ThreatModel
    box: Box
    generator: torch.Generator


@dataclass(frozen=True, kw_only=True)
class Certificate(ABC):
    """Template of a certificate: checks and the rule for misclassified samples once, the mathematics in two stages.

    Subclasses are frozen settings. `_prepare` computes from the model what all samples share and refuses what lies
    outside the theorem; `_radii` is vectorised over the batch. They may set:

    * `requires`: capabilities of the model, of `"effective_observables"`, `"circuit"`, `"gradient"`, `"states"`;
    * `norms`: the norms of the threats it can serve;
    * `stochastic`: whether it serves models whose scores are random;
    * `block`: how many samples an evaluation hands it at a time, for searches so long that what is finished must be
      kept; None: all of them.
    """

    name: ClassVar[str]
    requires: ClassVar[tuple[str, ...]] = ()
    norms: ClassVar[tuple[str, ...]] = ("linf", "l2", "l1")
    stochastic: ClassVar[bool] = False
    block: ClassVar[int | None] = None

    @torch.no_grad()
    def __call__(
        self, model: Classifier, x: Any, y: Any, threat: ThreatModel, *, generator: torch.Generator | None = None
    ) -> CertificateResult:
        """Certify each sample of `x` `(batch, features)` with labels `y` `(batch,)` against `threat`.

        The budgets of the threat play no role, unless a setting says that the search ends there. A sample that is
        misclassified or tied has radius 0.

        Raises:
            InputError: data that cannot be used, or a target class equal to the label.
            CapabilityError: the model lacks something the certificate requires.
            ConditionsError: outside the conditions of the theorem.
        """
        started = time.perf_counter()
        self._check(model, threat)
        box = model.bounds if threat.box == "data" else Box.unbounded(model.bounds.features)
        features = as_features(x, box).to(torch.float64)
        labels = as_labels(y, model.classes, len(features))
        task = Task(
            x=features,
            y=labels,
            target=_checked_target(threat, labels, model.classes),
            threat=threat,
            box=box,
            generator=torch.Generator().manual_seed(0) if generator is None else generator,
        )

        prepared = self._prepare(model, threat)
        ready = time.perf_counter()
        radii = self._radii(model, prepared, task)
        wrong = ~self._stands(model, task)
        return CertificateResult(
            radius_lower=radii.lower.masked_fill(wrong, 0.0),
            radius_upper=radii.upper.masked_fill(wrong, 0.0),
            exact=radii.exact,
            method=self.name,
            assumptions=radii.assumptions,
            seconds=time.perf_counter() - started,
            prepare_seconds=ready - started,
            points=None if radii.points is None else torch.where(wrong[:, None], features, radii.points),
        )

    def refusal(self, model: Classifier, threat: ThreatModel) -> str | None:
        """Why the certificate does not hold for this model and threat; None: it does."""
        try:
            self._check(model, threat)
            with torch.no_grad():
                self._prepare(model, threat)
        except (CapabilityError, ConditionsError) as error:
            return str(error)
        return None

    @abstractmethod
    def _prepare(self, model: Any, threat: ThreatModel) -> Any:
        """What all samples share. Every condition on model and threat is checked here, before any compute.

        Raises:
            CapabilityError: the model lacks something.
            ConditionsError: outside the conditions of the theorem.
        """

    @abstractmethod
    def _radii(self, model: Any, prepared: Any, task: Task) -> Radii:
        """Radii of checked float64 inputs; what is said of misclassified samples is overruled."""

    def _stands(self, model: Classifier, task: Task) -> Tensor:
        """Samples `(batch,)` whose label wins without a tie."""
        scores = checked_scores(model, task.x)
        others = scores.scatter(1, task.y[:, None], -torch.inf).amax(dim=1)
        return scores.gather(1, task.y[:, None])[:, 0] > others

    def _check(self, model: Classifier, threat: ThreatModel) -> None:
        check_classifier_interface(model)
        threat.check(model.bounds)
        for capability in self.requires:
            protocol, words = _CAPABILITIES[capability]
            lacking = capability == "gradient" and not getattr(model, "differentiable", False)
            if lacking or not isinstance(model, protocol):
                raise CapabilityError(
                    f"certificate {self.name} needs {words}, which model ({type(model).__name__}) lacks; "
                    "choose another certificate."
                )
        if model.stochastic and not self.stochastic:
            raise ConditionsError(
                f"certificate {self.name} holds for scores without shot noise; certify the model at infinitely many "
                "shots."
            )
        if threat.norm not in self.norms:
            raise ConditionsError(
                f"certificate {self.name} bounds distances in {', '.join(self.norms)}, and the threat's norm is "
                f"{threat.norm}; use one of those."
            )


def in_norm_of(threat: ThreatModel, lower: Tensor, features: int) -> tuple[Tensor, tuple[str, ...]]:
    r"""An L2 radius in the norm of the threat, and a note on what that assumes.

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
