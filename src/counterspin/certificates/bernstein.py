"""Gradient-aware certificate of band-limited scores, to our knowledge new."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from counterspin.certificates.base import Assumptions, Certificate, Radii, Task
from counterspin.certificates.margins import (
    ScoreObservables,
    margin_gradients,
    noise_assumed,
    observables_behind_data,
    rivals,
)
from counterspin.certificates.rounding import rounding_of
from counterspin.certificates.slopes import EncodingGates, feature_gates, finished
from counterspin.optimum.signed_sums import signed_sum_bound
from counterspin.threats import ThreatModel

__all__ = ["BernsteinCertificate", "bernstein_radius", "margin_radii"]

_EPS = torch.finfo(torch.float64).eps
_DUAL = {"linf": 1.0, "l2": 2.0, "l1": torch.inf}


def bernstein_radius(h0: Tensor, gradient_norm: Tensor, bandwidth: Tensor, threshold: Tensor) -> Tensor:
    r"""How far a band-limited score stays above a threshold, from its value and slope at one point.

    Along every unit direction h is real, at most 1 in absolute value and band-limited to Ω. So is :math:`h'/\Omega`
    (Bernstein), whose own slope the inequality of Bernstein and Szegő bounds, :math:`(h''/\Omega)^2 + h'^2 \le
    \Omega^2`. Integrated, with :math:`\sin p = g / \Omega`,

    .. math:: h(t) \ge h_0 - \cos p + \cos(p + \Omega t) \qquad (p + \Omega t \le \pi / 2),

    and from any point on, the same inequality for h itself gives :math:`\arccos h(t + s) \le \arccos h(t) + \Omega s`.
    The second rule is the better one once h has come below :math:`-c/2`, :math:`c = \cos p - h_0`; with it the bound
    never falls below that of the value alone. To our knowledge this certificate is new.

    All arguments broadcast; bounds may stand in for measured values.

    Args:
        h0: the score, or a lower bound on it.
        gradient_norm: largest slope of h over the unit directions, or an upper bound.
        bandwidth: Ω, or an upper bound; where 0 the score cannot move.
        threshold: what h must stay above, in the units of h.

    Returns:
        Distances; 0 where `h0 <= threshold`, infinite where the threshold is below -1.

    Example:
        >>> h0, g, omega, tau = torch.tensor([0.6, 0.8, 1.0, 0.0]).double()
        >>> round(bernstein_radius(h0, g, omega, tau).item(), 6)
        0.643501
    """
    h0, slope, omega, tau = torch.broadcast_tensors(h0, gradient_norm, bandwidth, threshold)
    sine = (slope / omega.clamp(min=torch.finfo(torch.float64).tiny)).clamp(0, 1)
    p = sine.asin()
    # Arguments of arc cosines are taken some roundings to the side that shortens the result.
    c = (((1 - sine) * (1 + sine)).sqrt() - h0 + 4 * _EPS).clamp(0, 2)
    first = (tau + c + 4 * _EPS).clamp(-1, 1).acos() - p
    turn = (c / 2 + 4 * _EPS).clamp(max=1).acos()
    # Where the slope already exceeds what |h| allows (measured bounds), only the second rule is used.
    start = torch.where(c > 8 * _EPS, turn - p, 0.0)
    here = torch.where(c > 8 * _EPS, torch.pi - turn, (h0 - 4 * _EPS).clamp(-1, 1).acos())
    second = start + (tau + 4 * _EPS).clamp(-1, 1).acos() - here
    phase = torch.where((tau >= -c / 2) & (c > 8 * _EPS), first, second) - 16 * _EPS
    reach = torch.where(omega > 0, phase.clamp(min=0) / omega, torch.inf)
    return torch.where(h0 <= tau, 0.0, torch.where(tau < -1, torch.inf, reach))


@dataclass(frozen=True, kw_only=True)
class BernsteinCertificate(Certificate):
    r"""`bernstein_radius` of the margin over each rival, from one gradient per rival.

    The margin :math:`f = \langle M_y - M_j \rangle` with extreme eigenvalues a and b becomes :math:`h = (2f - a - b) /
    (b - a)` with threshold :math:`\tau = -(a + b) / (b - a)`. Every :math:`e^{-i(w_g\cdot x + \theta_g)H_g}` adds
    :math:`|w_g\cdot u|\,\mathrm{spread}(H_g)` to the band along u; the largest sum over the unit ball is Ω, the dual
    norm of :math:`\nabla h` is g. It holds for any re-uploading and whatever channels act between the gates, and is to
    our knowledge new.

    Example:
        >>> from counterspin.circuits import OutcomeGroups, angle_encoding
        >>> from counterspin.models import QuantumClassifier
        >>> from counterspin.threats import Linf
        >>> from counterspin.types import Box
        >>> bit = OutcomeGroups((0,), ((0,), (1,)))
        >>> model = QuantumClassifier(angle_encoding(1, axis="x"), bit, Box.uniform(0, 3.14, features=1))
        >>> round(BernsteinCertificate()(model, [[0.5]], [0], Linf(0.1)).radius_lower.item(), 6)
        1.070796
    """

    name: ClassVar[str] = "bernstein"
    requires: ClassVar[tuple[str, ...]] = ("gradient",)

    def _prepare(self, model: Any, threat: ThreatModel) -> tuple[EncodingGates, ScoreObservables, float]:
        gates = feature_gates(model, threat)
        return gates, observables_behind_data(model, gates.last), signed_sum_bound(2 * gates.turning, threat.norm).bound

    def _radii(self, model: Any, prepared: tuple[EncodingGates, ScoreObservables, float], task: Task) -> Radii:
        gates, observables, band = prepared
        found = margin_gradients(model, task.x, task.y)
        moves = task.threat.constraints.movable(task.x.shape[1])
        slopes = torch.linalg.vector_norm(found.gradients * moves, ord=_DUAL[task.threat.norm], dim=2)
        low, high = (bound[task.y] for bound in observables.extremes)
        error = rounding_of(model, task.x)
        radius = margin_radii(found.values, slopes, torch.tensor(band).double(), low, high, error=error)
        counted = rivals(task.y, task.target, found.values.shape[1])
        return finished(
            radius.masked_fill(~counted, torch.inf).amin(dim=1),
            gates,
            task,
            Assumptions(noise=noise_assumed(model, otherwise="any")),
        )


def margin_radii(
    margin: Tensor, slopes: Tensor, band: Tensor, low: Tensor, high: Tensor, *, error: float | Tensor
) -> Tensor:
    """`bernstein_radius` of margins in their own units.

    Args:
        margin: `(batch, classes)`.
        slopes: dual norm of their gradients `(batch, classes)`.
        band: Ω, `()` or broadcastable.
        low: lower bounds on the lowest eigenvalues of the margin observables `(batch, classes)`.
        high: upper bounds on the highest.
        error: relative error of simulated values and gradients, broadcastable.
    """
    half = ((high - low) / 2).clamp(min=torch.finfo(torch.float64).tiny)
    threshold = -(high + low) / 2 / half
    size = torch.maximum(low.abs(), high.abs()) / half
    return torch.where(
        low > 0,
        torch.inf,
        bernstein_radius(
            threshold + margin / half - error * size,
            slopes / half * (1 + error) + error * band,
            band * (1 + error),
            threshold,
        ),
    )
