"""S19: features that sit where the encoding turns around and the gradient vanishes by symmetry."""

import torch
from torch import Tensor

from counterspin.attacks.modes import frozen
from counterspin.errors import CapabilityError
from counterspin.evaluation.records import CheckRecord
from counterspin.evaluation.sanity.base import Check, SanityContext
from counterspin.evaluation.sanity.probing import scores_at, spans_of
from counterspin.evaluation.seeds import derived_generator
from counterspin.types import Cost, Differentiable

__all__ = ["EncodingPoles"]

_SAMPLES, _FEATURES = 16, 64
# Steps as a share of the span. Near a stationary point four times as much happens over twice the way.
_STEP = 1e-3
_QUADRATIC = (3.0, 5.0)
# A derivative per span below this share of the largest score is zero; so is a change of the scores.
_ZERO, _STILL = 1e-6, 1e-10
_SHARE = 0.05


class EncodingPoles(Check):
    r"""At most 5 % of the features sit on a pole of the encoding, at up to 16 clean samples.

    A rotation applied to :math:`|0\rangle` and read along its axis of symmetry gives :math:`\cos(s x)`, flat at
    :math:`x = 0`; data with many exact zeros start there. A feature sits on a pole if the derivative of every score is
    zero, while the scores do move, quadratically: over :math:`2h` three to five times as far as over :math:`h`, with
    :math:`h` a thousandth of its span, away from the nearer wall of the box.
    """

    id = "S19"
    title = "Features off the poles of the encoding"
    tier = "standard"

    def run(self, context: SanityContext) -> CheckRecord:
        """WARN on a larger share; the statistic is the share of the features that have any effect."""
        model = context.model
        if model.stochastic or (isinstance(model, Differentiable) and not model.differentiable):
            return self.record("SKIP", "Without exact gradients a pole cannot be told from a flat place.")
        x = context.x[:_SAMPLES].double()
        generator = derived_generator(context.seed, self.id)
        features = torch.randperm(x.shape[1], generator=generator)[:_FEATURES]
        with frozen(model):
            flat = _flat(context, x, features)
            first, second = _changes(context, x, features, 1), _changes(context, x, features, 2)
        scale = context.scores[: len(x)].abs().amax(dim=1, keepdim=True).clamp_min(torch.finfo(torch.float64).tiny)
        if not bool(torch.isfinite(first + second).all()):
            return self.record("SKIP", "Scores beside the samples are NaN or infinite; S17 says more.")
        effective = second > _STILL * scale
        ratio = second / first.clamp_min(torch.finfo(torch.float64).tiny)
        pole = flat & effective & (ratio >= _QUADRATIC[0]) & (ratio <= _QUADRATIC[1])
        if not bool((effective | ~flat).any()):
            return self.record("SKIP", "No feature has any effect on the scores beside the samples.")
        share = float(pole.sum() / (effective | ~flat).sum())
        if share > _SHARE:
            advice = (
                f"{100 * share:.0f} % of the features sit on a pole of the encoding and have no gradient there: use "
                "random starts (not FGSM), or shift the encoding away from the values the data take."
            )
            ids = pole.any(dim=1).nonzero()[:, 0].tolist()
            return self.record("WARN", advice, statistic=share, threshold=_SHARE, samples=ids)
        return self.record("PASS", "", statistic=share, threshold=_SHARE)


def _flat(context: SanityContext, x: Tensor, features: Tensor) -> Tensor:
    """Whether the derivative of every score is zero, `(n, chosen features)`.

    Raises:
        CapabilityError: scores without a gradient to the input.
    """
    model, spans = context.model, spans_of(context.model.bounds, x)
    largest = torch.zeros(len(x), len(features), dtype=torch.float64)
    with torch.enable_grad():
        leaf = x.detach().clone().requires_grad_()
        scores = model(leaf)
        if not scores.requires_grad:
            raise CapabilityError(f"model ({type(model).__name__}) gives scores without a gradient to its input.")
        for k in range(scores.shape[1]):
            (gradient,) = torch.autograd.grad(scores[:, k].sum(), leaf, retain_graph=True, allow_unused=True)
            if gradient is not None:
                largest = torch.maximum(largest, (spans * gradient)[:, features].abs())
    context.tally.add(Cost(forwards=len(x), backwards=len(x) * scores.shape[1], circuits=len(x)))
    scale = scores.detach().abs().amax(dim=1, keepdim=True)
    return largest <= _ZERO * scale


def _changes(context: SanityContext, x: Tensor, features: Tensor, steps: int) -> Tensor:
    """How far the scores move when one feature takes `steps` steps, `(n, chosen features)`."""
    box, spans = context.model.bounds, spans_of(context.model.bounds, x)
    # Away from the nearer wall; without walls any side will do, since poles are symmetric.
    side = torch.where(box.upper.to(x) - x >= x - box.lower.to(x), 1.0, -1.0).nan_to_num(1.0)
    offsets = torch.zeros(len(features), *x.shape, dtype=x.dtype)
    offsets[torch.arange(len(features)), :, features] = (steps * _STEP * spans * side)[:, features].T
    here = scores_at(context, x)
    there = scores_at(context, (x + offsets).flatten(0, 1)).reshape(len(features), *here.shape)
    return (there - here).abs().amax(dim=2).T
