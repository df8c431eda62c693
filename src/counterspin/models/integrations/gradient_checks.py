"""Whether a model's gradient is that of its values: the check that silent wrong gradients do not pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from counterspin.models.integrations.route import GradientCheck

__all__ = ["check_gradient"]

# Many places rather than many directions: a gradient may be cut off in a part of the box only.
_SAMPLES, _DIRECTIONS, _CONTRASTS = 6, 1, 3
# Steps in units of the features' spans: the shortest serve float64, the longest float32 and shots.
_STEPS = torch.tensor([1e-5, 1e-4, 1e-3, 1e-2, 1e-1], dtype=torch.float64)
_STOCHASTIC_STEPS = torch.tensor([0.1], dtype=torch.float64)
_REPEATS = 8
# Share of the largest slope by which gradients may be off, on top of what the differences do not resolve.
_AGREES, _RESOLVED = 1e-3, 5.0
# Where what is not resolved exceeds this share of the slopes, nothing can be said.
_UNRESOLVED = 0.3
# A sampled gradient that scatters by more than this many slopes is no guide.
_SCATTER = 10.0
_ROUNDING, _FLAT = 1e-15, 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class _Slopes:
    """Directional derivatives of contrasts of the scores `(samples, directions, contrasts)` and their errors."""

    values: Tensor
    errors: Tensor


def check_gradient(model: Any, x: Tensor, spans: Tensor, noise: float, *, seed: int = 0) -> GradientCheck:
    r"""Directional derivatives from autograd against central differences of the values.

    At random points u next to samples, along random directions v and for random contrasts c of the scores,

    .. math:: c \cdot \nabla f(u) v \quad\text{against}\quad c \cdot \frac{f(u + hv) - f(u - hv)}{2h}

    with the step h whose estimated error (rounding over h, plus what the next step changes) is least. A zero test alone
    would not do: simulators are known to return gradients that are wrong and not zero.

    Args:
        model: a classifier with frozen weights.
        x: samples `(samples, features)` float64.
        spans: what counts as a large step of each feature `(features,)`; where the box is bounded, points are kept
            a tenth of it inside.
        noise: rounding of the values, in their units.
        seed: of the points, directions and contrasts.

    Example:
        >>> from counterspin.models import LogisticRegression
        >>> from counterspin.types import Box
        >>> model = LogisticRegression(Box.uniform(0.0, 1.0, features=2), classes=2)
        >>> x = torch.full((3, 2), 0.5, dtype=torch.float64)
        >>> check_gradient(model, x, torch.ones(2), 1e-16).passed
        True
    """
    if not getattr(model, "differentiable", True):
        return GradientCheck(passed=None, cosine=None, message="there is no gradient to check: the model has none.")
    generator = torch.Generator().manual_seed(seed)
    spread = torch.linspace(0, len(x) - 1, min(_SAMPLES, len(x))).round().long()
    points = _points(model, x[spread], spans, generator)
    directions = torch.randn(len(points), _DIRECTIONS, x.shape[1], generator=generator, dtype=torch.float64)
    directions = spans * torch.nn.functional.normalize(directions, dim=2)
    contrasts = torch.randn(min(model.classes, _CONTRASTS), model.classes, generator=generator, dtype=torch.float64)
    contrasts = torch.nn.functional.normalize(contrasts - contrasts.mean(dim=1, keepdim=True), dim=1)
    repeats = _REPEATS if model.stochastic else 1
    try:
        found = [_by_autograd(model, points, directions, contrasts) for _ in range(repeats)]
    except Exception as error:  # a backward pass of the user's or of another library runs here
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300].rstrip(".")
        return GradientCheck(passed=False, cosine=None, message=f"its gradient cannot be computed ({reason}).")
    slopes = [slope for slope in found if slope is not None]
    if len(slopes) < repeats:
        message = (
            "its scores carry no gradient to the features: a detach(), a conversion to NumPy or a switch such as "
            "input_gradients=False cuts it off"
        )
        return GradientCheck(passed=False, cosine=None, message=f"{message}.")
    if model.stochastic:
        quotients = [_quotients(model, points, directions, contrasts, _STOCHASTIC_STEPS)[0] for _ in range(repeats)]
        return _judged_sampled(_mean(slopes), _mean(quotients))
    differences = _by_differences(model, points, directions, contrasts, noise)
    return _judged(slopes[0], differences)


def _points(model: Any, x: Tensor, spans: Tensor, generator: torch.Generator) -> Tensor:
    """Points near samples: models often clip at the ends of the box and have kinks at zeros."""
    lower, upper = (end.to(x) for end in (model.bounds.lower, model.bounds.upper))
    inner = torch.where(torch.isfinite(upper - lower), 0.1 * (upper - lower), 0.0)
    jitter = 0.05 * spans * (2 * torch.rand(x.shape, generator=generator, dtype=torch.float64) - 1)
    return torch.minimum(torch.maximum(x, lower + inner), upper - inner) + jitter


def _by_autograd(model: Any, points: Tensor, directions: Tensor, contrasts: Tensor) -> Tensor | None:
    with torch.enable_grad():
        leaf = points.clone().requires_grad_()
        scores = model(leaf)
        if not scores.requires_grad:
            return None
        values = (scores @ contrasts.T).sum(dim=0)
        found = [torch.autograd.grad(value, leaf, retain_graph=True, allow_unused=True)[0] for value in values]
    if any(gradient is None for gradient in found):
        return None
    return torch.einsum("csf,sdf->sdc", torch.stack([g for g in found if g is not None]), directions)


def _quotients(model: Any, points: Tensor, directions: Tensor, contrasts: Tensor, steps: Tensor) -> Tensor:
    """Central differences `(steps, samples, directions, contrasts)`, in one call of the model."""
    moves = steps[:, None, None, None] * directions
    ends = torch.stack([points[:, None] + moves, points[:, None] - moves])
    with torch.no_grad():
        scores = model(ends.reshape(-1, points.shape[1]))
    values = (scores @ contrasts.T).reshape(*ends.shape[:-1], len(contrasts))
    return (values[0] - values[1]) / (2 * steps[:, None, None, None])


def _by_differences(model: Any, points: Tensor, directions: Tensor, contrasts: Tensor, noise: float) -> _Slopes:
    quotients = _quotients(model, points, directions, contrasts, _STEPS)
    with torch.no_grad():
        rounding = max(noise, _ROUNDING * float(model(points).abs().max()))
    rounded = (rounding / _STEPS)[:, None, None, None]
    # Truncation falls with the square of the step: a hundredth of what the next longer step changes, with a margin.
    changes = quotients.diff(dim=0).abs()
    truncated = torch.cat([changes / 30, changes[-1:]])
    errors = rounded + truncated
    best = errors.argmin(dim=0, keepdim=True)
    return _Slopes(values=quotients.gather(0, best)[0], errors=errors.gather(0, best)[0])


def _mean(draws: list[Tensor]) -> _Slopes:
    stacked = torch.stack(draws)
    return _Slopes(values=stacked.mean(dim=0), errors=stacked.std(dim=0) / len(draws) ** 0.5)


def _judged(gradient: Tensor, differences: _Slopes) -> GradientCheck:
    expected, errors = differences.values, differences.errors
    if not bool(torch.isfinite(gradient).all()):
        return GradientCheck(passed=False, cosine=None, message="its gradient holds NaN or infinite values.")
    largest = float(expected.abs().max())
    off, allowed = (gradient - expected).abs(), _AGREES * largest + _RESOLVED * errors
    cosine = _cosine(gradient, expected)
    if bool((off > allowed).any()):
        return GradientCheck(passed=False, cosine=cosine, message=_complaint(gradient, expected, off, cosine))
    if float(errors.square().mean().sqrt()) > _UNRESOLVED * float(expected.square().mean().sqrt()):
        if largest <= _FLAT:
            message = "its values do not change near the samples, and its gradient says so."
            return GradientCheck(passed=True, cosine=None, message=message)
        return GradientCheck(
            passed=None, cosine=cosine, message="its values are too rough for central differences to tell."
        )
    return GradientCheck(
        passed=True, cosine=cosine, message=f"its gradient is that of central differences (cosine {cosine:.6f})."
    )


def _judged_sampled(gradient: _Slopes, differences: _Slopes) -> GradientCheck:
    """The same for sampled values, in the mean of several calls."""
    slope = float(differences.values.square().mean().sqrt())
    scatter = float(gradient.errors.square().mean().sqrt()) * _REPEATS**0.5
    unresolved = float((gradient.errors.square() + differences.errors.square()).mean().sqrt())
    cosine = _cosine(gradient.values, differences.values)
    if scatter > _SCATTER * max(slope, float(differences.errors.square().mean().sqrt())):
        message = f"its gradient is noise: it scatters by {scatter:.2g} where the values have slopes of {slope:.2g}"
        message = f"{message}; difference quotients of sampled values do this."
        return GradientCheck(passed=False, cosine=cosine, message=message)
    off = (gradient.values - differences.values).square().mean().sqrt()
    if float(off) > _RESOLVED * unresolved + 0.2 * slope:
        message = f"its mean gradient is not that of its mean values (cosine {cosine:.3f})."
        return GradientCheck(passed=False, cosine=cosine, message=message)
    if unresolved > _UNRESOLVED * slope:
        return GradientCheck(passed=None, cosine=cosine, message="its values are sampled, too noisy to tell.")
    message = f"its mean gradient is that of its mean values, within their noise (cosine {cosine:.3f})."
    return GradientCheck(passed=True, cosine=cosine, message=message)


def _cosine(gradient: Tensor, expected: Tensor) -> float:
    """Smallest cosine over the contrasts."""
    rows = (part.flatten(0, 1).T for part in (gradient, expected))
    return float(torch.nn.functional.cosine_similarity(*rows, dim=1, eps=1e-300).min())


def _complaint(gradient: Tensor, expected: Tensor, off: Tensor, cosine: float) -> str:
    if not bool(gradient.any()):
        return (
            "its gradient is exactly 0 while its values change: an attack by this gradient would find nothing and the "
            "model would look robust."
        )
    if not bool(expected.any()):
        return (
            "its gradient is not 0 while its values do not change along short steps: they are rounded somewhere (half "
            "precision, quantised features, a straight-through estimator)."
        )
    share = float(off.max()) / float(expected.abs().max())
    return f"its gradient is wrong: off by {share:.2g} of the slope of its values (cosine {cosine:.3f})."
