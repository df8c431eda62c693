"""The circuit of a model as one training step sees it, behind shot noise, views and affine maps."""

from __future__ import annotations

from typing import Any

from counterspin.defenses.training.circuit_views import ReadoutView, bare
from counterspin.models.affine import unwrapped
from counterspin.optimum.affine_map import AffineMap

__all__ = ["shown_circuit"]


def shown_circuit(model: Any) -> tuple[Any, AffineMap | None]:
    """The classifier of circuit inputs, with its noise, and the map from features to them; None where there is none.

    Shot noise is left out: what is proved of a model holds for its expectation values.

    Example:
        >>> from counterspin.circuits import PauliExpectations, angle_encoding
        >>> from counterspin.models import QuantumClassifier
        >>> from counterspin.types import Box
        >>> zs = PauliExpectations.of("Z0", "Z1")
        >>> model = QuantumClassifier(angle_encoding(2), zs, Box.uniform(0.0, 1.0, features=2))
        >>> shown_circuit(model)[0] is model
        True
    """
    while isinstance(model, ReadoutView):
        model = model.body
    # A view runs behind the maps of the model it views.
    return unwrapped(model)[0], unwrapped(bare(model))[1]
