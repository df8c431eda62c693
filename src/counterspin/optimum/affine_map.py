"""Affine maps of features: what centring, scaling, principal components and resizing have in common."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.errors import InputError

__all__ = ["AffineMap"]


@dataclass(frozen=True, eq=False)
class AffineMap:
    r"""The map :math:`x \mapsto W x + b`.

    Args:
        weight: W `(outputs, features)`, real.
        bias: b `(outputs,)`.

    Raises:
        InputError: shapes that do not fit, complex or non-finite entries.

    Example:
        >>> centre = AffineMap.standardisation(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
        >>> first = AffineMap(torch.tensor([[2.0, 0.0]]), torch.tensor([0.5]))
        >>> centre.then(first)(torch.tensor([[3.0, 9.0]])).tolist()
        [[4.5]]
    """

    weight: Tensor
    bias: Tensor

    def __post_init__(self) -> None:
        """Refuse what is no affine map."""
        if self.weight.ndim != 2 or self.bias.shape != self.weight.shape[:1] or 0 in self.weight.shape:
            raise InputError(
                f"affine map: weight {tuple(self.weight.shape)} and bias {tuple(self.bias.shape)} do not fit; "
                "give (outputs, features) and (outputs,)."
            )
        for name, tensor in (("weight", self.weight), ("bias", self.bias)):
            if not tensor.is_floating_point() or not bool(torch.isfinite(tensor).all()):
                raise InputError(f"affine map: {name} ({tensor.dtype}) must be real and finite; give floating point.")

    @classmethod
    def identity(cls, features: int) -> AffineMap:
        """The map that changes nothing."""
        return cls(torch.eye(features, dtype=torch.float64), torch.zeros(features, dtype=torch.float64))

    @classmethod
    def standardisation(cls, mean: Tensor, deviation: Tensor) -> AffineMap:
        r"""The map :math:`x \mapsto (x - \mu) / \sigma`, feature by feature; `mean` and `deviation` `(features,)`.

        Raises:
            InputError: a deviation of 0.
        """
        if bool((deviation == 0).any()):
            raise InputError(
                f"deviation is 0 for feature {int((deviation == 0).nonzero()[0])}; drop constant features first."
            )
        return cls(torch.diag(1 / deviation.double()), -mean.double() / deviation.double())

    @classmethod
    def projection(cls, components: Tensor, mean: Tensor) -> AffineMap:
        r"""The map :math:`x \mapsto V (x - \mu)` of a principal component analysis.

        Args:
            components: rows of V `(outputs, features)`.
            mean: what is subtracted first `(features,)`.
        """
        components = components.double()
        return cls(components, -components @ mean.double())

    @property
    def features(self) -> int:
        """Number of features it takes."""
        return self.weight.shape[1]

    @property
    def outputs(self) -> int:
        """Number of values it gives."""
        return self.weight.shape[0]

    @property
    def is_identity(self) -> bool:
        """Whether nothing changes, to the last bit."""
        square = self.features == self.outputs and not bool(self.bias.any())
        return square and torch.equal(self.weight, torch.eye(self.features).to(self.weight))

    def __call__(self, x: Tensor) -> Tensor:
        """Images `(..., outputs)` of `x` `(..., features)`, in the dtype of `x` and attached to autograd."""
        return torch.nn.functional.linear(x, self.weight.to(x), self.bias.to(x))

    def then(self, other: AffineMap) -> AffineMap:
        """This map followed by `other`.

        Raises:
            InputError: the other one takes another number of features.
        """
        if other.features != self.outputs:
            raise InputError(f"maps do not compose: the first gives {self.outputs} values, the other {other.features}.")
        weight = other.weight.double()
        return AffineMap(weight @ self.weight.double(), weight @ self.bias.double() + other.bias.double())
