"""How many features a model of another library takes, where the model itself says so."""

from __future__ import annotations

from typing import Any

from torch import nn

from counterspin.types import Classifier

__all__ = ["feature_count"]


def feature_count(model: Any) -> int | None:
    """Number of features that `model` takes; None: only a sample can tell.

    A classifier knows its box, a scikit-learn estimator what it was fitted on, a Qiskit network its inputs; of a torch
    module it is what the first layer with a fixed width takes, which a call of the model has to confirm.

    Example:
        >>> feature_count(nn.Sequential(nn.Linear(30, 4), nn.Tanh(), nn.Linear(4, 2)))
        30
        >>> feature_count(lambda x: x) is None
        True
    """
    if isinstance(model, Classifier):
        return model.bounds.features
    for name in ("n_features_in_", "num_inputs"):
        found = getattr(model, name, None)
        if isinstance(found, int) and found > 0:
            return found
    for part in ("neural_network", "_neural_network"):
        if hasattr(model, part):
            return feature_count(getattr(model, part))
    if isinstance(model, nn.Module):
        for layer in model.modules():
            found = getattr(layer, "in_features", None)
            if isinstance(found, int):
                return found
            if layer is not model and (known := feature_count(layer)) is not None:
                return known
    return None
