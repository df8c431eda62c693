"""Whether a model keeps the contract of `counterspin.types.Classifier`."""

from __future__ import annotations

from functools import partial
from typing import Any, get_args

import torch
from torch import Tensor, nn

from counterspin.errors import InputError, ModelError
from counterspin.evaluation.conformance.report import Check, ConformanceReport, Skipped, outcome, run_all
from counterspin.types import Box, Outputs
from counterspin.validation import as_features, as_labels, check_classifier_interface

__all__ = ["check_classifier"]

# Central differences in float64: truncation and rounding both stay below 1e-9 of the scores.
_STEP = 1e-5
_PROBED = 8


def check_classifier(model: Any, x: Any, y: Any) -> ConformanceReport:
    """Check everything attacks and certificates take for granted in a model.

    Args:
        model: what to check.
        x: samples `(batch, features)`, numpy or torch; some dozen are enough.
        y: labels `(batch,)`.

    Returns:
        One outcome per check; `report.raise_if_failed()` makes a test of it. Where the interface itself is broken, the
        other checks are not run.

    Example:
        >>> from counterspin.models import LogisticRegression
        >>> model = LogisticRegression(Box.uniform(0.0, 1.0, features=2), classes=2)
        >>> x = torch.rand(10, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        >>> report = check_classifier(model, x, torch.zeros(10))
        >>> [one.name for one in report.failed]
        []
    """
    name = type(model).__name__
    first = outcome("interface", partial(_interface, model, x))
    if first.status == "failed":
        return ConformanceReport(subject=name, outcomes=(first,))
    x = as_features(x).to(torch.float64)
    checks: dict[str, Check] = {
        "bounds hold the samples": partial(_bounds, model, x),
        "shape (batch, classes)": partial(_shape, model, x),
        "computes in the dtype of its input": partial(_dtype, model, x),
        "finite on samples and at the bounds": partial(_finite, model, x),
        "scores are what outputs says": partial(_outputs, model, x),
        "stochastic as declared": partial(_determinism, model, x),
        "independent of the batch": partial(_batch, model, x),
        "gradient is that of finite differences": partial(_gradient, model, x),
        "leaves input, modes and flags as they are": partial(_untouched, model, x),
        "labels": partial(_labels, model, x, y),
    }
    return ConformanceReport(subject=name, outcomes=(first, *run_all(name, checks).outcomes))


def _scores(model: Any, x: Tensor) -> Any:
    """Scores without a graph; a copy goes in, since a model may write into what it gets."""
    with torch.no_grad():
        return model(x.clone())


def _interface(model: Any, x: Any) -> str | None:
    try:
        check_classifier_interface(model)
        features = as_features(x).shape[1]
    except (ModelError, InputError) as error:
        return str(error)
    if not isinstance(model.bounds, Box):
        return f"bounds is a {type(model.bounds).__name__}; give a counterspin.Box"
    if not isinstance(model.classes, int) or model.classes < 2:
        return f"classes is {model.classes!r}; a classifier has at least 2"
    if model.outputs not in get_args(Outputs):
        return f"outputs is {model.outputs!r}; allowed: {', '.join(get_args(Outputs))}"
    if not isinstance(model.stochastic, bool):
        return f"stochastic is {model.stochastic!r}; give True or False"
    if model.bounds.features != features:
        return f"bounds has {model.bounds.features} features and x has {features}"
    return None


def _bounds(model: Any, x: Tensor) -> str | None:
    outside = ~model.bounds.contains(x, tolerance=1e-6)
    return f"{int(outside.sum())} of {len(x)} samples lie outside the model's bounds" if bool(outside.any()) else None


def _shape(model: Any, x: Tensor) -> str | None:
    for batch in (x, x[:1]):
        scores = _scores(model, batch)
        if not isinstance(scores, Tensor):
            return f"it returns a {type(scores).__name__}; return a tensor"
        if scores.shape != (len(batch), model.classes):
            return f"{len(batch)} samples give {tuple(scores.shape)}; return ({len(batch)}, {model.classes})"
    return None


def _dtype(model: Any, x: Tensor) -> str | None:
    for dtype in (torch.float32, torch.float64):
        found = _scores(model, x.to(dtype)).dtype
        if found != dtype:
            return f"{dtype} input gives {found} scores; verdicts need the dtype of the input"
    if model.stochastic:
        return None
    low, high = _scores(model, x.float()).double(), _scores(model, x)
    scale = float(high.abs().max())
    error = float((low - high).abs().max())
    return f"float32 and float64 scores differ by {error:.2g}" if error > 1e-3 * max(scale, 1e-6) else None


def _finite(model: Any, x: Tensor) -> str | None:
    ends = torch.stack([model.bounds.lower, model.bounds.upper]).to(x)
    ends = torch.where(torch.isfinite(ends), ends, x[:1])
    for what, batch in (("the samples", x), ("the ends of the bounds", ends)):
        if not bool(torch.isfinite(_scores(model, batch)).all()):
            return f"NaN or infinite scores on {what}"
    return None


def _outputs(model: Any, x: Tensor) -> str | None:
    scores = _scores(model, x)
    if model.outputs == "probabilities":
        if bool((scores < -1e-6).any() | (scores > 1 + 1e-6).any()):
            return "outputs says probabilities, but scores leave [0, 1]"
        excess = float((scores.sum(dim=1) - 1).abs().max())
        return f"outputs says probabilities, but a row sums to 1 only up to {excess:.2g}" if excess > 1e-4 else None
    if model.outputs == "expectations" and bool((scores.abs() > 1 + 1e-6).any()):
        return "outputs says expectations, but scores leave [-1, 1]; say logits where a head scales them"
    return None


def _determinism(model: Any, x: Tensor) -> str | None:
    calls = torch.stack([_scores(model, x) for _ in range(5 if model.stochastic else 2)])
    same = bool((calls == calls[0]).all())
    if model.stochastic:
        return "stochastic is True, but five calls agree bit by bit" if same else None
    return None if same else "stochastic is False, but two calls with one input differ"


def _batch(model: Any, x: Tensor) -> str | None:
    if model.stochastic:
        raise Skipped("a stochastic model differs from call to call")
    whole = _scores(model, x)
    parts = {
        "one by one": torch.cat([_scores(model, row[None]) for row in x]),
        "in reversed order": _scores(model, x.flip(0)).flip(0),
    }
    tolerance = 1e-9 * max(1.0, float(whole.abs().max()))
    for how, scores in parts.items():
        error = float((scores - whole).abs().max())
        if error > tolerance:
            return f"scores {how} differ by {error:.2g}; is the model in evaluation mode?"
    return None


def _gradient(model: Any, x: Tensor) -> str | None:
    if model.stochastic:
        raise Skipped("a stochastic model has no difference quotient")
    if not getattr(model, "differentiable", True):
        raise Skipped("the model says autograd does not reach its input")
    rows = x[:_PROBED]
    with torch.enable_grad():
        leaf = rows.clone().requires_grad_()
        scores = model(leaf)
        if not scores.requires_grad:
            return "scores carry no gradient to the input; set differentiable = False, or do not detach"
        found = [torch.autograd.grad(scores[:, k].sum(), leaf, retain_graph=True)[0] for k in range(model.classes)]
    gradient = torch.stack(found, dim=1)
    quotients = []
    for feature in range(x.shape[1]):
        step = torch.zeros_like(rows)
        step[:, feature] = _STEP
        quotients.append((_scores(model, rows + step) - _scores(model, rows - step)) / (2 * _STEP))
    expected = torch.stack(quotients, dim=2)
    scale = max(float(expected.abs().max()), float(gradient.abs().max()))
    error = float((gradient - expected).abs().max())
    if error > 1e-4 * scale + 1e-7:
        return f"autograd and central differences differ by {error:.2g} of {scale:.2g}; gradients are masked or wrong"
    return None


def _untouched(model: Any, x: Tensor) -> str | None:
    given = x.clone()
    modules = list(model.modules()) if isinstance(model, nn.Module) else []
    parameters = list(model.parameters()) if isinstance(model, nn.Module) else []
    before = [m.training for m in modules], [p.requires_grad for p in parameters]
    state = torch.get_rng_state()
    with torch.no_grad():
        model(given)
    if not torch.equal(given, x):
        return "it changes its input in place"
    if before != ([m.training for m in modules], [p.requires_grad for p in parameters]):
        return "it changes its mode or requires_grad when called"
    drawn = not torch.equal(state, torch.get_rng_state())
    return "it draws from torch's global generator; give it one of its own" if drawn else None


def _labels(model: Any, x: Tensor, y: Any) -> str | None:
    labels = as_labels(y, model.classes, len(x))
    right = int((_scores(model, x).argmax(dim=1) == labels).sum())
    return (
        f"none of {len(x)} samples is classified correctly; are the classes in another order?" if right == 0 else None
    )
