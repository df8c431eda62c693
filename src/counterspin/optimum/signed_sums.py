r"""How much all angles of a circuit can move at once, bounded from above.

For vectors :math:`v_j` (slope times half the spread of the generator) the total turn of a perturbation is
:math:`\sum_j |v_j \cdot \delta|`. Its largest value over a unit ball is a norm of the matrix V with rows :math:`v_j`,

.. math:: \max_{\|\delta\|_p \le 1} \sum_j |v_j\cdot\delta|
          = \max_{\epsilon \in \{\pm 1\}^n} \Bigl\| \sum_j \epsilon_j v_j \Bigr\|_q, \qquad 1/p + 1/q = 1,

which is exact in closed form for L1 (the largest column sum) and for orthogonal supports, exact by enumeration for few
vectors, and NP-hard in general. Searching signs locally finds values below the maximum, which certify nothing; beyond
enumeration the maximum is bounded by the dual of its semidefinite relaxation, which needs no convergence to be sound.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.errors import UsageError

__all__ = ["SignedSum", "merged", "semidefinite_bound", "signed_sum_bound", "signed_sums"]

_EPS = torch.finfo(torch.float64).eps
# Unit vectors this close are parallel up to rounding.
_PARALLEL = 16 * _EPS
_ENUMERATED = 20
_BLOCK = 2**14
_SWEEPS = 60
_DUAL = {"linf": 1.0, "l2": 2.0, "l1": torch.inf}


@dataclass(frozen=True, kw_only=True)
class SignedSum:
    """An upper bound on a signed sum.

    Args:
        bound: never below the maximum, rounding included.
        exact: whether it is the maximum up to rounding.
        method: `"closed form"`, `"enumeration"` or `"semidefinite dual"`.
    """

    bound: float
    exact: bool
    method: str


def signed_sum_bound(vectors: Tensor, norm: str) -> SignedSum:
    r"""Upper bound on :math:`\max \sum_j |v_j\cdot\delta|` over the unit ball of a norm.

    Parallel vectors are first added up, which changes nothing: :math:`|v\cdot\delta| + |cv\cdot\delta| =
    (1 + |c|)\,|v\cdot\delta|`. What is left is summed in closed form if no two vectors share a feature, enumerated up
    to 20 signs, and bounded by `semidefinite_bound` otherwise.

    Args:
        vectors: `(n, features)` float64.
        norm: `"linf"`, `"l2"` or `"l1"`, of the perturbation.

    Raises:
        UsageError: another norm.

    Example:
        >>> signed_sum_bound(torch.tensor([[3.0, 0.0], [0.0, 4.0]]).double(), "l2").method
        'closed form'
        >>> round(signed_sum_bound(torch.tensor([[1.0, 1.0], [1.0, -1.0]]).double(), "linf").bound, 9)
        2.0
    """
    if norm not in _DUAL:
        raise UsageError(f"norm is {norm!r}; allowed: {', '.join(_DUAL)}.")
    v = merged(vectors)
    # The sum of the lengths is at most √n times the maximum: this also covers what adding up parallel ones moves.
    rounding = 1 + 32 * (len(vectors) + vectors.shape[1] + 8) * _EPS
    columns = v.abs().sum(dim=0)
    simple = float(torch.linalg.vector_norm(columns, ord=_DUAL[norm])) if v.numel() else 0.0
    if norm == "l1" or bool(((v != 0).sum(dim=0) <= 1).all()):
        return SignedSum(bound=rounding * simple, exact=True, method="closed form")
    corners = norm == "linf" and v.shape[1] < len(v)  # the maximum over δ sits at a corner of the cube as well
    table = v.T if corners else v
    if len(table) <= _ENUMERATED:
        most = max(
            float(torch.linalg.vector_norm(block @ table, ord=_DUAL[norm], dim=1).max())
            for block in _sign_blocks(len(table))
        )
        return SignedSum(bound=rounding * most, exact=True, method="enumeration")
    dual = semidefinite_bound(v, norm)
    lengths = float(torch.linalg.vector_norm(v, ord=_DUAL[norm], dim=1).sum())
    return SignedSum(bound=rounding * min(dual, simple, lengths), exact=False, method="semidefinite dual")


def semidefinite_bound(vectors: Tensor, norm: str) -> float:
    r"""Dual of the semidefinite relaxation, sound whatever the multipliers.

    With :math:`C = VV^T` (L2) or :math:`C = \tfrac12\bigl(\begin{smallmatrix}0&V\\V^T&0\end{smallmatrix}\bigr)` (L∞,
    signs of the vectors and of δ together) the squared maximum, or the maximum, is :math:`\max_s s^TCs` over signs, and
    for any positive y

    .. math:: s^T C s \le \lambda_{\max}\bigl(Y^{-1/2} C\, Y^{-1/2}\bigr) \sum_i y_i, \qquad Y = \mathrm{diag}(y).

    The multipliers come from coordinate ascent on the relaxation (Wang, Chang and Kolter, arXiv:1706.00476).

    Args:
        vectors: `(n, features)` float64.
        norm: `"linf"` or `"l2"`.
    """
    n, d = vectors.shape
    if norm == "l2":
        c = vectors @ vectors.T
    else:
        c = vectors.new_zeros(n + d, n + d)
        c[:n, n:], c[n:, :n] = vectors / 2, vectors.T / 2
    c = c[c.abs().sum(dim=1) > 0][:, c.abs().sum(dim=0) > 0]
    if not len(c):
        return 0.0
    y = _multipliers(c)
    scaled = c / (y[:, None] * y).sqrt()
    # 8 (size + 8) units cover the backward error of LAPACK, as in `nearest_on_cone`, and the rounding of the sum.
    largest = float(torch.linalg.eigvalsh(scaled)[-1]) + 8 * (len(c) + 8) * _EPS * float(scaled.abs().sum(dim=1).max())
    value = max(0.0, largest) * float(y.sum()) * (1 + 8 * (len(c) + d + 8) * _EPS)
    return value**0.5 * (1 + 2 * _EPS) if norm == "l2" else value


def signed_sums(vectors: Tensor, norm: str) -> Tensor:
    """Exact maxima `(batch,)` for a batch of few vectors `(batch, n, features)`, n at most 12.

    Example:
        >>> round(signed_sums(torch.tensor([[[1.0, 1.0], [1.0, -1.0]]]).double(), "l2").item(), 9)
        2.0
    """
    batch, n, d = vectors.shape
    rounding = 1 + 8 * (n + d + 8) * _EPS
    if norm == "l1":
        return rounding * vectors.abs().sum(dim=1).amax(dim=1)
    best = vectors.new_zeros(batch)
    for block in _sign_blocks(n):
        for signs in block.split(64):
            sums = torch.einsum("sn,bnd->bsd", signs, vectors)
            best = torch.maximum(best, torch.linalg.vector_norm(sums, ord=_DUAL[norm], dim=2).amax(dim=1))
    return rounding * best


def merged(vectors: Tensor) -> Tensor:
    """One vector `(n', features)` for each set of parallel ones, as long as all of them together; none are zero."""
    lengths = torch.linalg.vector_norm(vectors, dim=1)
    v, lengths = vectors[lengths > 0], lengths[lengths > 0]
    if not len(v):
        return v
    unit = v / lengths[:, None]
    kept: list[int] = []
    owner = torch.zeros(len(v), dtype=torch.int64)
    for row in range(len(v)):
        signs = torch.sgn(unit[kept] @ unit[row])
        gaps = torch.linalg.vector_norm(unit[kept] - signs[:, None] * unit[row], dim=1)
        near = (gaps <= _PARALLEL).nonzero()[:, 0]
        if not len(near):
            kept.append(row)
        owner[row] = kept[int(near[0])] if len(near) else row
    total = torch.zeros(len(v), dtype=torch.float64).index_add(0, owner, lengths)
    return (unit * total[:, None])[kept]


def _multipliers(c: Tensor) -> Tensor:
    """Near-optimal positive multipliers of `max ⟨C, X⟩, X_ii = 1, X ⪰ 0`."""
    size = len(c)
    rank = min(size, int((2 * size) ** 0.5) + 2)
    u = torch.randn(size, rank, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    u = u / torch.linalg.vector_norm(u, dim=1, keepdim=True)
    free = c - torch.diag(c.diagonal())
    for _ in range(_SWEEPS):
        for i in range(size):
            pull = free[i] @ u
            length = torch.linalg.vector_norm(pull)
            if length > 0:
                u[i] = pull / length
    y = torch.linalg.vector_norm(free @ u, dim=1) + c.diagonal()
    return y.clamp(min=1e-9 * float(y.max()))


def _sign_blocks(n: int):
    """All sign vectors up to a common sign, as blocks `(rows, n)`."""
    total = 2 ** (n - 1)
    bits = torch.arange(n)
    for first in range(0, total, _BLOCK):
        numbers = torch.arange(first, min(first + _BLOCK, total))
        yield 1.0 - 2.0 * ((numbers[:, None] >> bits) & 1).to(torch.float64)
