"""The door for models of other libraries: found out about, imported or wrapped, and checked either way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from counterspin.errors import InputError, UsageError
from counterspin.models.integrations import qasm_models
from counterspin.models.integrations.behind import behind
from counterspin.models.integrations.checks import behaviour
from counterspin.models.integrations.decision import decide, spans_of
from counterspin.models.integrations.detect import integration_of
from counterspin.models.integrations.gradient_checks import check_gradient
from counterspin.models.integrations.preprocessing import preprocessing_of
from counterspin.models.integrations.reading import Options
from counterspin.models.integrations.route import Route
from counterspin.models.integrations.scores import score_map
from counterspin.models.integrations.wrapped import raw_values
from counterspin.models.modes import frozen
from counterspin.types import Box, Classifier, Outputs
from counterspin.validation import as_features

__all__ = ["Adopted", "adopt", "wrap"]

# What is measured has to be said of those alone.
_BARE = ("qiskit.QuantumCircuit",)
_ROUTES, _GRADIENTS = ("auto", "import", "wrap"), ("auto", "none")
_GIVEN = "features as given"
_ASKED = 16
_NATIVE = ("counterspin", "native", "it is a classifier already")
_QASM = ("qasm", "imported", "the OpenQASM program was read")


@dataclass(frozen=True, kw_only=True, eq=False)
class Adopted:
    """A model the user brought, as a classifier, and how it became one.

    Args:
        model: the classifier.
        route: where it comes from, what was mended, and how its gradient fared.
    """

    model: Classifier
    route: Route


def wrap(model: Any, x: Any, **options: Any) -> Classifier:
    """The model as a classifier that attacks, certificates and audits take; see `adopt`, which takes the same options.

    Where the object allows it, the classifier carries what was found out as `route`.

    Example:
        >>> x = torch.rand(8, 3, generator=torch.Generator().manual_seed(0))
        >>> net = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))
        >>> model = wrap(net, x, bounds=(0, 1))
        >>> model(x).shape, model.route.kind, model.route.route, model.route.gradient_check.passed
        (torch.Size([8, 2]), 'torch.Module', 'wrapped', True)
    """
    return adopt(model, x, **options).model


def adopt(
    model: Any,
    x: Any,
    *,
    bounds: Box | Sequence[float] | None = None,
    classes: int | None = None,
    outputs: Outputs | None = None,
    above: int | None = None,
    threshold: float | None = None,
    inputs: str | None = None,
    weights: Mapping[str, Any] | None = None,
    readout: str | None = None,
    preprocess: Any = None,
    space: str | None = None,
    route: str = "auto",
    gradient: str = "auto",
    seed: int = 0,
) -> Adopted:
    """Make a classifier of a model of another library, and say what was done.

    Where its circuit can be read it is imported, provided that it computes the same as at home on the samples: values
    to 1e-6 and gradients to 1e-5, relative to the largest. Otherwise the model is wrapped. Either way it is called, and
    its gradient compared with central differences, before anything is built on it.

    Args:
        model: a PennyLane, Qiskit, scikit-learn, JAX or torch model, or any callable; a classifier of ours is checked
            and handed back.
        x: some samples `(samples, features)` as the user has them, at least 2.
        bounds: the box the features live in, or `(low, high)` for all of them; None: unbounded.
        classes: number of classes, where the values do not say.
        outputs: what the model's values are, where that is not what they look like.
        above: which class a single value above the threshold stands for; None: 1, or what the library says.
        threshold: of a single value; None: 1/2 for a probability, otherwise 0.
        inputs: the argument or parameter vector that takes the features; None: the library's convention.
        weights: keyword arguments that are not the input, by name.
        readout: for circuits without one, for example `"Z[0]"`.
        preprocess: fitted scikit-learn transformers, or an affine map, applied before the model; budgets then live in
            the features before them.
        space: in which space budgets live, as reports say it, where preprocessing happened before `x`.
        route: `"import"`: raise where the circuit cannot be read; `"wrap"`: do not read it.
        gradient: `"none"`: a black box, whose gradient is neither checked nor used.
        seed: of the points and directions of the gradient check.

    Raises:
        InputError: samples that cannot be used, or outside the bounds.
        ModelError: a model that cannot be used, whose gradient is wrong with nothing to mend it, or that
            `route="import"` cannot import.
        UsageError: options that make no sense.
    """
    for name, given, allowed in (("route", route, _ROUTES), ("gradient", gradient, _GRADIENTS)):
        if given not in allowed:
            raise UsageError(f"{name} is {given!r}; allowed: {', '.join(allowed)}.")
    samples = as_features(x).double()
    if len(samples) < 2:
        raise InputError("x holds one sample; give at least 2, so that batches can be told from single samples.")
    said = {"classes": classes, "outputs": outputs, "above": above, "threshold": threshold}
    said |= {"inputs": inputs, "preprocess": preprocess}
    if isinstance(model, Classifier):
        _refuse(
            {**said, "bounds": bounds, "weights": weights, "readout": readout}, "a classifier, which says so itself"
        )
        return _ready(model, samples, _NATIVE, space, seed)
    if qasm_models.claims(model):
        _refuse(said, "an OpenQASM program, whose readout says so")
        box = None if bounds is None else _box(bounds, samples)
        program = qasm_models.qasm_model(model, readout=readout, bounds=box, weights=weights)
        return _ready(program, samples, _QASM, space, seed)
    box = _box(bounds, samples)
    before = None if preprocess is None else preprocessing_of(preprocess, features=box.features)
    seen = samples if before is None else before(samples)
    inner_box = box if before is None else Box.unbounded(seen.shape[1])
    options = Options(
        x=seen,
        weights=weights or {},
        inputs=inputs,
        route=route,
        gradient=gradient,
        readout=readout,
        box=inner_box,
    )
    candidate = integration_of(model).read(model, options)
    if candidate.kind not in _BARE:
        _refuse({"readout": readout}, f"a {candidate.kind}, which knows what it measures")
    if candidate.features not in (None, seen.shape[1]):
        raise InputError(f"x has {seen.shape[1]} features; the model takes {candidate.features}.")
    with torch.no_grad():
        # Of labels every sample is asked, since the largest says how many classes there are.
        raw = raw_values(candidate.home, seen if candidate.values == "labels" else seen[:_ASKED])
    asked = {"above": above} | ({"gradient": gradient} if gradient == "none" else {})
    above = candidate.above if above is None and raw.shape[1] == 1 else above
    scores = score_map(raw, candidate.values, classes=classes, outputs=outputs, above=above, threshold=threshold)
    decision = decide(candidate, scores, inner_box, options, seed=seed)
    chosen, home = decision.model, decision.home
    if before is not None:
        chosen, home = (behind(before, one, box, samples) for one in (chosen, home))
    found = Route(
        kind=candidate.kind,
        route=decision.route,
        reason=decision.reason,
        repairs=decision.repairs,
        gradient_check=decision.gradient_check,
        home=home,
        space=space or candidate.space or (_GIVEN if before is None else before.space),
        asked={name: value for name, value in asked.items() if value is not None},
    )
    return Adopted(model=_told(chosen, found), route=found)


def _refuse(said: dict[str, Any], what: str) -> None:
    given = [name for name, value in said.items() if value is not None]
    if given:
        raise UsageError(f"{', '.join(given)} cannot be given: model is {what}.")


def _ready(model: Classifier, x: Tensor, source: tuple[str, str, str], space: str | None, seed: int) -> Adopted:
    """A model that is a classifier as it stands: its gradient is checked, nothing is changed."""
    as_features(x, model.bounds)
    # A stochastic one is not called: it has a random stream of its own, which later attacks continue.
    check = None
    if not model.stochastic:
        spans = spans_of(model.bounds, x)
        with frozen(model):
            check = check_gradient(model, x, spans, behaviour(model, x, spans).noise, seed=seed)
    kind, taken, reason = source
    route = Route(
        kind=kind,
        route=taken,
        reason=reason,
        repairs=(),
        gradient_check=check,
        home=None,
        space=space or _GIVEN,
    )
    return Adopted(model=_told(model, route) if taken == "imported" else model, route=route)


def _told(model: Classifier, route: Route) -> Classifier:
    """A model that was made here, frozen like a loaded one, with its route."""
    told: Any = model.requires_grad_(False).eval() if isinstance(model, nn.Module) else model
    told.route = route  # whatever is made here has room for it
    return told


def _box(bounds: Box | Sequence[float] | None, x: Tensor) -> Box:
    """The box of the features.

    Raises:
        InputError: bounds that are none, or do not hold the samples.
    """
    features = x.shape[1]
    if bounds is None:
        return Box.unbounded(features)
    if not isinstance(bounds, Box):
        try:
            if isinstance(bounds, str):
                raise TypeError("a text is no pair of numbers")
            low, high = (float(end) for end in bounds)
        except (TypeError, ValueError) as error:
            raise InputError(f"bounds is {bounds!r}; give a pair (low, high) or a counterspin.Box.") from error
        bounds = Box.uniform(low, high, features)
    if bounds.features != features:
        raise InputError(f"bounds cover {bounds.features} features; x has {features}.")
    outside = ~bounds.contains(x, tolerance=1e-6)
    if bool(outside.any()):
        raise InputError(
            f"bounds {float(bounds.lower.min()):.6g} to {float(bounds.upper.max()):.6g} do not hold "
            f"{int(outside.sum())} of {len(x)} samples, whose features range from {float(x.min()):.6g} to "
            f"{float(x.max()):.6g}; give bounds that do, or scale the data."
        )
    return bounds
