"""Import or wrap: what becomes of a model once an integration has read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from counterspin.errors import ModelError
from counterspin.models.integrations.build import build
from counterspin.models.integrations.checks import behaviour
from counterspin.models.integrations.comparison import disagreement
from counterspin.models.integrations.gradient_checks import check_gradient
from counterspin.models.integrations.reading import Candidate, CircuitReading, Options, Unreadable
from counterspin.models.integrations.route import GradientCheck
from counterspin.models.integrations.scores import ScoreMap
from counterspin.models.integrations.wrapped import WrappedClassifier
from counterspin.models.modes import frozen
from counterspin.types import Box, Classifier

__all__ = ["Decision", "decide", "spans_of"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Decision:
    """The classifier a model became.

    Args:
        model: imported or wrapped.
        home: the wrapped one.
        route: `"imported"` or `"wrapped"`.
        reason: one sentence.
        repairs: what was mended, one sentence each.
        gradient_check: of `model`.
    """

    model: Classifier
    home: WrappedClassifier
    route: str
    reason: str
    repairs: tuple[str, ...]
    gradient_check: GradientCheck


def decide(candidate: Candidate, scores: ScoreMap, box: Box, options: Options, *, seed: int) -> Decision:
    """Check the model at home, import it where that changes nothing, and refuse what nothing mends.

    Args:
        candidate: what was read.
        scores: from raw values to class scores.
        box: the box the features live in.
        options: what the user said.
        seed: of the gradient check.

    Raises:
        ModelError: a model that does not stand still, one whose gradient is wrong and cannot be mended, or one that
            cannot be imported where that was asked for.
    """
    x, spans = options.x, spans_of(box, options.x)
    found = behaviour(candidate.home, x, spans, candidate.state)
    repairs = [*candidate.repairs, *found.remarks]
    if found.stochastic and not candidate.stochastic:
        repairs.append("five calls with one input differ: it counts as stochastic")
    home = WrappedClassifier(
        candidate.home,
        scores,
        box,
        stochastic=candidate.stochastic or found.stochastic,
        differentiable=candidate.home_differentiable and options.gradient == "auto",
        shots_per_call=candidate.shots,
    ).eval()
    check = _checked(home, x, spans, found.noise, seed)
    if check.passed is False and candidate.mend is not None:
        sentence = candidate.mend()
        again = _checked(home, x, spans, found.noise, seed)
        if again.passed is not False:
            check = again
            repairs.append(sentence)
    imported, reason = _imported(candidate, home, scores, options, noise=found.noise, gradients=bool(check.passed))
    if imported is not None:
        own = _checked(imported, x, spans, 0.0, seed)
        if own.passed is not False:
            if check.passed is False:
                repairs.append(f"at home {check.message.rstrip('.')}; the imported model has the right one")
            return Decision(
                model=imported,
                home=home,
                route="imported",
                reason=candidate.reason,
                repairs=tuple(repairs),
                gradient_check=own,
            )
        reason = f"the imported model failed its own check: {own.message}"
    if options.route == "import":
        raise ModelError(
            f"model ({candidate.kind}) cannot be imported: {reason.rstrip('.')}; route='wrap' calls it as it is."
        )
    if check.passed is False:
        raise ModelError(
            f"model ({candidate.kind}) cannot be attacked by its gradient: {check.message.rstrip('.')}. Mend it at "
            "home, or pass gradient='none' to treat it as a black box."
        )
    return Decision(model=home, home=home, route="wrapped", reason=reason, repairs=tuple(repairs), gradient_check=check)


def spans_of(box: Box, x: Tensor) -> Tensor:
    """What counts as a large step of each feature: the width of the box, or else the range of the samples, or 1."""
    width, seen = (box.upper - box.lower).to(x), x.amax(dim=0) - x.amin(dim=0)
    return torch.where(torch.isfinite(width), width, torch.where(seen > 0, seen, 1.0))


def _checked(model: Any, x: Tensor, spans: Tensor, noise: float, seed: int) -> GradientCheck:
    with frozen(model):
        return check_gradient(model, x, spans, noise, seed=seed)


def _imported(
    candidate: Candidate,
    home: WrappedClassifier,
    scores: ScoreMap,
    options: Options,
    *,
    noise: float,
    gradients: bool,
) -> tuple[Classifier | None, str]:
    """The imported model, or None and the reason."""
    if options.route == "wrap":
        return None, "wrapping was asked for"
    if options.gradient == "none" and options.route == "auto":
        return None, "a black box was asked for"
    if candidate.imported is None:
        return None, candidate.reason
    if isinstance(candidate.imported, CircuitReading):
        try:
            imported = build(candidate.imported, scores, home.bounds, options.x)
        except Unreadable as obstacle:
            return None, f"the circuit cannot be imported: {obstacle}"
    else:
        imported = candidate.imported
        imported.bounds = home.bounds  # pyright: ignore[reportAttributeAccessIssue]  (read without knowing the box)
    found = disagreement(imported, home, options.x, noise=noise, gradients=gradients and home.differentiable)
    return (imported, candidate.reason) if found is None else (None, f"the circuit was read, but {found}")
