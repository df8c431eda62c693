"""How far an imported model is from the one it was read from."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from counterspin.models.integrations.probing import probe_points

__all__ = ["disagreement"]

_VALUES, _GRADIENTS = 1e-6, 1e-5
# Rounding at home, as float32 leaves it, is not held against the import.
_ROUNDINGS = 30
_SAMPLES, _PROBES, _GRADIENT_SAMPLES, _REPEATS, _DEVIATIONS = 8, 16, 2, 8, 6


def disagreement(imported: Any, home: Any, x: Tensor, *, noise: float, gradients: bool) -> str | None:
    """What differs, as half a sentence; None where values agree to 1e-6 and gradients to 1e-5 of the largest.

    Values are compared at samples and all over the box, since a model may change where no sample is; points at which
    the model at home has no values do not count.

    Args:
        imported: a classifier.
        home: the classifier that its own library computes. A stochastic one is compared in the mean of eight calls,
            up to six standard errors.
        x: samples `(samples, features)` float64.
        noise: rounding of the values at home.
        gradients: compare gradients too.
    """
    if imported.classes != home.classes:
        return f"it has {imported.classes} classes, the model at home {home.classes}"
    spread = x[torch.linspace(0, len(x) - 1, min(_SAMPLES, len(x))).round().long()]
    found = _compared(imported, home, spread, noise)
    if found is None:
        beyond = _defined(imported, home, probe_points(x, home.bounds, _PROBES))
        found = None if beyond is None else _compared(imported, home, beyond, noise)
    if found is not None or not gradients or home.stochastic:
        return found
    points = x[:_GRADIENT_SAMPLES]
    ours, theirs = _gradient(imported, points), _gradient(home, points)
    largest = float(theirs.abs().max())
    off = float((ours - theirs).abs().max())
    if off > _GRADIENTS * largest + 1e3 * noise + 1e-12:
        return f"its gradient differs from that at home by {off:.2g} of {largest:.2g}"
    return None


def _compared(imported: Any, home: Any, x: Tensor, noise: float) -> str | None:
    """How the values differ; None: they agree."""
    with torch.no_grad():
        scores = imported(x)
        calls = torch.stack([home(x) for _ in range(_REPEATS if home.stochastic else 1)])
    expected = calls.mean(dim=0)
    allowed = _VALUES * max(float(expected.abs().max()), 1e-3) + _ROUNDINGS * noise
    error = (scores - expected).abs()
    if home.stochastic:
        error = error - _DEVIATIONS * calls.std(dim=0) / _REPEATS**0.5
    if not bool((error <= allowed).all()):
        return f"its values differ from those at home by {float((scores - expected).abs().max()):.2g}"
    return None


def _defined(imported: Any, home: Any, x: Tensor) -> Tensor | None:
    """Points at which the model at home has finite values; None where it, or the imported one, raises at some."""
    with torch.no_grad():
        try:
            values = home(x)
            imported(x)
        except Exception:  # the user's code runs here, where it need not be defined
            return None
    rows = x[values.isfinite().all(dim=1)]
    return rows if len(rows) else None


def _gradient(model: Any, x: Tensor) -> Tensor:
    """Gradient `(samples, features)` of a fixed combination of the scores in which no two classes weigh the same."""
    with torch.enable_grad():
        leaf = x.clone().requires_grad_()
        scores = model(leaf)
        weights = torch.linspace(-1, 1, scores.shape[1], dtype=scores.dtype)
        return torch.autograd.grad((scores @ weights).sum(), leaf)[0]
