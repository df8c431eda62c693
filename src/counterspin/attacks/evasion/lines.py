"""Line searches along features: what the margin is on a line, how far a row may go, and the lowest point on it."""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.attacks.ball import Ball
from counterspin.attacks.oracle import Oracle
from counterspin.optimum.interpolation import chebyshev_angles, chebyshev_degree, cosines
from counterspin.optimum.minimum import lowest
from counterspin.optimum.trigonometric import basis, conditioning, fit, sampling_nodes
from counterspin.types import Classifier, HasCircuit

__all__ = ["Line", "free_directions", "lines_of", "room"]

# More frequencies than this cost more queries than an interpolation in the interval.
_MOST_FREQUENCIES = 12
# Nodes whose fit would magnify rounding by more than this are not used.
_CONDITION = 1e4
# Relative error an interpolation aims at where the bandwidth is known.
_INTERPOLATION = 1e-4
# Longest way searched in either direction, in radians of the highest frequency: for what degree 64 interpolates, and
# for exact lines beyond a period of 12 multiples.
_LONGEST, _LONGEST_EXACT = 30.0, 300.0
# Nodes per coefficient for a model whose answers are noisy.
_NOISY = 3
_TOLERANCE = 1e-10


@dataclass(frozen=True, eq=False, kw_only=True)
class Line:
    """A direction of the features and what is known of the scores along it.

    Args:
        direction: `(features,)`, 1 for each feature that moves.
        exact: whether the scores are trigonometric polynomials with these frequencies.
        frequencies: ascending `(R,)` float64; empty where they are not used.
        offsets: nodes of the exact fit `(2R+1,)`, the first one 0; empty where there is none.
        bandwidth: the highest frequency; None where unknown.
        degree: of the interpolation where no bandwidth is known.
        noisy: whether answers to one query differ.
    """

    direction: Tensor
    exact: bool
    frequencies: Tensor
    offsets: Tensor
    bandwidth: float | None
    degree: int
    noisy: bool

    def search(
        self, oracle: Oracle, x: Tensor, scores: Tensor, low: Tensor, high: Tensor, y: Tensor, target: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The step `(rows,)` from `x` to the lowest margin between `low` and `high` `(rows,)`, and that margin.

        Args:
            oracle: asked at the nodes.
            x: `(rows, features)`.
            scores: at x `(rows, classes)`, the first node of an exact fit.
            low: lowest step, not above 0.
            high: highest step, not below 0.
            y: true classes `(rows,)`.
            target: wanted classes `(rows,)`, or None.
        """
        rule = "min" if target is None else "max"
        if self.exact:
            repeats = _NOISY if self.noisy else 1
            offsets = self.offsets[1:].repeat(repeats)
            steps = offsets.to(low)[:, None].expand(-1, len(x))
            samples = torch.cat([scores[None], self._ask(oracle, x, steps)]).double()
            design = basis(self.frequencies, torch.cat([self.offsets[:1], offsets]))
            found = lowest(
                self.frequencies, _margins(fit(design, samples), y, target), low, high, rule=rule, tolerance=_TOLERANCE
            )
            return found.point, found.value
        middle, half = (low + high) / 2, (high - low) / 2
        degree = self.degree
        if self.bandwidth is not None:
            degree = chebyshev_degree(self.bandwidth, float(half.max()), _INTERPOLATION)
        angles = chebyshev_angles((degree + 1) * (_NOISY if self.noisy else 1)).to(low)
        samples = self._ask(oracle, x, middle + angles.cos()[:, None] * half).double()
        curves = _margins(fit(cosines(degree, angles), samples), y, target)
        curves = torch.cat([curves, torch.zeros_like(curves[..., 1:])], dim=-1)
        found = lowest(
            torch.arange(1, degree + 1).to(low),
            curves,
            torch.zeros_like(low),
            torch.full_like(low, math.pi),
            rule=rule,
            tolerance=_TOLERANCE,
        )
        return middle + half * found.point.cos(), found.value

    def _ask(self, oracle: Oracle, x: Tensor, steps: Tensor) -> Tensor:
        """Scores `(nodes, rows, classes)` at `steps` `(nodes, rows)` from `x`."""
        points = (x + steps.to(x)[..., None] * self.direction).flatten(0, 1)
        # One noisy answer is no result, and what an oracle remembers of a stochastic model it asks many times.
        with oracle.unremembered() if self.noisy else nullcontext():
            return oracle.scores(points).reshape(*steps.shape, -1)


def free_directions(ball: Ball) -> Tensor:
    """One row `(lines, features)` per continuous feature or tied set that may move, 1 where it moves.

    Example:
        >>> from counterspin.threats import Constraints
        >>> from counterspin.types import Box
        >>> tied = Constraints(mask=(True, False, True, True), tied=((0, 2),))
        >>> free_directions(Ball.around(torch.zeros(1, 4), torch.ones(1), "l2", Box.unbounded(4), tied)).int().tolist()
        [[1, 0, 1, 0], [0, 0, 0, 1]]
    """
    features = ball.center.shape[1]
    if ball.structure is None:
        return torch.eye(features).to(ball.center)
    unit = ball.structure.unit
    free = unit[ball.structure.movable & ~ball.structure.discrete].unique()
    return (unit == free[:, None]).to(ball.center)


def lines_of(model: Classifier, ball: Ball, nodes: int) -> list[Line]:
    """A line for every feature that may move and on which the scores may depend.

    Args:
        model: its circuit is read where it has one.
        ball: the admissible sets.
        nodes: of an interpolation where no bandwidth is known.
    """
    # Imported here: an attack on a user's own model needs no simulator.
    from counterspin.models.frequencies import oscillations

    directions = free_directions(ball)
    known = oscillations(model, directions, at_most=_MOST_FREQUENCIES) if isinstance(model, HasCircuit) else None
    empty = torch.zeros(0, dtype=torch.float64, device=ball.center.device)
    lines = []
    for index, direction in enumerate(directions):
        bandwidth, frequencies, offsets = None, empty, None
        if known is not None:
            bandwidth = known[index].bandwidth
            if bandwidth == 0.0:
                continue
            exact = known[index].frequencies
            # Where discrete features are rounded, so is every node that leaves the ball.
            if exact is not None and not ball.is_discrete:
                offsets = sampling_nodes(exact)
            if exact is not None and offsets is not None and conditioning(exact, offsets) <= _CONDITION:
                frequencies = torch.tensor(exact).to(empty)
            else:
                offsets = None
        lines.append(
            Line(
                direction=direction,
                exact=offsets is not None,
                frequencies=frequencies,
                offsets=empty if offsets is None else offsets.to(empty),
                bandwidth=bandwidth,
                degree=nodes - 1,
                noisy=model.stochastic,
            )
        )
    return lines


def room(ball: Ball, x: Tensor, line: Line, sharing: int = 1) -> tuple[Tensor, Tensor]:
    r"""How far each row may go along a line, `(rows,)` each, float64.

    Under L1 and L2 a feature may use what the other features leave of the budget, divided by `sharing`:
    :math:`\delta_i'^2 \le \delta_i^2 + (r^2 - \|\delta\|^2) / s`.

    Args:
        ball: the admissible sets.
        x: where the rows stand, in the ball `(rows, features)`.
        line: the line.
        sharing: how many features still have to share the rest of the budget.
    """
    moving = line.direction != 0
    delta = (x - ball.center).double()
    own = delta[:, moving][:, 0]
    radius, count = ball.radius[:, 0].double(), int(moving.sum())
    low = (ball.lower - x).double()[:, moving].amax(dim=1)
    high = (ball.upper - x).double()[:, moving].amin(dim=1)
    match ball.norm:
        case "linf":
            reach = radius
        case "l2":
            left = (radius.square() - delta.square().sum(dim=1)).clamp_min(0.0)
            reach = (own.square() + left / (count * sharing)).sqrt()
        case "l1":
            left = (radius - delta.abs().sum(dim=1)).clamp_min(0.0)
            reach = own.abs() + left / (count * sharing)
        case _:
            others = ball.size(delta.masked_fill(moving, 0.0))[:, 0]
            reach = torch.where(others + 1 <= radius, torch.inf, own.abs())
    low, high = torch.maximum(low, -reach - own), torch.minimum(high, reach - own)
    longest = (_LONGEST_EXACT if line.exact else _LONGEST) / line.bandwidth if line.bandwidth else torch.inf
    return low.clamp(-longest, 0.0), high.clamp(0.0, longest)


def _margins(coefficients: Tensor, y: Tensor, target: Tensor | None) -> Tensor:
    """Coefficients `(rows, rivals, terms)` of the margin against each rival, from those of the scores.

    Args:
        coefficients: `(terms, rows, classes)`.
        y: true classes `(rows,)`.
        target: wanted classes `(rows,)`, or None.
    """
    curves = coefficients.permute(1, 2, 0)
    rows, classes, _ = curves.shape
    chosen = y if target is None else target
    every = torch.arange(classes, device=y.device).expand(rows, classes)
    rivals = every[every != chosen[:, None]].reshape(rows, classes - 1)
    index = torch.arange(rows, device=y.device)[:, None]
    own, others = curves[index, chosen[:, None]], curves[index, rivals]
    return own - others if target is None else others - own
