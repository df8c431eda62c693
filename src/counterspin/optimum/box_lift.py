r"""Quadratic classifiers behind an affine map as quadratic forms of the features and one constant.

With :math:`M = (W, b / \tau)` the margin of a class over a rival is homogeneous in the lifted features,

.. math:: (W z + b)^T A\, (W z + b) = \hat z^T M^T A M \hat z, \qquad \hat z = (z, \tau),

so that solvers for cones inside a box serve it with one more feature that may not move (none where `b = 0`).
:math:`\tau \approx \|b\| / \|W\|`, a power of two, keeps the parts of `M` of like size. Products are rounded:
with :math:`\kappa = 8 (k + d + 8)\,u`, :math:`u` = 2.2e-16, the lifted form of a class is taken to be off by at most
:math:`\kappa \|F\| \|M\|^2`, and that of a pair is lowered by the sum of both, which keeps lower bounds sound.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.errors import ConditionsError
from counterspin.optimum.affine_map import AffineMap
from counterspin.optimum.nearest import form_scores
from counterspin.types import Box

__all__ = ["LiftedForms", "image_ends"]

_EPS = torch.finfo(torch.float64).eps


@dataclass(frozen=True, kw_only=True, eq=False)
class LiftedForms:
    """Forms of all classes in the lifted features; without a map they are what they were.

    Args:
        encoded: symmetric forms `(classes, k, k)` float64 of the encoded values.
        input_map: what turns the features into them, up to a power of two; None: nothing does.
        forms: lifted forms `(classes, n, n)`, n the number of features and, with a constant, one more.
        doubt: how far each may be off `(classes,)` on vectors of length 1; 0 without a map.
        constant: τ; None: nothing is shifted, so that the forms are homogeneous in the features already.

    Example:
        >>> map = AffineMap(torch.eye(2).double(), torch.tensor([1.0, 0.0]).double())
        >>> lifted = LiftedForms.of(torch.diag_embed(torch.eye(2).double()), map)
        >>> lifted.points(torch.zeros(1, 2).double()).tolist(), lifted.forms[0].tolist()
        ([[0.0, 0.0, 1.0]], [[1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [1.0, 0.0, 1.0]])
    """

    encoded: Tensor
    input_map: AffineMap | None
    forms: Tensor
    doubt: Tensor
    constant: float | None

    @classmethod
    def of(cls, forms: Tensor, input_map: AffineMap | None = None) -> LiftedForms:
        """Lift symmetric `forms` `(classes, k, k)` float64.

        Raises:
            ConditionsError: the map is constant.
        """
        if input_map is None or input_map.is_identity:
            exact = torch.zeros_like(forms[:, 0, 0])
            return cls(encoded=forms, input_map=None, forms=forms, doubt=exact, constant=None)
        if not bool(input_map.weight.any()):
            raise ConditionsError("the affine map has weight 0, so no input changes the prediction; check the map.")
        # Scores do not feel the length of what is encoded: a power of two off the map costs no rounding.
        size = input_map.weight.double().abs().max()
        unit = torch.ldexp(torch.ones_like(size), size.frexp().exponent - 1)
        input_map = AffineMap(input_map.weight.double() / unit, input_map.bias.double() / unit)
        weight, bias = input_map.weight, input_map.bias
        matrix, constant = weight, None
        if bool(bias.any()):
            ratio = bias.norm() / torch.linalg.matrix_norm(weight, 2)
            constant = float(torch.ldexp(torch.ones_like(ratio), ratio.frexp().exponent - 1))
            matrix = torch.cat([weight, bias[:, None] / constant], dim=1)
        lifted = torch.stack([matrix.T @ form @ matrix for form in forms])
        sizes = torch.linalg.eigvalsh(forms).abs().amax(dim=1)
        doubt = 8 * (sum(matrix.shape) + 8) * _EPS * sizes * torch.linalg.matrix_norm(matrix, 2).square()
        return cls(encoded=forms, input_map=input_map, forms=(lifted + lifted.mT) / 2, doubt=doubt, constant=constant)

    def pair(self, own: int, other: int) -> tuple[Tensor, float]:
        """Form `(n, n)` of a class against a rival, lowered so as never to exceed the true one, and by how much."""
        form = self.forms[own] - self.forms[other]
        if self.input_map is None:
            return form, 0.0
        doubt = float(self.doubt[own] + self.doubt[other])
        form.diagonal().sub_(doubt)
        return form, doubt

    def points(self, x: Tensor) -> Tensor:
        """Lifted features `(rows, n)` of `x` `(rows, d)`."""
        return x if self.constant is None else torch.cat([x, torch.full_like(x[:, :1], self.constant)], dim=1)

    def features(self, points: Tensor) -> Tensor:
        """What `points` lifted."""
        return points if self.constant is None else points[:, :-1]

    def movable(self, movable: Tensor | None) -> Tensor | None:
        """Which lifted features may move `(n,)` bool, for the features `(d,)` bool that may; None: all."""
        if self.constant is None:
            return movable
        features = self.forms.new_ones(self.forms.shape[1] - 1).bool() if movable is None else movable
        return torch.cat([features, features.new_zeros(1)])

    def box(self, box: Box) -> Box:
        """The box of the lifted features; the constant has no end, as it must not move anyway."""
        if self.constant is None:
            return box
        lower, upper = (
            torch.cat([s, s.new_full((1,), end)]) for s, end in ((box.lower, -torch.inf), (box.upper, torch.inf))
        )
        return Box(lower, upper, torch.cat([box.periodic, box.periodic.new_zeros(1)]))

    def images(self, x: Tensor) -> Tensor:
        """Encoded values `(rows, k)` of features `(rows, d)`, scaled by powers of two so that squares stay finite."""
        image = x if self.input_map is None else self.input_map(x)
        return image / torch.ldexp(torch.ones_like(x[:, :1]), image.abs().amax(dim=1, keepdim=True).frexp().exponent)

    def scores(self, x: Tensor) -> Tensor:
        """Scores `(rows, classes)` of features `(rows, d)`; not a number where they are encoded as zero."""
        return form_scores(self.encoded, self.images(x))


def image_ends(input_map: AffineMap, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Ends `(rows, k)` between which the images of the boxes `low` to `high` `(rows, d)` lie, rounding included.

    Example:
        >>> map = AffineMap(torch.tensor([[2.0, -1.0]]).double(), torch.tensor([0.5]).double())
        >>> low, high = image_ends(map, torch.zeros(1, 2).double(), torch.ones(1, 2).double())
        >>> round(low.item(), 9), round(high.item(), 9)
        (-0.5, 2.5)
    """
    weight, bias = input_map.weight.to(low), input_map.bias.to(low)
    rising, falling = weight.clamp(min=0), weight.clamp(max=0)
    finite_low, finite_high = (torch.where(torch.isfinite(end), end, 0.0) for end in (low, high))
    endless_low, endless_high = torch.isinf(low).to(low), torch.isinf(high).to(low)
    eta = 2 * (low.shape[1] + 8) * _EPS

    def end(sign: float, first: Tensor, second: Tensor, endless_first: Tensor, endless_second: Tensor) -> Tensor:
        # Relative to its own terms: an end that is 0 because all of them are stays 0.
        slack = eta * (first.abs() @ rising.T - second.abs() @ falling.T + bias.abs())
        open_ended = endless_first @ rising.T - endless_second @ falling.T > 0
        return torch.where(open_ended, sign * torch.inf, first @ rising.T + second @ falling.T + bias + sign * slack)

    return (
        end(-1.0, finite_low, finite_high, endless_low, endless_high),
        end(1.0, finite_high, finite_low, endless_high, endless_low),
    )
