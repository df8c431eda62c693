"""A gradient estimated from scores along antithetic directions, for attacks that see nothing else."""

import math

import torch
from torch import Tensor

from counterspin.attacks.base import Ball
from counterspin.attacks.losses import Loss
from counterspin.attacks.oracle import Oracle
from counterspin.errors import UsageError

__all__ = ["check_estimator", "estimated_gradient"]


def estimated_gradient(
    oracle: Oracle, x: Tensor, ball: Ball, directions: Tensor, *, width: float, loss: Loss
) -> Tensor:
    r"""Direction of ascent of `loss` at `x`, `(rows, features)`, from two queries per direction; zeros where settled.

    .. math:: g = \frac{1}{n} \sum_{i=1}^{n} \frac{\ell(x_i^+) - \ell(x_i^-)}{\|x_i^+ - x_i^-\|_2^2}\, (x_i^+ - x_i^-),
        \qquad x_i^\pm = \Pi_B\bigl(x \pm w\, \varepsilon\, u_i / \|u_i\|_p\bigr)

    The queries are projected into the ball: each is one the attacker may submit, and may itself break the sample.
    What was really moved enters the estimate, so features at a wall count half and those that cannot change are 0.

    Args:
        oracle: answers the queries.
        x: where `(rows, features)`.
        ball: admissible set of each row.
        directions: `(n * rows, features)`, `n` stacked copies of the rows.
        width: length of a probe as a share of the budget, in the norm of the threat.
        loss: what rises.
    """
    copies = directions.shape[0] // x.shape[0]
    balls, here = ball.tile(copies), x.repeat(copies, 1)
    step = width * balls.radius * directions / balls.size(directions)
    ahead, behind = balls.project(here + step), balls.project(here - step)
    rise, fall = oracle.value(torch.cat([ahead, behind]), loss).chunk(2)
    moved = ahead - behind
    squared = moved.square().sum(dim=1)
    slope = torch.where(squared > 0, (rise - fall) / squared, 0.0)
    return (slope[:, None] * moved).reshape(copies, *x.shape).mean(dim=0)


def check_estimator(directions: int, width: float, step_size: float) -> None:
    """Refuse settings of an attack that estimates its gradients.

    Raises:
        UsageError: no direction, or a length that is no finite share of the budget above 0.
    """
    if not (isinstance(directions, int) and directions >= 1):
        raise UsageError(f"directions is {directions!r}; it must be a whole number of at least 1.")
    for name, value in (("width", width), ("step_size", step_size)):
        if not (math.isfinite(value) and value > 0):
            raise UsageError(f"{name} is {value}; it must be a finite share of the budget above 0, for example 0.1.")
