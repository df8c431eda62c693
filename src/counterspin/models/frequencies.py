"""How the scores of a model oscillate along each direction of its features: read from its circuit, not fitted."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.circuits.frequencies import bandwidth_along, frequencies_along
from counterspin.types import HasCircuit

__all__ = ["Oscillation", "affine_inputs", "oscillations"]

# A map that departs from its linear part by less than this share of its size is affine: rounding is far below.
_AFFINE = 1e-9


@dataclass(frozen=True, kw_only=True)
class Oscillation:
    """How scores depend on the position along one line.

    Args:
        frequencies: all positive frequencies, ascending; None where there are too many to be of use.
        bandwidth: the highest frequency.
    """

    frequencies: tuple[float, ...] | None
    bandwidth: float


def affine_inputs(model: HasCircuit, features: int) -> Tensor | None:
    """The matrix `(inputs, features)` of the map from features to circuit inputs; None where it is not affine.

    The map is asked, not read: its values at the unit vectors give the matrix, and the values at seven other points,
    up to 30 units away, are compared with it. A front with a non-linearity, or one that clips, is told apart.

    Args:
        model: the model.
        features: how many features it takes.
    """
    generator = torch.Generator().manual_seed(0)
    far = torch.rand(7, features, generator=generator, dtype=torch.float64) - 0.5
    far = far * torch.tensor([0.5, 1.0, 2.0, 4.0, 8.0, 30.0, 60.0], dtype=torch.float64)[:, None]
    points = torch.cat([torch.zeros(1, features, dtype=torch.float64), torch.eye(features, dtype=torch.float64), far])
    points = points.to(model.weights.device)
    with torch.no_grad():
        values = model.circuit_inputs(points)
    if values.is_complex() or values.shape[1] != model.circuit.inputs:
        return None
    offset, matrix = values[0], (values[1 : features + 1] - values[0]).T
    predicted = offset + points[features + 1 :] @ matrix.T
    scale = float(matrix.abs().max()) + float(offset.abs().max())
    departure = float((values[features + 1 :] - predicted).abs().max())
    return matrix if departure <= _AFFINE * (1.0 + 30.0 * scale) else None


def oscillations(model: HasCircuit, directions: Tensor, *, at_most: int = 12) -> tuple[Oscillation, ...] | None:
    """How the scores oscillate along each direction of the features.

    A score is a linear function of expectation values, so its frequencies are those of the circuit; the trainable
    scales of a re-uploading circuit are read from the weights.

    Args:
        model: a model that ends in one circuit.
        directions: `(lines, features)`; the unit matrix for the features one by one.
        at_most: how many frequencies are worth having.

    Returns:
        One entry per line; None where the features reach the circuit through a map that is not affine.

    Raises:
        ConditionsError: a line moves encoded amplitudes.

    Example:
        >>> from counterspin.circuits import PauliExpectations, angle_encoding
        >>> from counterspin.models import QuantumClassifier
        >>> from counterspin.types import Box
        >>> box = Box.uniform(0.0, 1.0, features=2)
        >>> model = QuantumClassifier(angle_encoding(2, scale=2.0), PauliExpectations.of("Z0", "Z1"), box)
        >>> [line.frequencies for line in oscillations(model, torch.eye(2))]
        [(2.0,), (2.0,)]
    """
    matrix = affine_inputs(model, directions.shape[1])
    if matrix is None:
        return None
    weights = model.weights.detach().double()
    return tuple(
        Oscillation(
            frequencies=frequencies_along(model.circuit, line, weights, at_most=at_most),
            bandwidth=bandwidth_along(model.circuit, line, weights),
        )
        for line in directions.to(matrix) @ matrix.T
    )
