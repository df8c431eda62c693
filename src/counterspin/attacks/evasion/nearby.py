"""What searches for the nearest adversarial input have in common: where they start, and which rival they go for."""

import torch
from torch import Tensor

from counterspin.attacks.ball import Ball
from counterspin.attacks.losses import Gap
from counterspin.attacks.oracle import Oracle

__all__ = ["aims", "first_order", "near_start", "rival_distances"]

# A hair off the clean input: a pole of the encoding has no gradient, its neighbourhood has one.
_JITTER = 1e-3

_DUAL = {"linf": 1.0, "l2": 2.0, "l1": torch.inf, "l0": torch.inf}


def near_start(oracle: Oracle, ball: Ball, generator: torch.Generator) -> Tensor:
    """Starting points `(rows, features)`: the first copy beside the clean inputs, the others anywhere in the ball.

    Args:
        oracle: says how many samples there are.
        ball: admissible set of each row, copy after copy.
        generator: source of randomness.
    """
    share = torch.rand((ball.rows, 1), generator=generator, dtype=ball.center.dtype).to(ball.center.device)
    share[: len(oracle.y)] = _JITTER
    return ball.project(ball.center + share * (ball.random_point(ball.center, generator) - ball.center))


def rival_distances(oracle: Oracle, x: Tensor, norm: str) -> Tensor:
    r"""First-order distance of each row to its boundary with each class, `(rows, classes)`; infinite for its own.

    .. math:: |z_y - z_j| / \|\nabla (z_y - z_j)\|_q
    """
    copies = len(x) // len(oracle.y)
    own = oracle.y.repeat(copies)
    distances = []
    for rival in range(oracle.model.classes):
        value, gradient = oracle.value_and_gradient(x, Gap(pairwise=True), torch.full_like(own, rival))
        slope = first_order(gradient, norm)[:, 0]
        reachable = (slope > 0) & (own != rival)
        distances.append(torch.where(reachable, value.abs() / slope, torch.inf))
    return torch.stack(distances, dim=1)


def first_order(gradient: Tensor, norm: str) -> Tensor:
    """How fast a linear function with this gradient grows along the steepest unit direction, `(rows, 1)`."""
    return torch.linalg.vector_norm(gradient, ord=_DUAL[norm], dim=1, keepdim=True)


def aims(oracle: Oracle, x: Tensor, norm: str) -> tuple[Gap, Tensor | None]:
    """What each row ascends: the margin, or with three or more classes its gap to a rival of its own.

    Restarts from other points mostly slide to the same boundary. Therefore the copies of a sample take its rivals in
    turn, the one that is nearest to first order first.

    Args:
        oracle: asked for one gradient per class and sample.
        x: starting points `(rows, features)`, the first copy beside the clean inputs.
        norm: of the threat.

    Returns:
        The loss, and the rival of each row `(rows,)` or None.
    """
    samples = len(oracle.y)
    if oracle.target is not None or oracle.model.classes < 3:
        return Gap(), None
    order = rival_distances(oracle, x[:samples], norm).argsort(dim=1)
    turns = torch.arange(len(x), device=x.device) // samples % (oracle.model.classes - 1)
    return Gap(pairwise=True), order.repeat(len(x) // samples, 1).gather(1, turns[:, None])[:, 0]
