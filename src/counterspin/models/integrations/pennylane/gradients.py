"""Gradients PennyLane gives for features: another differentiation method where they are wrong.

Traps seen in PennyLane 0.45: `adjoint` on default.qubit with frozen weights returns 0 (or, with re-uploading, wrong
numbers) where gates of several parameters are decomposed; parameter shifts of batches are not implemented.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from counterspin.models.integrations.gradient_checks import check_gradient
from counterspin.models.integrations.pennylane.home import Home
from counterspin.models.integrations.pennylane.library import pennylane
from counterspin.models.integrations.reading import Values
from counterspin.models.integrations.scores import score_map
from counterspin.models.integrations.wrapped import WrappedClassifier
from counterspin.types import Box

__all__ = ["Mended", "mended"]

_NOISY = ("finite-diff", "spsa")
_SAMPLES = 3
_NORM = 1e-9  # PennyLane's own tolerance is 1e-10


@dataclass(frozen=True, kw_only=True, eq=False)
class Mended:
    """A home with a gradient that is right, if there is one.

    Args:
        home: the home to use.
        repairs: what was changed, one sentence each.
        differentiable: whether autograd reaches the features.
    """

    home: Home
    repairs: tuple[str, ...]
    differentiable: bool


def mended(home: Home, values: Values, x: Tensor, *, exact: bool) -> Mended:
    """The home, with another differentiation method where its own gives a wrong gradient of the features.

    Args:
        home: values and gradients as the user set them up.
        values: what the raw values are.
        x: some samples `(samples, features)` float64.
        exact: two calls give the same values; under shots only methods known to fail are replaced.
    """
    if not exact:
        return _mended_under_shots(home, x[:2])
    method = str(home.call.qnode.diff_method)
    fault = _fault(home, values, x)
    if fault is None:
        return _with_norm(home, x)
    for other, what in _alternatives(home, x[:_SAMPLES]):
        if _fault(other, values, x) is None:
            repair = f"diff_method {method!r}: {fault}; {what}"
            return Mended(home=other, repairs=(repair,), differentiable=True)
    return Mended(home=home, repairs=(), differentiable=_attached(home, x[:_SAMPLES]))


def _mended_under_shots(home: Home, x: Tensor) -> Mended:
    method = home.call.qnode.diff_method
    if method is None:
        return Mended(home=home, repairs=(), differentiable=False)
    repairs: tuple[str, ...] = ()
    if method in _NOISY:
        home = _with(home, "parameter-shift")
        repairs = (
            f"diff_method {method!r} divides the noise of finite shots by its step: 'parameter-shift' is used instead",
        )
    if _refuses_batches(home, x):
        home, what = _split(home)
        repairs = (*repairs, f"gradients of batches are not implemented: {what}")
    return Mended(home=home, repairs=repairs, differentiable=_attached(home, x))


def _fault(home: Home, values: Values, x: Tensor) -> str | None:
    """What is wrong with its gradient; None: nothing."""
    box = Box.unbounded(x.shape[1])
    spans = (x.amax(0) - x.amin(0)).clamp(min=1e-2)
    try:
        with torch.no_grad():
            scores = score_map(home(x), values)
        model = WrappedClassifier(home, scores, box, stochastic=False, differentiable=True)
        check = check_gradient(model, x[:_SAMPLES], spans, 1e-14)
    except Exception as error:  # the device's gradient code runs here
        return f"it raises {type(error).__name__} when asked for the gradient of the features"
    return check.message.rstrip(".") if check.passed is False else None


def _attached(home: Home, x: Tensor) -> bool:
    """Whether a gradient, right or wrong, arrives at the features."""
    try:
        _gradient(home, x)
    except Exception:  # the device's gradient code runs here
        return False
    return True


def _alternatives(home: Home, x: Tensor) -> Iterator[tuple[Home, str]]:
    """Other homes with the same values, and what was changed: the least change first."""
    if _refuses_batches(home, x):
        yield _split(home)
    for method in ("backprop", "parameter-shift"):
        try:
            other = _with(home, method)
        except Exception:  # noqa: S112 - the device does not know this method
            continue
        yield other, f"{method!r} is used instead"
        yield replace(other, layout="loop"), f"{method!r} is used instead, sample by sample"


def _split(home: Home) -> tuple[Home, str]:
    qml = pennylane()
    split = qml.transforms.broadcast_expand(home.call.qnode)
    return replace(home, call=replace(home.call, qnode=split)), "batches are split by qml.transforms.broadcast_expand"


def _refuses_batches(home: Home, x: Tensor) -> bool:
    """Whether gradients of batches are what it does not implement."""
    try:
        _gradient(home, x)
    except NotImplementedError:
        return home.layout != "loop"
    except Exception:  # the device's gradient code runs here
        return False
    return False


def _with_norm(home: Home, x: Tensor) -> Mended:
    """The home with the derivative of the norm: AmplitudeEmbedding leaves vectors of norm 1 as they are, and it out."""
    unit = x[(torch.linalg.vector_norm(x, dim=1) - 1).abs() < _NORM]
    scaled = replace(home, call=replace(home.call, unit=True))
    if len(unit) and not home.call.numeric and not home.call.unit and _same_values(home, scaled, unit):
        gradient, exact = _gradient(home, unit), _gradient(scaled, unit)
        if not torch.allclose(gradient, exact, rtol=1e-6, atol=1e-6 * float(exact.abs().max())):
            repair = (
                "AmplitudeEmbedding skips the division by the norm, and its derivative, for vectors of norm 1: "
                "features are divided by their norm before it"
            )
            return Mended(home=scaled, repairs=(repair,), differentiable=True)
    return Mended(home=home, repairs=(), differentiable=True)


def _gradient(home: Home, x: Tensor) -> Tensor:
    """Gradient of the sum of all values with unequal weights, `(batch, features)`."""
    leaf = x.clone().requires_grad_()
    values = home(leaf)
    weights = torch.linspace(0.5, 1.5, values.shape[1], dtype=values.dtype)
    return torch.autograd.grad((values @ weights).sum(), leaf)[0]


def _same_values(one: Home, other: Home, x: Tensor) -> bool:
    with torch.no_grad():
        return all(torch.allclose(one(points), other(points), rtol=0, atol=1e-6) for points in (x, 1.25 * x))


def _with(home: Home, method: str) -> Home:
    return replace(home, call=replace(home.call, qnode=home.call.qnode.update(diff_method=method)))
