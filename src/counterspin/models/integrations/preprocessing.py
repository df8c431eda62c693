"""What happens to the features before a model, made part of it: a budget is then in the user's units."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from counterspin.models.affine import AffineInputs
from counterspin.models.integrations.sklearn_names import own_class
from counterspin.models.integrations.transformers import NotAffineError, affine_map_of, steps_of
from counterspin.models.kernel import KernelClassifier
from counterspin.models.pipeline import Pipeline, behind_map
from counterspin.models.quantum import QuantumClassifier
from counterspin.optimum.affine_map import AffineMap
from counterspin.types import Box

__all__ = ["Preprocessing", "leading_preprocessing", "preprocessing_of"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Preprocessing:
    """An affine map with the names of the transformers it came from.

    Args:
        input_map: the affine part.
        steps: the transformers in their order, by class name; empty: nothing happens.
        normalises: whether each mapped sample is divided by its L2 norm, as the last step. An amplitude encoding does
            so itself: in front of one it needs no map.
    """

    input_map: AffineMap
    steps: tuple[str, ...]
    normalises: bool = False

    @property
    def space(self) -> str:
        """In which space a budget lives, as reports say it."""
        return f"features before {', '.join(self.steps)}" if self.steps else "features as given"

    def __call__(self, x: Tensor) -> Tensor:
        """What the model sees `(batch, values)` of features `(batch, features)`, in their dtype and differentiable."""
        mapped = self.input_map(x)
        if not self.normalises:
            return mapped
        length = torch.linalg.vector_norm(mapped, dim=1, keepdim=True)
        return mapped / torch.where(length == 0, 1.0, length)  # a zero vector stays one, as in scikit-learn

    def before(self, body: Any, bounds: Box) -> AffineInputs | Pipeline:
        """`body` behind this preprocessing: a classifier of the features in `bounds`.

        Raises:
            ModelError: map, body and bounds do not fit together, or samples are divided by their norm before a model
                that is no amplitude encoding.
        """
        if self.normalises and not _ignores_scale(body):
            raise NotAffineError(
                "preprocessing Normalizer",
                f"divides each sample by its norm, which is not affine, and the model behind it "
                f"({type(body).__name__}) is no amplitude encoding, which would divide anyway",
            )
        return behind_map(self.input_map, body, bounds)


def preprocessing_of(transformer: Any, *, features: int) -> Preprocessing:
    """The affine map of a fitted transformer or pipeline of transformers.

    What is known to be affine: see `affine_map_of`. A last `Normalizer(norm="l2")` is kept apart, see
    `Preprocessing.normalises`.

    Args:
        transformer: the transformer, or an `AffineMap` for what scikit-learn does not know.
        features: number of features it is applied to.

    Raises:
        ModelError: a transformer that is not affine, clips or is not fitted, or takes another number of features.

    Example:
        >>> from sklearn.preprocessing import MinMaxScaler
        >>> scaler = MinMaxScaler((0.0, 3.0)).fit([[0.0, 10.0], [2.0, 20.0]])
        >>> found = preprocessing_of(scaler, features=2)
        >>> found(torch.tensor([[1.0, 20.0]])).tolist(), found.space
        ([[1.5, 3.0]], 'features before MinMaxScaler')
    """
    steps = list(steps_of(transformer))
    if not steps or not _is_l2_normalizer(steps[-1][1]):
        return _composed(steps, features)
    found = _composed(steps[:-1], features)
    return Preprocessing(input_map=found.input_map, steps=(*found.steps, "Normalizer"), normalises=True)


def leading_preprocessing(pipeline: Any, *, features: int) -> tuple[Preprocessing, Any]:
    """What a fitted `sklearn.pipeline.Pipeline` does to its features first, and the estimator behind that.

    The affine steps from the start on become the map. The rest is the last step, or the pipeline of what remains where
    a step in the middle is not affine.

    Args:
        pipeline: a pipeline that ends with a classifier.
        features: number of features it is applied to.

    Raises:
        ModelError: a scaler that is not fitted, or was fitted on another number of features.
    """
    found = Preprocessing(input_map=AffineMap.identity(features), steps=())
    for position, (name, step) in enumerate(pipeline.steps[:-1]):
        try:
            more = _composed(steps_of(step, name), found.input_map.outputs)
        except NotAffineError:
            return found, pipeline[position:] if position else pipeline
        found = Preprocessing(input_map=found.input_map.then(more.input_map), steps=(*found.steps, *more.steps))
    return found, pipeline.steps[-1][1]


def _composed(steps: Iterable[tuple[str, Any]], features: int) -> Preprocessing:
    input_map, names = AffineMap.identity(features), []
    for name, step in steps:
        input_map = input_map.then(affine_map_of(step, features=input_map.outputs, name=name))
        names.append(type(step).__name__)
    return Preprocessing(input_map=input_map, steps=tuple(names))


def _is_l2_normalizer(transformer: Any) -> bool:
    return own_class(transformer) == "Normalizer" and transformer.norm == "l2"


def _ignores_scale(body: Any) -> bool:
    """Whether the model looks at the direction of its input alone."""
    if not isinstance(body, QuantumClassifier | KernelClassifier):
        return False
    return body.circuit.amplitudes is not None and not body.circuit.depends_on_inputs_by_gates
