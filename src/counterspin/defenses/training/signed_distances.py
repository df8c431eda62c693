r"""Signed distances of samples to the boundaries of a quadratic classifier, with the points where they end.

For a sample of class `y` and a rival `j`, :math:`\rho_{yj}` is the distance to the nearest point with :math:`m_{yj} \le
0` where the sample wins, and minus the distance to the nearest point with :math:`m_{yj} \ge 0` where it loses: one
continuous function across the boundary. The smallest over the rivals is the exact robust radius of a sample that is
classified correctly, and an upper bound on minus the distance to its own class of one that is not. By the envelope
theorem a change of the model moves it as it moves the margin at the end point z,

.. math:: d\rho_{yj} = \frac{d m_{yj}(z)}{\|\nabla m_{yj}(z)\|}.

(As :math:`\partial r^2/\partial A = \lambda z z^T` where :math:`r = \lambda\|Az\|`; in the hard case of the secular
equation it is one subgradient. For networks, to first order: arXiv:1812.02637.)
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.defenses.training.pair_forms import PairSpectra
from counterspin.optimum.affine_secular import affine_root, affine_step

__all__ = ["BoundaryPoints", "SignedDistances", "signed_distances"]

# Of the sum of absolute terms: how far off the boundary a point may be found to be.
_OFF = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class BoundaryPoints:
    """Where some distances end.

    Args:
        points: `(rows, features)` float64.
        slopes: length of the margin's gradient there `(rows,)`.
    """

    points: Tensor
    slopes: Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class SignedDistances:
    """Distances of samples to the boundary of each class pair, a row for each sample and rival.

    Args:
        values: signed distances `(batch, classes)` float64 in feature units; infinite at the own class, plus or minus
            infinity where the two classes never tie.
        samples: the samples they belong to `(batch, features)`.
        spectra: of the class pairs.
        pair: place of the pair of each sample and class `(batch, classes)`; -1 at the own class.
        steps: to the boundary in the eigenbases `(batch * (classes - 1), r)`.
        rises: half the gradients of the quadratics there, likewise.
        row: place of each sample and class in `steps` and `rises` `(batch, classes)`; -1 at the own class.
    """

    values: Tensor
    samples: Tensor
    spectra: PairSpectra
    pair: Tensor
    steps: Tensor
    rises: Tensor
    row: Tensor

    def ends(self, sample: Tensor, rival: Tensor) -> BoundaryPoints:
        """Where the distances of some samples `(rows,)` over some rivals `(rows,)` end; they must be finite."""
        row, pair = self.row[sample, rival], self.pair[sample, rival]
        points = self.samples[sample]
        # Pair by pair: the eigenvectors gathered for every row would be as many times larger.
        for each in pair.unique().tolist():
            chosen = (pair == each).nonzero()[:, 0]
            points[chosen] += self.steps[row[chosen]] @ self.spectra.vectors[each].T
        size = self.spectra.encoded(points).square().sum(dim=1)
        return BoundaryPoints(points=points, slopes=2 * self.rises[row].norm(dim=1) / size)


@torch.no_grad()
def signed_distances(spectra: PairSpectra, x: Tensor, y: Tensor) -> SignedDistances:
    """Distances of `x` `(batch, features)` float64 of classes `y` `(batch,)`, no sample encoded as zero.

    Args:
        spectra: of every pair with a class of `y` in it.
        x: samples.
        y: their labels.

    Example:
        >>> forms = torch.diag_embed(torch.tensor([[1.0, 0.0], [0.0, 1.0]])).double()
        >>> spectra = PairSpectra.of_forms(forms, torch.tensor([[0, 1]]))
        >>> found = signed_distances(spectra, torch.tensor([[2.0, 0.0], [0.0, 1.0]]).double(), torch.tensor([0, 0]))
        >>> found.values[:, 1].round(decimals=6).tolist()
        [1.414214, -0.707107]
    """
    classes = int(spectra.pairs.max()) + 1
    places = torch.full((classes, classes), -1)
    first, second = spectra.pairs.T
    places[first, second] = places[second, first] = torch.arange(len(spectra.pairs))
    pair = places[y]
    sample, rival = (pair >= 0).nonzero(as_tuple=True)
    at = pair[sample, rival]
    row = torch.full_like(pair, -1)
    row[sample, rival] = torch.arange(len(sample))

    # In units in which the largest eigenvalue of each pair is 1.
    unit = spectra.eigenvalues.abs().amax(dim=1).clamp(min=torch.finfo(x.dtype).tiny)
    curvature = (spectra.eigenvalues / unit[:, None])[at]
    linear, constant = (spectra.linear / unit[:, None])[at], (spectra.constant / unit)[at]
    seen = (x @ spectra.vectors)[at, sample]
    slope = curvature * seen + linear
    value = ((slope + linear) * seen).sum(dim=1) + constant
    sign = torch.where(value > 0, 1.0, -1.0).to(x)
    curvature, slope, value = sign[:, None] * curvature, sign[:, None] * slope, sign * value
    away = torch.where(y[sample] < rival, sign, -sign)

    steps, rises, found = _steps(value, slope, curvature)
    values = x.new_full((len(x), classes), torch.inf)
    values[sample, rival] = away * torch.where(found, steps.norm(dim=1), torch.inf)
    return SignedDistances(
        values=values,
        samples=x,
        spectra=spectra,
        pair=pair,
        steps=steps,
        rises=rises * unit[at][:, None],
        row=row,
    )


def _steps(value: Tensor, slope: Tensor, curvature: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Steps `(rows, r)` to the boundary in the eigenbases, half the gradients there, and whether it was reached."""
    lowest, place = curvature.min(dim=1, keepdim=True)
    gaps, pole = curvature - lowest.clamp(max=0), (-lowest[:, 0]).clamp(min=0)
    root = affine_root(value, slope.square(), gaps, pole)
    step = affine_step(slope, gaps, root.s)
    rise = slope + curvature * step
    left = value + ((slope + rise) * step).sum(dim=1)
    # Hard case: along the lowest eigenvector, the smallest |t| with a t² + 2 b t + left = 0 for a < 0 < left.
    a, b = lowest[:, 0], rise.gather(1, place)[:, 0]
    t = left / (b.abs() + (b.square() - a * left).clamp(min=0).sqrt()).clamp(min=1e-300)
    t = torch.where((left > 0) & (a < 0), torch.where(b > 0, -t, t), 0.0)
    step = step.scatter_add(1, place, t[:, None])
    rise = slope + curvature * step
    left = value + ((slope + rise) * step).sum(dim=1)
    terms = value.abs() + ((slope.abs() + rise.abs()) * step.abs()).sum(dim=1)
    # A definite form has its only zero at the zero vector, which is no input; the gradient vanishes there too.
    regular = rise.norm(dim=1) > _OFF * (slope.norm(dim=1) + (curvature * step).norm(dim=1))
    return step, rise, (left.abs() <= _OFF * terms) & regular
