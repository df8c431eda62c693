"""NeuralNetworkClassifier and VQC, fitted."""

from __future__ import annotations

from typing import Any

import numpy as np

from counterspin.errors import ModelError
from counterspin.models.integrations.qiskit.networks import read_network
from counterspin.models.integrations.reading import Candidate, Options

__all__ = ["class_names", "read_classifier"]


def read_classifier(classifier: Any, options: Options) -> Candidate:
    """A fitted `NeuralNetworkClassifier` or `VQC` by the values of its network.

    A single output above 0 is what it predicts as +1: class 1. Several outputs are one per class, in the order of its
    label encoder.

    Raises:
        ModelError: a classifier that was not fitted.
    """
    kind = f"qiskit.{type(classifier).__name__}"
    result = classifier.fit_result if getattr(classifier, "_fit_result", None) is not None else None
    if result is None:
        raise ModelError(f"{kind} is not fitted, so it has no weights; call its fit first.")
    network = classifier.neural_network
    single = network.output_shape == (1,)
    return read_network(
        network,
        np.asarray(result.x, dtype=np.float64),
        options,
        kind=kind,
        above=1 if single else None,
        remark=_labels(classifier, single),
    )


def class_names(labels: Any) -> str:
    """What the classes 0, 1, … are called in the user's data; empty where they are called so."""
    names = np.asarray(labels).tolist()
    if names == list(range(len(names))):
        return ""
    return "; " + ", ".join(f"class {k} is label {name!r}" for k, name in enumerate(names))


def _labels(classifier: Any, single: bool) -> str:
    encoder = getattr(classifier, "_target_encoder", None)
    categories = getattr(encoder, "categories_", None)
    known = getattr(encoder, "classes_", None) if categories is None else categories[0]
    if known is not None:
        return class_names(known)
    return class_names([-1, 1]) if single else ""
