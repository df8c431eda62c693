r"""How far gate angles may be off, from values and slopes of the scores at the angles as they are.

A score is band-limited in the errors of the gate angles: along a direction u of errors with
:math:`\Omega = \sum_j |u_j|\,\mathrm{spread}(H_j)`. So the bound of `bernstein_radius`, made for features, holds for
errors as well, and one gradient per rival gives it. It uses that the margin starts with a small slope, which the
largest turning of the state does not know of; where the state has most of its way before it in other directions, the
turning says more. To our knowledge new for gate errors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from counterspin.attacks.quantum.parameters.gate_errors import gate_errors
from counterspin.certificates.bernstein import margin_radii
from counterspin.certificates.margins import score_observables
from counterspin.certificates.rounding import rounding_of

__all__ = ["MarginSlopes", "margin_slopes"]


@dataclass(frozen=True, kw_only=True, eq=False)
class MarginSlopes:
    """Margins over each rival, and how they depend on the errors of the gate angles.

    Args:
        margin: `(batch, classes)`.
        slope: their gradients `(batch, classes, angles)`.
        spreads: of the generators of the angles `(angles,)`.
        low: lower bounds on the lowest eigenvalues of the margin observables `(batch, classes)`.
        high: upper bounds on the highest.
        error: relative error of simulated values and gradients `(batch, 1)`.
        y: labels `(batch,)`.
    """

    margin: Tensor
    slope: Tensor
    spreads: Tensor
    low: Tensor
    high: Tensor
    error: Tensor
    y: Tensor

    def radius(self, norm: str, scale: Tensor | None = None) -> Tensor:
        """Norm of the errors below which no decision changes, `(batch,)`; 0 for misclassified samples.

        Args:
            norm: `"linf"` or `"l2"`.
            scale: errors are these sizes times what the norm is taken of `(batch, angles)`; None: 1.
        """
        scale = torch.ones_like(self.slope[:, 0]) if scale is None else scale.abs()
        order = 1.0 if norm == "linf" else 2.0
        slope = torch.linalg.vector_norm(self.slope * scale[:, None], ord=order, dim=2)
        band = torch.linalg.vector_norm(self.spreads * scale, ord=order, dim=1)
        return self._radius(slope, band)

    def radius_of_gates(self, counts: tuple[int, ...], gate: Tensor) -> Tensor:
        """Largest error `(counts, batch)` that the angles of so many gates may have before a decision changes.

        Args:
            counts: how many gates are wrong.
            gate: index of the gate of each angle `(angles,)`.
        """
        _, index = gate.unique(return_inverse=True)
        gates = int(index.max()) + 1
        slopes = self.slope.new_zeros(*self.margin.shape, gates).index_add(2, index, self.slope.abs())
        bands = self.spreads.new_zeros(gates).index_add(0, index, self.spreads)
        # The steepest gates need not be the widest: both at once is on the safe side.
        return torch.stack(
            [
                self._radius(slopes.topk(count, dim=2).values.sum(dim=2), bands.topk(count).values.sum()[None])
                for count in counts
            ]
        )

    def _radius(self, slope: Tensor, band: Tensor) -> Tensor:
        found = margin_radii(self.margin, slope, band[:, None], self.low, self.high, error=self.error)
        own = torch.arange(self.margin.shape[1]) == self.y[:, None]
        return found.masked_fill(own, math.inf).amin(dim=1)


def margin_slopes(model: Any, x: Tensor, y: Tensor, spreads: Tensor) -> MarginSlopes:
    """Margins of samples and their gradients in the errors of the gate angles.

    Args:
        model: ends in one circuit of at most 10 qubits.
        x: features float64 `(batch, features)`.
        y: labels `(batch,)`.
        spreads: of the generators of the angles `(angles,)`.
    """
    site = gate_errors(model, x, model(x).detach())
    with torch.enable_grad():
        errors = torch.zeros(len(x), site.angles, dtype=torch.float64, requires_grad=True)
        scores = site.scores(errors)
        margin = scores.gather(1, y[:, None]) - scores
        slopes = [torch.autograd.grad(one.sum(), errors, retain_graph=True)[0] for one in margin.unbind(dim=1)]
    low, high = (bound[y] for bound in score_observables(model).extremes)
    return MarginSlopes(
        margin=margin.detach(),
        slope=torch.stack(slopes, dim=1),
        spreads=spreads,
        low=low,
        high=high,
        error=rounding_of(model, x),
        y=y,
    )
