r"""Flipping points of a quadratic classifier inside a box, near the input: a start for the exact solver.

Around a point `z` the cone :math:`z^T A z \le 0` is replaced by the half-space that touches it, and the nearest point
of box and half-space is a sum over sorted break points. A few repetitions land within some per cent of the optimum
(sequential linear programming, as in DeepFool, arXiv:1511.04599, but inside the box). Each step is cut where the ray
from `x` through it first meets the cone, which makes it a flip.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Flips", "first_crossing", "flip_margin", "linearised_flips", "nearest_in_halfspace", "negative_points"]

_EPS = torch.finfo(torch.float64).eps

_STEPS = 10
_RAYLEIGH_STEPS = 50
_TINY = torch.finfo(torch.float64).tiny


@dataclass(frozen=True, kw_only=True)
class Flips:
    """Flipping points of one pair.

    Args:
        points: in the box with `z'Az < 0` `(rows, d)`; the sample itself where none was found.
        distance: to them `(rows,)`, infinite where none was found.
        multiplier: estimate of λ at the nearest one `(rows,)`.
    """

    points: Tensor
    distance: Tensor
    multiplier: Tensor

    def take(self, rows: Tensor) -> "Flips":
        """Those of the rows `(n,)`."""
        return Flips(points=self.points[rows], distance=self.distance[rows], multiplier=self.multiplier[rows])

    def merged(self, others: "Flips", rows: Tensor | None = None) -> "Flips":
        """The nearer ones of these and, at `rows` `(n,)` (None: all), of `others`."""
        rows = torch.arange(len(self.distance)) if rows is None else rows
        nearer = others.distance < self.distance[rows]
        points, distance, multiplier = self.points.clone(), self.distance.clone(), self.multiplier.clone()
        points[rows[nearer]], distance[rows[nearer]] = others.points[nearer], others.distance[nearer]
        multiplier[rows[nearer]] = others.multiplier[nearer]
        return Flips(points=points, distance=distance, multiplier=multiplier)


def nearest_in_halfspace(x: Tensor, low: Tensor, high: Tensor, normal: Tensor, needed: Tensor) -> tuple[Tensor, Tensor]:
    r"""Shortest step `v` `(rows, d)` with :math:`-a^T v \ge n` and `x + v` in the box; the longest useful one if none.

    :math:`v_i = -\tau a_i`, cut at the box, and :math:`-a^T v` grows with τ piecewise linearly.

    Args:
        x: inside the box `(rows, d)`.
        low: lower ends `(rows, d)`.
        high: upper ends `(rows, d)`.
        normal: `a` `(rows, d)`.
        needed: `n` `(rows,)`.

    Returns:
        The steps and their τ `(rows,)`.

    Example:
        >>> x, a = torch.zeros(1, 2).double(), torch.tensor([[1.0, 1.0]]).double()
        >>> nearest_in_halfspace(x, x - torch.tensor([0.25, 9.0]), x, a, torch.ones(1).double())[0].tolist()
        [[-0.25, -0.75]]
    """
    room = torch.where(normal > 0, x - low, high - x)
    square = normal.square()
    breaks = torch.where(square > 0, room / normal.abs().clamp(min=_TINY), torch.inf)
    order = breaks.sort(dim=1)
    sorted_square = square.gather(1, order.indices)
    finite = torch.where(torch.isfinite(order.values), order.values, 0.0)
    # Gain at each break: what is exhausted before it, and τ times what still moves.
    spent = (finite * sorted_square).cumsum(dim=1)
    moving = sorted_square.flip(1).cumsum(dim=1).flip(1)
    gain = torch.where(torch.isfinite(order.values), spent - finite * sorted_square + finite * moving, torch.inf)
    position = (gain < needed[:, None]).sum(dim=1).clamp(max=x.shape[1] - 1)[:, None]
    before = spent.gather(1, position) - (finite * sorted_square).gather(1, position)
    tau = (needed[:, None] - before) / moving.gather(1, position).clamp(min=_TINY)
    # Finite, as it is also multiplied by the zeros of the normal.
    tau = tau.clamp(min=0, max=1e300)
    return torch.where(normal > 0, -1.0, 1.0) * torch.minimum(tau * normal.abs(), room), tau[:, 0]


def flip_margin(form: Tensor, x: Tensor, doubt: float = 0.0) -> Tensor:
    """How far below 0 `z'Az` must be near `x` `(rows, d)` for any order of summation to see a flip `(rows,)`.

    A quarter of it must do. A form lowered by `doubt` has to fall so far that the one it stands for flips, too.
    """
    rounding = 4 * (x.shape[1] + 8) * _EPS * (x.abs() * (x.abs() @ form.abs())).sum(dim=1)
    return rounding + 16 * doubt * x.square().sum(dim=1) if doubt > 0 else rounding


def first_crossing(form: Tensor, x: Tensor, step: Tensor, margin: Tensor) -> Tensor:
    """Least `t >= 0` `(rows,)` with `z'Az <= -margin` at `z = x + t step`; infinite where there is none."""
    image = step @ form
    curvature, slope = (step * image).sum(dim=1), (x * image).sum(dim=1)
    height = ((x @ form) * x).sum(dim=1) + margin
    root = slope.square() - curvature * height
    # height + 2 slope t + curvature t^2, height > 0: of both roots the one without cancellation, then the other.
    q = -slope + torch.where(slope < 0, 1.0, -1.0) * root.clamp(min=0).sqrt()
    first, second = height / q, q / curvature
    positive = [torch.where((t > 0) & torch.isfinite(t) & (root >= 0), t, torch.inf) for t in (first, second)]
    return torch.where(height <= 0, 0.0, torch.minimum(*positive))


def negative_points(
    form: Tensor, directions: Tensor, x: Tensor, low: Tensor, high: Tensor, best: Tensor
) -> Iterator[Tensor]:
    """Points `(rows, d)` of the box where `z'Az` is small, wherever they lie: other starts for a local search.

    Projected gradients on the Rayleigh quotient, from `best` and from each of `directions` both ways.

    Args:
        form: symmetric `A` `(d, d)`.
        directions: unit vectors `(n, d)`, for example the lowest eigenvectors.
        x: `(rows, d)`; how far a step reaches in an infinite box goes by its length.
        low: lower ends of the box `(rows, d)`.
        high: upper ends `(rows, d)`.
        best: the best points known `(rows, d)`.
    """
    length = torch.linalg.vector_norm(x, dim=1, keepdim=True)
    size = torch.linalg.matrix_norm(form)
    ways = [best, *(sign * length * direction for direction in directions for sign in (1.0, -1.0))]
    for z in ways:
        z = torch.minimum(torch.maximum(z, low), high)
        for _ in range(_RAYLEIGH_STEPS):
            image = z @ form
            quotient = (z * image).sum(dim=1, keepdim=True) / z.square().sum(dim=1, keepdim=True).clamp(min=_TINY)
            z = torch.minimum(torch.maximum(z - (image - quotient * z) / size, low), high)
        yield z


def linearised_flips(
    form: Tensor, x: Tensor, low: Tensor, high: Tensor, start: Tensor | None = None, *, doubt: float = 0.0
) -> Flips:
    """Flipping points found by a few linearisations.

    Args:
        form: symmetric `A` `(d, d)`, the class against a rival.
        x: on the class's side `(rows, d)`.
        low: lower ends of the box `(rows, d)`.
        high: upper ends `(rows, d)`.
        start: where the first one is taken `(rows, d)`; None: at `x`.
        doubt: by how much the form was lowered.
    """
    best, distance = x.clone(), torch.full_like(x[:, 0], torch.inf)
    margin = flip_margin(form, x, doubt)
    z, multiplier = x if start is None else start, distance
    for _ in range(_STEPS):
        image = z @ form
        # Half of z'Az + 2 (Az)'(w - z) <= -2 margin, written for the step w - x.
        needed = (image * (x - z)).sum(dim=1) + 0.5 * (image * z).sum(dim=1) + margin
        step, multiplier = nearest_in_halfspace(x, low, high, image, needed)
        z = x + step
        reach = first_crossing(form, x, step, 2 * margin)
        found = x + reach.masked_fill(torch.isinf(reach), 0.0)[:, None] * step
        found = torch.minimum(torch.maximum(found, low), high)
        length = torch.linalg.vector_norm(found - x, dim=1)
        nearer = (((found @ form) * found).sum(dim=1) <= -margin) & (length < distance)
        best[nearer], distance[nearer] = found[nearer], length[nearer]
    return Flips(points=best, distance=distance, multiplier=multiplier)
