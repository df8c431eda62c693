"""S23: the suite is tried on models whose robustness is known: the undefended twin, plain circuits, masked circuits."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from counterspin.attacks.evasion.apgd import APGD
from counterspin.attacks.losses import Margin
from counterspin.attacks.modes import frozen
from counterspin.errors import CounterspinError
from counterspin.evaluation.records import CheckRecord
from counterspin.evaluation.sanity.base import Check, SanityContext
from counterspin.evaluation.sanity.contenders import spread
from counterspin.evaluation.sanity.gradients import GradientsAgree
from counterspin.evaluation.sanity.probing import scores_at
from counterspin.evaluation.sanity.rehearsal import rehearse
from counterspin.evaluation.sanity.saturation import SameSuccessByLoss
from counterspin.evaluation.sanity.zoo import Specimen, specimens
from counterspin.simulation import run
from counterspin.types import Box, Classifier, HasChannels, HasCircuit, HasUndefended, Outputs

__all__ = ["KnownMasksAreBroken"]

_SAMPLES = 24
_REFERENCE = APGD(steps=50, restarts=3, loss=Margin(), precision="float32")
# The checks that answer for masks under which the decisions of a circuit stay what they are.
_ANSWERS: dict[str, Check] = {check.id: check for check in (GradientsAgree(), SameSuccessByLoss())}


class KnownMasksAreBroken(Check):
    """What the suite does where the answer is known, each time on up to 24 samples at the largest budget.

    * The undefended twin (`model.undefended`, or the model's bare circuit) must not be harder to break than the model.
    * On a plain circuit the suite must break what a small APGD breaks.
    * Of each masked circuit of the zoo the suite must break what it breaks without the mask, or the check meant for the
      mask must say so.

    "Must" allows fewer than max(2, 1 %) samples, as everywhere.
    """

    id = "S23"
    title = "Twin, plain and masked circuits are broken"
    tier = "paper"

    def run(self, context: SanityContext) -> CheckRecord:
        """FAIL on any of the three; the statistic is the number of models on which the suite failed."""
        if context.model.stochastic or not context.suite:
            return self.record("SKIP", "Scores are random or there is no attack; the zoo is for exact scores.")
        norm = context.threat.norm
        if norm == "l0":
            return self.record("SKIP", "The features of the zoo are continuous; an L0 budget means nothing to them.")
        complaints = [_complaint_of_twin(context)] if _twin(context) is not None else []
        zoo = specimens(samples=_SAMPLES, norm=norm)
        plain = next(specimen for specimen in zoo if not specimen.expected)
        bare = _tried(plain, context)
        reference = rehearse(_at_largest(plain), (_REFERENCE,), seed=context.seed).worst_case[-1]
        if bare is None or _many(reference & ~bare.worst_case[-1]):
            complaints.append("the plain circuit, where a small APGD breaks more")
        complaints += [_silent(s, context, bare) for s in zoo if s.expected in _ANSWERS] if bare is not None else []
        found = [complaint for complaint in complaints if complaint]
        if found:
            advice = f"The suite fails without anybody noticing on {'; '.join(found)}. Use the standard suite."
            return self.record("FAIL", advice, statistic=float(len(found)), threshold=0.0)
        return self.record("PASS", "", statistic=0.0, threshold=0.0)


def _silent(specimen: Specimen, context: SanityContext, bare: SanityContext) -> str | None:
    """The name of a masked circuit the suite does not break while the check meant for it says nothing."""
    masked = _tried(specimen, context)
    if masked is None:  # refused in plain words
        return None
    missed = bare.worst_case[-1] & masked.correct & ~masked.worst_case[-1]
    if _many(missed) and _ANSWERS[specimen.expected].run(masked).status not in ("WARN", "FAIL"):
        return f"the masked circuit '{specimen.name}'"
    return None


def _tried(specimen: Specimen, context: SanityContext) -> SanityContext | None:
    """The suite on a specimen at its largest budget; None where no attack serves it."""
    try:
        return rehearse(_at_largest(specimen), tuple(context.suite.values()), seed=context.seed)
    except CounterspinError:
        return None


def _at_largest(specimen: Specimen) -> Specimen:
    return replace(specimen, threat=replace(specimen.threat, eps=specimen.threat.eps[-1:]))


def _complaint_of_twin(context: SanityContext) -> str | None:
    """What to say if the suite breaks fewer samples of the twin than of the model."""
    twin = _twin(context)
    rows = spread(context.correct.nonzero()[:, 0], _SAMPLES)
    if twin is None or len(rows) == 0:
        return None
    broken = torch.zeros(len(rows), dtype=torch.bool)
    right = torch.zeros(len(rows), dtype=torch.bool)
    for attack in context.suite.values():
        if attack.refusal(twin, context.threat) is None:
            result = context.attack_again(attack, rows, "S23", model=twin, eps=context.threat.eps[-1:])
            broken |= result.success[-1]
            right |= result.correct
    harder = int((context.worst_case[-1, rows] & right).sum()) - int(broken.sum())
    if harder >= max(2.0, 0.01 * len(rows)):
        return f"the undefended twin, of which it breaks {harder} samples fewer than of the model"
    return None


def _twin(context: SanityContext) -> Classifier | None:
    """The model without its defence; None where there is none to remove."""
    model = context.model
    if isinstance(model, HasUndefended):
        return model.undefended
    # Noise is no defence, and the circuit without it no twin.
    if not isinstance(model, HasCircuit) or isinstance(model, HasChannels):
        return None
    bare = _BareCircuit(model)
    x = context.x[:_SAMPLES].double()
    with frozen(model):
        same = torch.allclose(bare(x).double(), scores_at(context, x), rtol=1e-9, atol=1e-9)
    return None if same else bare


def _many(missed: Tensor) -> bool:
    return int(missed.sum()) >= max(2.0, 0.01 * len(missed))


class _BareCircuit:
    """What a model's own circuit, weights and readout say, whatever the model makes of it."""

    stochastic = False

    def __init__(self, model: HasCircuit) -> None:
        self.model = model
        self.classes = model.readout.classes
        self.outputs: Outputs = model.readout.outputs

    @property
    def bounds(self) -> Box:
        return self.model.bounds  # pyright: ignore[reportAttributeAccessIssue]

    def __call__(self, x: Tensor) -> Tensor:
        model = self.model
        return run(model.circuit, model.circuit_inputs(x), model.weights.detach().to(x.dtype), model.readout)
