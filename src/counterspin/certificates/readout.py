r"""Tampering with the readout: how much of it a decision survives, exactly, with the worst case as witness.

Two attackers, both measured in total variation, :math:`\tfrac12\|p - p'\|_1`:

* the *observed distribution* moves by at most `t`: the decision stands iff :math:`p_A - p_B > 2t`;
* every *column of the confusion matrix* moves by at most `t`. Around the identity, with `p` the probabilities before
  any readout error, the decision stands iff :math:`p_A - p_B > t / (1 - t)`. Around a calibrated matrix `C` that rule
  is unsound: the worst column solves a linear programme for every rival `j`,

  .. math:: \min_{c'} c'_A - c'_j \quad \text{s.t. } c' \ge 0,\ \textstyle\sum c' = 1,\ \tfrac12\|c' - c\|_1 \le t,

  whose value is :math:`\max(c_A - t, 0) - \min(c_j + t, 1)`: all mass goes to `j`, first from `A`, then from the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.certificates.assumptions import Assumptions
from counterspin.errors import InputError

__all__ = ["ReadoutRadii", "confusion_radius", "total_variation_radius", "worst_distribution"]

_EPS = torch.finfo(torch.float64).eps
_NORMALISED = 1e-6


@dataclass(frozen=True, kw_only=True)
class ReadoutRadii:
    """Strengths of tampering that each decision just survives.

    Args:
        radius: total variation `t` `(batch,)` per column below which the decision stands; 0 where it does not stand.
        rival: class `(batch,)` that overtakes first.
        matrices: confusion matrices `(batch, outcomes, outcomes)` within `radius` of the nominal one, column by column,
            under which label and rival tie (to rounding); the nominal one where the radius is 0.
        assumptions: what the radii rest on.
    """

    radius: Tensor
    rival: Tensor
    matrices: Tensor
    assumptions: Assumptions


def total_variation_radius(probabilities: Tensor, y: Tensor) -> Tensor:
    r"""Total variation `(batch,)` by which the observed distribution may move, :math:`(p_A - p_B)/2`.

    Sound for any tampering with the readout, and attained by `worst_distribution`.

    Args:
        probabilities: class probabilities `(batch, classes)` as observed; they may sum to less than 1.
        y: the decisions `(batch,)`.

    Raises:
        InputError: values that are no probabilities, or labels out of range.

    Example:
        >>> round(total_variation_radius(torch.tensor([[0.7, 0.2, 0.1]]), torch.tensor([0])).item(), 6)
        0.25
    """
    p = _checked(probabilities, y, whole=False)
    own = y[:, None]
    margin = p.gather(1, own)[:, 0] - p.scatter(1, own, -torch.inf).amax(dim=1)
    return (margin / 2 - _EPS).clamp(min=0)


def worst_distribution(probabilities: Tensor, y: Tensor, t: Tensor) -> Tensor:
    """The distribution `(batch, classes)` within total variation `t` `(batch,)` that is worst for the decisions `y`.

    Arguments and errors are those of `total_variation_radius`.
    """
    p = _checked(probabilities, y, whole=False)
    own = y[:, None]
    rival = p.scatter(1, own, -torch.inf).argmax(dim=1, keepdim=True)
    moved = torch.minimum(t.to(p)[:, None], p.gather(1, own))
    return p.scatter_add(1, own, -moved).scatter_add(1, rival, moved)


def confusion_radius(
    probabilities: Tensor,
    y: Tensor,
    *,
    nominal: Tensor | None = None,
    groups: tuple[tuple[int, ...], ...] | None = None,
) -> ReadoutRadii:
    r"""How far every column of the confusion matrix may move before the decision changes; exact.

    With :math:`v_o` the values of the linear programmes, the decision stands iff :math:`\sum_o p_o v_o(t) > 0` for
    every rival, a convex falling function of `t` whose root Newton's method reaches from below. Around the identity it
    is :math:`t = m/(1 + m)`, :math:`m = p_A - p_B`.

    Args:
        probabilities: of the true outcomes, before readout errors, `(batch, outcomes)`; rows sum to 1.
        y: the decisions `(batch,)`.
        nominal: calibrated confusion matrix `(outcomes, outcomes)`, `[read, true]`, columns summing to 1; None: the
            identity.
        groups: the outcomes (bit-strings) that count for each class; outcomes may be left out. None: outcomes are
            classes, and an attacker confuses classes, not bits.

    Raises:
        InputError: rows or columns that are no distributions, labels or outcomes out of range.

    Example:
        >>> radii = confusion_radius(torch.tensor([[0.8, 0.2]]), torch.tensor([0]))
        >>> round(radii.radius.item(), 6)
        0.375
    """
    outcomes = probabilities.shape[-1]
    members = _members(groups, outcomes)
    if groups is not None and bool(((y < 0) | (y >= len(groups))).any()):
        raise InputError(f"y holds labels {int(y.min())} to {int(y.max())}; there are {len(groups)} groups.")
    p = _checked(probabilities, y if groups is None else torch.zeros_like(y), whole=True)
    matrix = torch.eye(outcomes, dtype=torch.float64) if nominal is None else _confusion(nominal, outcomes)
    shares = members @ matrix
    radii = torch.stack([_survived(p, shares[y], shares[j].expand(len(p), -1)) for j in range(len(members))], dim=1)
    radii = radii.scatter(1, y[:, None], torch.inf)
    radius, rival = radii.min(dim=1)
    columns = "classes" if groups is None else "bit-strings"
    around = "around the identity" if nominal is None else "around the nominal matrix"
    return ReadoutRadii(
        radius=radius,
        rival=rival,
        matrices=torch.stack(
            [_worst(matrix, members[a], members[b], t) for a, b, t in zip(y, rival, radius, strict=True)]
        ),
        assumptions=Assumptions(
            model="scores",
            noise="any",
            adversary="readout",
            notes=(f"every column of the confusion matrix of {columns}, {around}, moves by at most the radius",),
        ),
    )


def _survived(p: Tensor, own: Tensor, other: Tensor) -> Tensor:
    """Root `(batch,)` of the worst margin, from below; `own`, `other` `(batch, outcomes)` are shares of the columns."""
    t = torch.zeros(len(p), dtype=torch.float64)
    # The margin is linear between 2·outcomes breakpoints, and no Newton step passes the root.
    for _ in range(2 * p.shape[1] + 1):
        at = t[:, None]
        margin = (p * ((own - at).clamp(min=0) - (other + at).clamp(max=1))).sum(dim=1)
        fall = (p * ((own > at).double() + (other + at < 1).double())).sum(dim=1)
        # Where the margin is not negative at least half of the mass still moves, so the fall is no small number.
        step = torch.where(margin > 0, margin / fall.clamp(min=0.25), 0.0)
        t = t + step
        if float(step.max()) <= _EPS:
            break
    return (t - 8 * (p.shape[1] + 16) * _EPS).clamp(min=0)


def _worst(matrix: Tensor, own: Tensor, other: Tensor, t: Tensor) -> Tensor:
    """The matrix `(outcomes, outcomes)` that moves `t` of each column to the first outcome of the rival."""
    from_own = torch.minimum(t, own @ matrix)
    rest = (1 - own - other).clamp(min=0)
    from_rest = torch.minimum(t - from_own, rest @ matrix)
    kept = matrix * (1 - own[:, None] * from_own / (own @ matrix).clamp(min=_EPS))
    kept = kept * (1 - rest[:, None] * from_rest / (rest @ matrix).clamp(min=_EPS))
    kept[int(other.argmax())] += from_own + from_rest
    return kept


def _members(groups: tuple[tuple[int, ...], ...] | None, outcomes: int) -> Tensor:
    """Which outcomes count for which class, `(classes, outcomes)`."""
    if groups is None:
        return torch.eye(outcomes, dtype=torch.float64)
    named = [outcome for group in groups for outcome in group]
    if len(groups) < 2 or not all(groups) or len(set(named)) != len(named) or not set(named) <= set(range(outcomes)):
        raise InputError(
            f"groups are {groups}; give at least two disjoint groups of outcomes from 0 to {outcomes - 1}, none empty."
        )
    members = torch.zeros(len(groups), outcomes, dtype=torch.float64)
    for row, group in enumerate(groups):
        members[row, list(group)] = 1.0
    return members


def _checked(probabilities: Tensor, y: Tensor, *, whole: bool) -> Tensor:
    p = probabilities.detach().cpu().double()
    if p.ndim != 2 or p.shape[1] < 2 or y.shape != p.shape[:1] or bool(((y < 0) | (y >= p.shape[1])).any()):
        raise InputError(
            f"probabilities have shape {tuple(p.shape)} and y {tuple(y.shape)}; give (batch, outcomes) with at least "
            "two outcomes and one label per row within them."
        )
    total = p.sum(dim=1)
    valid = bool((torch.isfinite(p) & (p >= -_NORMALISED)).all()) and bool((total <= 1 + _NORMALISED).all())
    if not valid or (whole and bool((total < 1 - _NORMALISED).any())):
        raise InputError(
            f"probabilities must not be negative and sum to {'1' if whole else 'at most 1'} in every row; where "
            "outcomes count for no class, give the probabilities of all outcomes and groups."
        )
    p = p.clamp(min=0)
    return p / p.sum(dim=1, keepdim=True) if whole else p


def _confusion(nominal: Tensor, outcomes: int) -> Tensor:
    matrix = nominal.detach().cpu().double()
    right = matrix.shape == (outcomes, outcomes) and bool((matrix >= 0).all())
    if not right or float((matrix.sum(dim=0) - 1).abs().max()) > _NORMALISED:
        raise InputError(
            f"nominal has shape {tuple(matrix.shape)}; give an ({outcomes}, {outcomes}) matrix [read, true] of numbers "
            "from 0 whose columns sum to 1."
        )
    return matrix / matrix.sum(dim=0)
