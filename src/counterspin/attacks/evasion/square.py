"""The Square attack for flat inputs (after Andriushchenko et al., arXiv:1912.00049)."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from counterspin.attacks.base import Attack, Ball
from counterspin.attacks.losses import CW, Loss
from counterspin.attacks.oracle import Oracle
from counterspin.errors import UsageError

__all__ = ["Square", "share_at"]

# The paper halves the share of changed features after these queries of 10000.
_HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)

# Single features get stuck where none helps alone; up to this many change together to the end.
_FEW = 4


def share_at(query: int, queries: int, first: float) -> float:
    """Share of the features that proposal number `query` of `queries` changes: the paper's schedule, rescaled.

    Example:
        >>> [share_at(query, 2000, 0.8) for query in (1, 3, 20, 1999)]
        [0.8, 0.4, 0.2, 0.0015625]
    """
    return first / 2 ** sum(query * 10000 > halving * queries for halving in _HALVINGS)


@dataclass(frozen=True, kw_only=True)
class Square(Attack):
    r"""Random search that rewrites a random subset of the features, and keeps what lowers the margin.

    The squares of the paper are windows of an image; features of a flat input have no neighbours, so the subset is any
    subset. It shrinks from the share `share` of the features to a handful: then its size is drawn from 1 to 4, because
    the paper's single last feature leaves inputs of few features where no change of one alone helps.

    * L-infinity: the subset is set to :math:`\pm\varepsilon`, each sign at random; the walk starts from a corner.
    * L2 and L1: a second subset is set to zero, and its mass, with what the budget has left, moves to the first one, in
      random signs that are added to its present direction. (In L1 masses are absolute values, in L2 squares.)

    It needs scores only, so it shows when gradients mislead.

    Args:
        queries: model evaluations per sample and start.
        share: share of the features that the first proposals change, above 0 and at most 1.
        loss: what has to rise for a proposal to be kept.

    Raises:
        UsageError: a share that is none.

    Example:
        >>> Square().config["queries"]
        2000
    """

    queries: int = 2000
    share: float = 0.8
    loss: Loss = field(default_factory=CW)

    norms = ("linf", "l2", "l1")
    knowledge = "black"

    def __post_init__(self) -> None:
        """Refuse a share that is none."""
        super().__post_init__()
        if not 0 < self.share <= 1:
            raise UsageError(f"share is {self.share}; it must be above 0 and at most 1, for example 0.8.")

    def _run(self, oracle: Oracle, start: Tensor, ball: Ball, generator: torch.Generator) -> None:
        x, value = start, oracle.value(start, self.loss)
        propose = _corner_move if ball.norm == "linf" else _mass_move
        for query in range(1, self.queries):
            if oracle.finished:
                return
            # The first proposal is a start of its own: it rewrites every feature.
            share = 1.0 if query == 1 else share_at(query, self.queries, self.share)
            proposal = ball.project(propose(x, ball, share, generator))
            found = oracle.value(proposal, self.loss)
            better = found > value
            x, value = torch.where(better[:, None], proposal, x), torch.where(better, found, value)


def _corner_move(x: Tensor, ball: Ball, share: float, generator: torch.Generator) -> Tensor:
    """`x` with a random subset of its features at the walls of the L-infinity ball."""
    rank, count = _ranks(x, generator), _count(share, x, generator)
    signs = torch.rand(x.shape, generator=generator, dtype=x.dtype, device=generator.device).to(x.device) < 0.5
    # The first feature of the subset always crosses the ball, so no proposal repeats the point it came from.
    up = torch.where(rank == 0, x <= ball.center, signs)
    wall = torch.where(up, ball.center + ball.radius, ball.center - ball.radius)
    return torch.where(rank < count, wall, x)


def _mass_move(x: Tensor, ball: Ball, share: float, generator: torch.Generator) -> Tensor:
    """`x` with the mass of one random subset of its features moved to another one, up to the whole budget."""
    power = 1 if ball.norm == "l1" else 2
    rank, count = _ranks(x, generator), _count(share, x, generator)
    into = rank < count
    out = ~into & (rank < 2 * count)
    delta = x - ball.center
    mass = delta.abs() ** power
    kept = torch.where(into | out, 0.0, mass).sum(dim=1, keepdim=True)
    room = (ball.radius**power - kept).clamp_min(0.0) ** (1.0 / power)
    signs = torch.rand(x.shape, generator=generator, dtype=x.dtype, device=generator.device).to(x.device) < 0.5
    present = _unit(torch.where(into, delta, 0.0), power)
    fresh = _unit(torch.where(into, torch.where(signs, 1.0, -1.0).to(x), 0.0), power)
    mixed = present + fresh
    # A lone feature whose sign is drawn against its present one would cancel and lose its mass.
    mixed = torch.where((mixed == 0).all(dim=1, keepdim=True), fresh, mixed)
    return ball.center + torch.where(into | out, room * _unit(mixed, power), delta)


def _ranks(x: Tensor, generator: torch.Generator) -> Tensor:
    """A random order of the features in each row, as ranks from 0."""
    draw = torch.rand(x.shape, generator=generator, dtype=torch.float64, device=generator.device).to(x.device)
    return draw.argsort(dim=1).argsort(dim=1)


def _count(share: float, x: Tensor, generator: torch.Generator) -> Tensor:
    """Size of the subset of each row `(rows, 1)`: a share of the features, where that is few any few of them."""
    features = x.shape[1]
    shape, most = (x.shape[0], 1), round(share * features)
    if most >= _FEW:
        return torch.full(shape, most, device=x.device)
    draw = torch.randint(1, min(_FEW, features) + 1, shape, generator=generator, device=generator.device)
    return draw.to(x.device)


def _unit(delta: Tensor, power: int) -> Tensor:
    """Rows of norm 1 in the same direction; rows of zeros stay."""
    size = torch.linalg.vector_norm(delta, ord=power, dim=1, keepdim=True)
    return torch.where(size > 0, delta / size, 0.0)
