"""S17: the gradient an attack follows is the slope of the scores."""

from dataclasses import replace

import torch
from torch import Tensor

from counterspin.attacks.gradients import Autodiff, ParameterShift
from counterspin.attacks.modes import frozen
from counterspin.errors import CapabilityError, ConditionsError, ModelError
from counterspin.evaluation.records import CheckRecord
from counterspin.evaluation.sanity.base import Check, SanityContext
from counterspin.evaluation.sanity.probing import Contrast, Probe, cosine, probe_beside_samples
from counterspin.evaluation.seeds import derived_generator
from counterspin.types import Classifier, Differentiable, HasChannels, HasCircuit, HasSubstitute

__all__ = ["GradientsAgree"]

_SAMPLES = 16
# A shifted gradient takes two circuits or more per angle, and a wrong rule is wrong on every sample.
_SHIFTED = 4
_DIRECTIONS, _COORDINATES = 8, 16
# Step of the central difference as a share of the span: truncation and rounding both cost about 1e-10 of the score.
_STEP = 1e-6
_COSINE, _DIFFERENCE = 0.99, 1e-6
# Share of the samples, or of the features, up to which a finding may be an accident (a kink, a dead unit).
_FEW = 0.1
# Below this cosine with the slope over a tenth of the smallest budget, a gradient step goes nowhere in particular.
_SHATTERED = 0.5


class GradientsAgree(Check):
    r"""Autodiff, central differences and parameter-shift of the margin agree, in float64, beside up to 16 samples.

    Derivatives along 8 random directions and up to 16 coordinates are one vector per sample. Two methods agree if
    their cosine is at least 0.99 or they differ by at most :math:`10^{-6}` of the largest score per width of the box.

    What a gradient may hide although it is right (Athalye et al., arXiv:1802.00420): it is exactly zero where scores
    move within the budget (quantised, saturated, cut off); it has little in common with the slope over a tenth of the
    smallest budget (shattered); features without any effect here have one elsewhere (the model clips its input).
    """

    id = "S17"
    title = "Gradients agree with differences"
    tier = "standard"

    def run(self, context: SanityContext) -> CheckRecord:
        """FAIL if the gradient is detached, not finite, or wrong or blind on over 10 % of the samples; else WARN."""
        model = context.model
        if model.stochastic:
            return self.record("SKIP", "Scores are random, so their differences are no derivatives.")
        if isinstance(model, HasSubstitute):
            return self._of_substitute(context, model.substitute)
        if isinstance(model, Differentiable) and not model.differentiable:
            return self.record("SKIP", "The model declares that it has no gradient.")
        probe = probe_beside_samples(context, self.id, _SAMPLES)
        if probe is None:
            return self.record("SKIP", "No correctly classified sample to differentiate at.")
        with frozen(model):
            try:
                found = Autodiff()(model, probe.x, probe.loss)
            except CapabilityError:
                advice = "The gradient is detached: return scores attached to autograd (no detach, no numpy)."
                return self.record("FAIL", advice, samples=probe.rows.tolist())
            except ModelError as error:
                return self.record("FAIL", f"No gradient beside the samples: {error}", samples=probe.rows.tolist())
            context.tally.add(found.cost)
            return self._judged(context, probe, found.gradient)

    def _of_substitute(self, context: SanityContext, substitute: Classifier) -> CheckRecord:
        """Attacks follow the slopes of what stands for the model: these must be right, and it must decide alike."""
        with torch.no_grad(), frozen(substitute):
            decided = substitute(context.x.double()).argmax(dim=1)
        correct = context.correct
        other = correct & (decided != context.y)
        if int(other.sum()) > _FEW * int(correct.sum()):
            advice = (
                f"The substitute decides otherwise on {int(other.sum())} of {int(correct.sum())} correct samples, so "
                "that its slopes say little of the model: attacks that follow them prove nothing."
            )
            return self.record("FAIL", advice, samples=other.nonzero()[:, 0].tolist())
        return self.run(replace(context, model=substitute))

    def _judged(self, context: SanityContext, probe: Probe, gradient: Tensor) -> CheckRecord:
        directions, chosen = _directions(context)
        sizes = context.threat.size(directions) if context.threat.norm in ("l1", "l2") else directions.abs().amax(dim=1)
        steps = (directions / sizes[:, None])[:, None]
        fine = probe.slopes(_STEP * probe.spans * steps) / _STEP
        coarse = probe.slopes(probe.near * steps)
        finite = (
            torch.isfinite(gradient).all(dim=1) & torch.isfinite(fine).all(dim=0) & torch.isfinite(coarse).all(dim=0)
        )
        if not bool(finite.all()):
            advice = "Scores or gradients are NaN or infinite within the budget; repair the model and audit again."
            return self.record("FAIL", advice, samples=probe.rows[~finite].tolist())
        moves = probe.moves(probe.far * steps)
        blind = (gradient == 0).all(dim=1) & moves.any(dim=0)
        if bool(blind.any()):
            advice = (
                "The gradient is exactly zero where scores move within the budget (quantised, saturated or cut off): "
                "gradient attacks see nothing, so count gradient-free ones only, or put the gradient back."
            )
            return self._by_share(blind, probe, advice)
        wrong = ~_agrees((probe.spans * steps * gradient).sum(dim=2), fine, probe.scale)
        wrong[:_SHIFTED] |= _shifts_disagree(probe, gradient)
        if bool(wrong.any()):
            advice = (
                "The gradient is not the slope of the scores: repair the model's backward pass, or attack with "
                "gradient=ParameterShift() or without gradients."
            )
            return self._by_share(wrong, probe, advice)
        if not bool(moves.any()):
            advice = "Scores do not move within the largest budget, so no attack can succeed; is the model constant?"
            return self.record("WARN", advice, samples=probe.rows.tolist())
        alike = cosine((probe.near * steps * gradient).sum(dim=2), coarse)
        if float(alike.median()) < _SHATTERED:
            advice = (
                "Gradients are right but have little in common with the slope over a tenth of the smallest budget "
                "(shattered): count gradient-free attacks, or smooth the scores before the gradient is taken."
            )
            ids = probe.rows[alike < _SHATTERED].tolist()
            return self.record("WARN", advice, statistic=float(alike.median()), threshold=_SHATTERED, samples=ids)
        # Over short steps: a long one leads back into the box the model really uses.
        stirs = probe.moves(probe.near * steps[_DIRECTIONS:]) | (gradient[:, chosen].T != 0)
        still = ~stirs[stirs.any(dim=1)]
        share = float(still.double().mean())
        if share > _FEW:
            advice = (
                f"{100 * share:.0f} % of the features that matter elsewhere have no effect where they stand: the "
                "model clips or rounds its input; declare the box it really uses as its bounds."
            )
            ids = probe.rows[still.any(dim=0)].tolist()
            return self.record("WARN", advice, statistic=share, threshold=_FEW, samples=ids)
        return self.record("PASS", "", statistic=float(alike.median()), threshold=_SHATTERED)

    def _by_share(self, bad: Tensor, probe: Probe, advice: str) -> CheckRecord:
        share = float(bad.double().mean())
        status = "FAIL" if share > _FEW else "WARN"
        return self.record(status, advice, statistic=share, threshold=_FEW, samples=probe.rows[bad].tolist())


def _directions(context: SanityContext) -> tuple[Tensor, Tensor]:
    """Random directions, then coordinates `(directions, features)`, and the features of the coordinates."""
    count = context.x.shape[1]
    generator = derived_generator(context.seed, "S17", "directions")
    random = torch.randn(_DIRECTIONS, count, generator=generator, dtype=torch.float64)
    chosen = torch.randperm(count, generator=generator)[:_COORDINATES]
    return torch.cat([random, torch.eye(count, dtype=torch.float64)[chosen]]), chosen


def _agrees(a: Tensor, b: Tensor, scale: Tensor) -> Tensor:
    """Whether two `(directions, n)` agree per sample `(n,)`."""
    close = (a - b).abs().amax(dim=0) <= _DIFFERENCE * scale
    return close | (cosine(a, b) >= _COSINE)


def _shifts_disagree(probe: Probe, gradient: Tensor) -> Tensor:
    """Whether parameter-shift finds another gradient at the first samples; False where it does not apply."""
    some = slice(_SHIFTED)
    agrees = torch.ones(len(probe.rows[some]), dtype=torch.bool)
    model = probe.context.model
    if isinstance(model, HasCircuit) and not isinstance(model, HasChannels):
        loss = Contrast(own=probe.loss.own[some], rival=probe.loss.rival[some])
        try:
            shifted = ParameterShift()(model, probe.x[some], loss)
        except (CapabilityError, ConditionsError):
            return ~agrees
        probe.context.tally.add(shifted.cost)
        agrees = _agrees((probe.spans * shifted.gradient).T, (probe.spans * gradient[some]).T, probe.scale[some])
    return ~agrees
