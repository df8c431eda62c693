r"""One gate angle at a time, exactly.

Along one angle every score is :math:`a + b\cos\theta + c\sin\theta` (for controlled rotations with the frequencies ½
and 1), so that three (five) queries give it everywhere (arXiv:1905.09692): any number of values is tried for free,
large ones as well as small ones.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from counterspin.attacks.quantum.parameters.aims import Aim
from counterspin.attacks.quantum.parameters.ascent import Found
from counterspin.attacks.quantum.parameters.gate_errors import GateErrors
from counterspin.optimum.trigonometric import basis, fit

__all__ = ["along", "best_values", "polish"]

_VALUES = 41
# Numbers in the scores of one scan.
_LARGEST = 4_000_000


def along(site: GateErrors, errors: Tensor, columns: Tensor, rows: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The scores as trigonometric polynomials of one error each, the others as they are.

    Args:
        site: the circuit.
        errors: `(angles,)`.
        columns: which errors move `(columns,)`, all of the same frequencies.
        rows: which samples; None: all.

    Returns:
        frequencies `(R,)`, and coefficients `(2R + 1, columns, rows, classes)` in the order of `basis`.
    """
    frequencies = site.frequencies[int(columns[0])]
    # Multiples of the smallest one without gaps, so equal steps over one period determine the rest.
    unknowns = 2 * len(frequencies) + 1
    nodes = torch.arange(unknowns, dtype=torch.float64) * (2 * math.pi / (unknowns * frequencies[0]))
    tried = errors.repeat(len(nodes), len(columns), 1)
    tried[:, torch.arange(len(columns)), columns] = nodes[:, None].expand(-1, len(columns))
    found = site.shared(tried.flatten(0, 1), rows)
    omega = torch.tensor(frequencies, dtype=torch.float64)
    return omega, fit(basis(omega, nodes), found.reshape(len(nodes), len(columns), *found.shape[1:]))


def best_values(
    site: GateErrors, aim: Aim, errors: Tensor, columns: Tensor, values: Tensor, rows: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The best value of each of several errors, each moved alone.

    Args:
        site: the circuit.
        aim: what is best.
        errors: `(angles,)`.
        columns: which errors `(columns,)`.
        values: tried for each `(columns, values)`.
        rows: which samples; None: all.

    Returns:
        ranks and values, both `(columns,)`.
    """
    ranks = torch.full((len(columns),), -torch.inf, dtype=torch.float64)
    chosen = torch.zeros_like(ranks)
    samples = len(site.inputs) if rows is None else len(rows)
    size = max(1, _LARGEST // (values.shape[1] * samples * aim.situation.scores.shape[1]))
    kinds = torch.tensor([len(site.frequencies[int(column)]) for column in columns])
    for kind in kinds.unique().tolist():
        for places in (kinds == kind).nonzero()[:, 0].split(size):
            omega, terms = along(site, errors, columns[places], rows)
            found = torch.einsum("cvt,tcrk->cvrk", basis(omega, values[places]), terms)
            rank = aim.rank(found.flatten(0, 1), rows).reshape(len(places), -1)
            ranks[places], best = rank.max(dim=1)
            chosen[places] = values[places].gather(1, best[:, None])[:, 0]
    return ranks, chosen


def polish(site: GateErrors, aim: Aim, best: Found, columns: Tensor, *, radius: float, norm: str) -> Found:
    """The errors after each of `columns` in turn has been given its best value in the ball."""
    for column in columns[:, None]:
        rest = best.point.clone()
        rest[column] = 0.0
        room = radius if norm == "linf" else max(0.0, radius**2 - float(rest.square().sum())) ** 0.5 * (1 - 1e-12)
        values = torch.linspace(-room, room, _VALUES, dtype=torch.float64)[None]
        ranks, chosen = best_values(site, aim, rest, column, values)
        if float(ranks) > best.rank:
            rest[column] = chosen
            best = Found(point=rest, rank=float(ranks))
    return best
