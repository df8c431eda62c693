r"""Trigonometric polynomials with given frequencies, from as few samples as they have coefficients.

.. math:: p(t) = c_0 + \sum_{k=1}^{R} a_k \cos(\omega_k t) + b_k \sin(\omega_k t)

has 2R+1 coefficients, ordered :math:`c_0, a_1, …, a_R, b_1, …, b_R`. A score that is linear in expectation values is
one along any line on which the gate angles are affine (arXiv:2008.08605).
"""

import math

import torch
from torch import Tensor

__all__ = ["basis", "conditioning", "fit", "sampling_nodes"]

# Nodes farther from 0 than this many radians of the highest frequency lose digits to the rounding of the angle.
_FARTHEST = 1e6
_CANDIDATES = 40  # per coefficient; among them a well-conditioned choice exists


def basis(frequencies: Tensor, t: Tensor) -> Tensor:
    """Values `(..., 2R+1)` of the basis functions at `t` `(...)`, for `frequencies` `(R,)`.

    Example:
        >>> basis(torch.tensor([2.0]), torch.tensor([0.0])).tolist()
        [[1.0, 1.0, 0.0]]
    """
    phase = t[..., None] * frequencies
    return torch.cat([torch.ones_like(t)[..., None], phase.cos(), phase.sin()], dim=-1)


def sampling_nodes(frequencies: tuple[float, ...]) -> Tensor | None:
    r"""Where to sample: `(2R+1,)` float64, the first one 0; None where no choice keeps enough digits.

    Multiples of a base without gaps: equal steps over one period, an orthogonal transform. Otherwise a greedy choice
    among quasi-random points of a window as long as the closest two frequencies need to part,
    :math:`2\pi/\min|\omega_j - \omega_k|`: each node is the one whose row is farthest from the span of those before
    (approximate Fekete points: Bos et al., SIAM J. Numer. Anal. 48, 1984, 2010).

    The nodes spread over a period, not over an interval of interest: a short piece of a trigonometric polynomial does
    not determine the rest of it. They may therefore lie outside a box; a circuit is defined for every real angle.

    Args:
        frequencies: distinct, positive, ascending.

    Example:
        >>> sampling_nodes((1.0,)).mul(3 / (2 * torch.pi)).round().tolist()
        [0.0, 1.0, -1.0]
    """
    count = len(frequencies)
    unknowns = 2 * count + 1
    if not frequencies:
        return torch.zeros(1, dtype=torch.float64)
    steps = torch.arange(1, count + 1, dtype=torch.float64)
    omega = torch.tensor(frequencies, dtype=torch.float64)
    if torch.allclose(omega, steps * omega[0], rtol=1e-12, atol=0.0):
        turns = torch.cat([torch.zeros(1, dtype=torch.float64), torch.stack([steps, -steps], dim=1).flatten()])
        return 2 * math.pi / (unknowns * frequencies[0]) * turns
    window = 2 * math.pi / float(torch.cat([omega[:1], omega.diff()]).min())
    if window * frequencies[-1] > _FARTHEST:
        return None
    # Additive recurrence with the golden ratio: as even as a grid, and in step with no frequency.
    share = torch.remainder(torch.arange(_CANDIDATES * unknowns, dtype=torch.float64) * 0.6180339887498949, 1.0) - 0.5
    share[0] = 0.0
    candidates = window * share
    return candidates[_spread(basis(omega, candidates))]


def conditioning(frequencies: tuple[float, ...], nodes: Tensor) -> float:
    """By how much errors of the samples at `nodes` `(n,)` may grow in a value of the fit, at most.

    Example:
        >>> round(conditioning((1.0, 2.0), sampling_nodes((1.0, 2.0))), 6)
        2.44949
    """
    design = basis(torch.tensor(frequencies, dtype=torch.float64), nodes)
    lowest = float(torch.linalg.svdvals(design)[-1])
    return math.inf if lowest == 0.0 else math.sqrt(len(nodes) * (len(frequencies) + 1)) / lowest


def fit(design: Tensor, values: Tensor) -> Tensor:
    """Coefficients `(terms, ...)` of the least-squares fit to samples, exact where nodes and terms are as many.

    Args:
        design: basis values at the nodes, `(nodes, terms)` float64.
        values: samples `(nodes, ...)`.

    Example:
        >>> t = sampling_nodes((1.0,))
        >>> fit(basis(torch.ones(1).double(), t), 2.0 - t.sin()).round(decimals=9).abs().tolist()
        [2.0, 0.0, 1.0]
    """
    inverse = torch.linalg.pinv(design)
    return torch.tensordot(inverse, values.to(inverse), dims=1)


def _spread(rows: Tensor) -> Tensor:
    """Indices of as many rows as columns, the first row first, each farthest from the span of those before."""
    rest, chosen = rows.clone(), [0]
    for _ in range(rows.shape[1] - 1):
        unit = rest[chosen[-1]] / torch.linalg.vector_norm(rest[chosen[-1]])
        rest = rest - (rest @ unit)[:, None] * unit
        chosen.append(int(torch.linalg.vector_norm(rest, dim=1).argmax()))
    return torch.tensor(chosen)
