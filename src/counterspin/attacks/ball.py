"""The set an attack moves in: a norm ball around each input, cut by the box."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from counterspin.attacks import directions, projections
from counterspin.attacks.draws import draw, draw_sparse
from counterspin.attacks.projections import norm_of
from counterspin.attacks.rounding import joint_values, rounded
from counterspin.attacks.structure import Structure
from counterspin.threats import Constraints
from counterspin.types import Box

__all__ = ["Ball"]

# Roundings by which a discrete value may miss the budget: 0.4 - 0.3 is not 0.1.
_ROUNDINGS = 4

_ONTO = {"linf": projections.onto_linf, "l2": projections.onto_l2, "l1": projections.onto_l1}


@dataclass(frozen=True, eq=False, kw_only=True)
class Ball:
    r"""Per row the admissible set :math:`\{z : \|z - c\|_p \le r,\ l \le z \le u\}`; it always holds its centre.

    Constraints (mask, discrete groups, tied features) cut it further. `project` maps into the *relaxed* set, in which
    discrete features move between their lowest and highest value; `round` goes on to an admissible point. Without
    groups the two sets are the same.

    Every point that `project`, `round` or a draw returns satisfies its constraints in floating point, in the ball's
    dtype. A point past one end of a circle is kept as it is (`c + delta`), so that `z - c` is the way walked, at most
    half a period; `project` first brings any point to the representative next to the centre.

    Args:
        center: the clean inputs `(rows, features)`.
        radius: budget of each row in feature units `(rows, 1)`; in L0 the number of changes.
        norm: `"linf"`, `"l2"`, `"l1"` or `"l0"`.
        lower: lowest admissible values `(rows, features)`.
        upper: highest admissible values `(rows, features)`.
        period: period of each feature `(features,)`, infinite for those on a line.
        structure: the constraints; None: there are none.

    Example:
        >>> ball = Ball.around(torch.tensor([[0.9, 0.5]]), torch.tensor([0.2]), "linf", Box.uniform(0.0, 1.0, 2))
        >>> ball.project(torch.tensor([[2.0, 0.0]])).tolist()
        [[1.0, 0.30000001192092896]]
    """

    center: Tensor
    radius: Tensor
    norm: str
    lower: Tensor
    upper: Tensor
    period: Tensor
    structure: Structure | None = None

    @classmethod
    def around(
        cls, center: Tensor, radius: Tensor, norm: str, box: Box | None, constraints: Constraints | None = None
    ) -> Ball:
        """Balls of `radius` `(rows,)` around `center` `(rows, features)` in `box` (None: no box).

        A clean input a rounding outside the box is admissible by definition: the box reaches to it.
        """
        box = Box.unbounded(center.shape[1]) if box is None else box
        structure = Structure.of(constraints, box, center) if constraints else None
        lower, upper = box.lower.to(center), box.upper.to(center)
        period = (upper - lower).masked_fill(~box.periodic.to(center.device), torch.inf)
        period = period if structure is None else structure.period
        circular, half = torch.isfinite(period), period / 2
        lower = torch.minimum(torch.where(circular, center - half, lower), center)
        upper = torch.maximum(torch.where(circular, center + half, upper), center)
        radius = radius.to(center)[:, None]
        if structure is not None:
            lower, upper = structure.bounds(center, lower, upper)
            if structure.blocks and norm != "l0":
                largest = torch.maximum(lower.abs(), upper.abs()).where(structure.discrete, 0.0)
                radius = radius + norm_of(_ROUNDINGS * torch.finfo(center.dtype).eps * largest, norm)
        # The same set with a radius that is reached: steps are shares of it, and would jump from wall to wall.
        farthest = norm_of(torch.maximum(upper - center, center - lower), norm, structure)
        return cls(
            center=center,
            radius=torch.minimum(radius, farthest),
            norm=norm,
            lower=lower,
            upper=upper,
            period=period,
            structure=structure,
        )

    @property
    def rows(self) -> int:
        """Number of balls."""
        return self.center.shape[0]

    @property
    def is_discrete(self) -> bool:
        """Whether some feature may take listed values only."""
        return self.structure is not None and bool(self.structure.blocks)

    def take(self, index: Tensor) -> Ball:
        """The balls of the rows `index` `(n,)`."""
        return replace(
            self,
            center=self.center[index],
            radius=self.radius[index],
            lower=self.lower[index],
            upper=self.upper[index],
        )

    def tile(self, times: int) -> Ball:
        """All balls `times` times over, copy after copy."""
        return self.take(torch.arange(self.rows, device=self.center.device).repeat(times))

    def size(self, delta: Tensor) -> Tensor:
        """Norm of each row of `delta`, `(rows, 1)`."""
        return norm_of(delta, self.norm, self.structure)

    def contains(self, x: Tensor, tolerance: float = 0.0) -> Tensor:
        """Which rows of `x` are admissible `(rows,)`, up to a share `tolerance` of the radius."""
        slack = tolerance * self.radius
        inside = self._within(x, slack)
        if self.structure is None:
            return inside
        together = self.structure.moves_together(x, self.center, slack)
        return inside & together & self.structure.listed(x, self.center, slack)

    def project(self, x: Tensor) -> Tensor:
        """The nearest point of the relaxed set to each row of `x` `(rows, features)`, in Euclidean distance."""
        if self.structure is None or not self.structure.ties:
            return self._onto(self._unwrap(x))
        # From far away, tied features lose each other by rounding; from next to the ball they do not.
        for _ in range(2):
            x = self._onto(self._unwrap(self.structure.together(x, self.center)))
        return x

    def round(self, x: Tensor) -> Tensor:
        """An admissible point next to each row of `x` `(rows, features)`; `x` itself without discrete features.

        The nearest one in L-infinity and L0; for L2 and L1 see `rounding.rounded`.
        """
        if self.structure is None or not self.structure.blocks:
            return x
        x = self._unwrap(self.structure.together(x, self.center)) if self.norm == "l0" else self.project(x)
        return rounded(x, self.center, self.radius, self.norm, self.lower, self.upper, self.structure)

    def steepest(self, gradient: Tensor, at: Tensor | None = None) -> Tensor:
        """The direction of unit norm along which a linear function with this gradient grows most; 0 where it is 0.

        L-infinity and L2: whatever the box. L1 and L0: towards the best point of the whole set, so that
        `center + radius * steepest(gradient)` is the exact optimum of a linear function; an ascent in L1 should pass
        its point instead.

        Args:
            gradient: `(rows, features)`.
            at: where the step starts `(rows, features)`, for L1 ascents: a direction spread over several features that
                can still move from there, see `directions.sparse_signs`. Other norms do not look at it.
        """
        if self.structure is not None:
            gradient = self.structure.averaged(gradient.where(self.structure.movable, 0.0))
        if self.norm == "linf":
            return gradient.sign()
        if self.norm == "l2":
            return directions.normalised(gradient)
        edges = (self.center, self.radius, self.lower, self.upper)
        if self.norm == "l0":
            return directions.vertex(gradient, *edges, self.structure)
        if at is None:
            step = directions.fullest(gradient, *edges)
        else:
            low, high = self.lower - self.center, self.upper - self.center
            step = directions.sparse_signs(gradient, at - self.center, low, high)
        # A tied set of which only some were chosen moves as one.
        return step if self.structure is None else self.structure.averaged(step)

    def random_point(self, start: Tensor, generator: torch.Generator) -> Tensor:
        """A draw for rows that start at the centre; other rows are warm starts and are kept.

        Uniform in the ball, then projected into the box; with discrete features and in L0 see `draws`.
        """
        if self.norm == "l0":
            point = draw_sparse(self.center, self.radius, self.lower, self.upper, self.structure, generator)
        else:
            point = draw(self.center, self.radius, self.norm, self.structure, generator)
        cold = (start == self.center).all(dim=1, keepdim=True)
        return self.round(self.project(torch.where(cold, point, start)))

    def joint_values(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Of each discrete group its features and admissible joint values; see `rounding.joint_values`."""
        if self.structure is not None:
            yield from joint_values(self.center, self.radius, self.norm, self.structure)

    def _within(self, x: Tensor, slack: Tensor | float = 0.0) -> Tensor:
        inside = (x >= self.lower - slack) & (x <= self.upper + slack)
        return inside.all(dim=1) & (self.size(x - self.center) <= self.radius + slack)[:, 0]

    def _onto(self, x: Tensor) -> Tensor:
        edges = (self.center, self.radius, self.lower, self.upper)
        if self.norm == "linf":
            return projections.onto_linf(x, *edges)
        if self.norm == "l0":
            return projections.onto_l0(x, *edges, self.structure)
        outside = (~self._within(x)).nonzero()[:, 0]
        if len(outside) == 0:
            return x
        part = [edge[outside] for edge in edges]
        return x.index_copy(0, outside, _ONTO[self.norm](x[outside], *part))

    def _unwrap(self, x: Tensor) -> Tensor:
        circular = torch.isfinite(self.period)
        if not bool(circular.any()):
            return x
        half = self.period.masked_fill(~circular, 1.0) / 2
        delta = x - self.center
        # Half a period away either side will do, and rounding must not toss a point from one to the other.
        far = circular & (delta.abs() > half * (1 + 1e-6))
        return torch.where(far, self.center + torch.remainder(delta + half, 2 * half) - half, x)
