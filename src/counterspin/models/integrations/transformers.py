"""One fitted scikit-learn transformer as an affine map."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from counterspin.errors import ModelError
from counterspin.models.integrations.sklearn_names import check_fitted, inherits, own_class
from counterspin.optimum.affine_map import AffineMap

__all__ = ["NotAffineError", "affine_map_of", "changes_nothing", "steps_of"]


class NotAffineError(ModelError):
    """A step that cannot become part of the model.

    Args:
        step: its name for the message.
        reason: what it does that no affine map does.
    """

    def __init__(self, step: str, reason: str) -> None:
        super().__init__(
            f"{step} {reason}; apply it to the data beforehand and say so with space=: epsilon then lives in the "
            "preprocessed space."
        )


def steps_of(transformer: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """The transformers of a pipeline with their names, pipelines in it taken apart; those that do nothing left out."""
    if changes_nothing(transformer):
        return
    if own_class(transformer) == "Pipeline":
        for inner, step in transformer.steps:
            yield from steps_of(step, inner)
    else:
        yield name, transformer


def changes_nothing(transformer: Any) -> bool:
    """Whether a step passes its features through: `"passthrough"`, None, or a `FunctionTransformer` of no function."""
    if transformer is None or isinstance(transformer, str):
        return transformer in (None, "passthrough")
    return own_class(transformer) == "FunctionTransformer" and transformer.func is None


def affine_map_of(transformer: Any, *, features: int, name: str = "") -> AffineMap:
    """The map `x -> transformer.transform(x)` in float64.

    `StandardScaler`, `MinMaxScaler`, `MaxAbsScaler` and `RobustScaler` that do not clip, `PCA`, `TruncatedSVD`, feature
    selectors, a `FunctionTransformer` without function, and a `ColumnTransformer` or `Pipeline` of these. The class
    itself counts, since a subclass may do anything.

    Args:
        transformer: fitted.
        features: how many features it is applied to.
        name: the step's name in its pipeline, for messages.

    Raises:
        NotAffineError: any other transformer.
        ModelError: not fitted, or fitted on another number of features.
    """
    what = f"step {name!r} ({type(transformer).__name__})" if name else f"preprocessing {type(transformer).__name__}"
    if isinstance(transformer, AffineMap):
        taken = transformer.features
    elif changes_nothing(transformer):
        return AffineMap.identity(features)
    else:
        check_fitted(f"step {name!r}" if name else "preprocessing", transformer)
        taken = int(getattr(transformer, "n_features_in_", features))
    if taken != features:
        raise ModelError(f"{what} takes {taken} features; it is given {features}.")
    if isinstance(transformer, AffineMap):
        return transformer
    kind = own_class(transformer)
    if kind == "Pipeline":
        total = AffineMap.identity(features)
        for inner, step in steps_of(transformer):
            total = total.then(affine_map_of(step, features=total.outputs, name=inner))
        return total
    if kind == "ColumnTransformer":
        return _columns(transformer, features)
    if own_class(transformer) and inherits(transformer, "SelectorMixin"):
        return _affine(np.eye(features)[transformer.get_support()], None)
    if kind not in _MAPS:
        raise NotAffineError(
            what, f"is not known to be affine (known: {', '.join(_MAPS)}, ColumnTransformer, Pipeline)"
        )
    if getattr(transformer, "clip", False):
        raise NotAffineError(what, "clips (clip=True), which is not affine")
    return _MAPS[kind](transformer)


def _standard(scaler: Any) -> AffineMap:
    return _scaled(scaler.mean_ if scaler.with_mean else None, scaler.scale_, scaler.n_features_in_)


def _min_max(scaler: Any) -> AffineMap:
    return _affine(np.diag(scaler.scale_), scaler.min_)


def _max_abs(scaler: Any) -> AffineMap:
    return _scaled(None, scaler.scale_, scaler.n_features_in_)


def _robust(scaler: Any) -> AffineMap:
    return _scaled(scaler.center_, scaler.scale_, scaler.n_features_in_)


def _scaled(centre: Any, scale: Any, features: int) -> AffineMap:
    factors = np.ones(features) if scale is None else 1 / np.asarray(scale, dtype=float)
    return _affine(np.diag(factors), None if centre is None else -np.asarray(centre) * factors)


def _pca(pca: Any) -> AffineMap:
    components = np.asarray(pca.components_, dtype=float)
    if pca.whiten:
        deviations = np.sqrt(pca.explained_variance_)
        # As scikit-learn does: a direction without variance is not blown up beyond this.
        components = components / np.maximum(deviations, np.finfo(deviations.dtype).eps)[:, None]
    return _affine(components, -components @ pca.mean_)


def _svd(svd: Any) -> AffineMap:
    return _affine(svd.components_, None)


def _columns(transformer: Any, features: int) -> AffineMap:
    rows, bias = [], []
    for name, step, columns in transformer.transformers_:
        chosen = _indices(columns, transformer, features)
        if isinstance(step, str) and step == "drop":
            continue
        if chosen.size:
            inner = affine_map_of(step, features=chosen.size, name=name)
            rows.append(inner.weight.double().numpy() @ np.eye(features)[chosen])
            bias.append(inner.bias.double().numpy())
    if not rows:
        raise ModelError("preprocessing ColumnTransformer drops every column; keep at least one.")
    return _affine(np.concatenate(rows), np.concatenate(bias))


def _indices(columns: Any, transformer: Any, features: int) -> np.ndarray:
    """Columns given by number, slice, mask or name, as numbers."""
    if isinstance(columns, slice) and not isinstance(columns.start, str) and not isinstance(columns.stop, str):
        return np.arange(features)[columns]
    if isinstance(columns, slice):
        names = list(transformer.feature_names_in_)
        start = 0 if columns.start is None else names.index(columns.start)
        stop = features if columns.stop is None else names.index(columns.stop) + 1  # a slice of names has both ends
        return np.arange(features)[start : stop : columns.step]
    listed = np.atleast_1d(np.asarray(columns))
    if listed.dtype.kind in "UO":
        names = list(transformer.feature_names_in_)
        return np.array([names.index(column) for column in listed], dtype=int)
    return np.arange(features)[listed if listed.size else listed.astype(int)]


def _affine(weight: Any, bias: Any) -> AffineMap:
    weight = torch.from_numpy(np.array(weight, dtype=float))
    bias = torch.zeros(len(weight), dtype=torch.float64) if bias is None else torch.from_numpy(np.array(bias, float))
    return AffineMap(weight, bias)


_MAPS: dict[str, Callable[[Any], AffineMap]] = {
    "StandardScaler": _standard,
    "MinMaxScaler": _min_max,
    "MaxAbsScaler": _max_abs,
    "RobustScaler": _robust,
    "PCA": _pca,
    "IncrementalPCA": _pca,
    "TruncatedSVD": _svd,
}
