"""An adopted model behind preprocessing: budgets in the user's units."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from counterspin.models.affine import AffineInputs
from counterspin.models.integrations.angle_maps import identify
from counterspin.models.integrations.preprocessing import Preprocessing
from counterspin.models.integrations.probing import probe_points
from counterspin.models.integrations.wrapped import WrappedClassifier
from counterspin.models.mapped import MappedClassifier
from counterspin.models.quantum import QuantumClassifier
from counterspin.types import Box

__all__ = ["behind"]

_PROBES = 64


def behind(preprocessing: Preprocessing, body: Any, box: Box, x: Tensor) -> Any:
    """`body` of preprocessed features, one classifier with as much of a circuit as it had.

    Args:
        preprocessing: what happens to the features.
        body: a classifier of the preprocessed features.
        box: the box the features live in before.
        x: samples `(samples, features)` before.
    """
    if isinstance(body, WrappedClassifier):
        return WrappedClassifier(
            lambda x: body.home(preprocessing(x)),
            body.scores,
            box,
            stochastic=body.stochastic,
            differentiable=body.differentiable,
            shots_per_call=body.shots_per_call,
        ).eval()
    normalises = preprocessing.normalises
    if isinstance(body, AffineInputs) and not normalises:
        whole = preprocessing.input_map.then(body.input_map())
        return AffineInputs(body.body, whole, box).requires_grad_(False).eval()
    if isinstance(body, MappedClassifier | AffineInputs):
        inputs = body.circuit_inputs

        def front(x: Tensor) -> Tensor:
            return inputs(preprocessing(x))

        return (
            MappedClassifier(identify(front, x, probes=probe_points(x, box, _PROBES)) or front, body.body, box)
            .requires_grad_(False)
            .eval()
        )
    if normalises and isinstance(body, QuantumClassifier) and body.circuit.depends_on_inputs_by_gates:
        return MappedClassifier(preprocessing, body, box).requires_grad_(False).eval()
    return preprocessing.before(body, box).requires_grad_(False).eval()
