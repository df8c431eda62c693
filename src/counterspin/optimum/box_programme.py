r"""Convex quadratic programmes over boxes: many of them, their values, and bounds that hold wherever one stands.

Each row minimises :math:`q(z) = z^T H z + c^T z` over :math:`l \le z \le u`. An iterate over-states the minimum, so
what counts is the bound that holds from *every* point (convexity with modulus :math:`\sigma \le \lambda_{\min}(H)`):

.. math:: \min_{l \le v \le u} q(v) \ge q(z) + \sum_i \min_{l_i \le v_i \le u_i}
          \bigl[\partial_i q(z)\,(v_i - z_i) + \sigma\,(v_i - z_i)^2\bigr],

a closed form whose distance from the truth is quadratic in the residual where :math:`\sigma > 0`.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["BoxProgramme", "lower_bound", "optimality_gap"]

_EPS = torch.finfo(torch.float64).eps


@dataclass(frozen=True, kw_only=True, eq=False)
class BoxProgramme:
    r"""The programmes :math:`\min\, z^T H_r z + c_r^T z` over boxes, with :math:`H_r = s_r A + \mathrm{diag}(t_r)`.

    Args:
        form: symmetric `A` `(d, d)` float64, shared by all rows.
        spectrum: lowest and highest eigenvalue of `A`, outer bounds; only the lowest bears on soundness.
        linear: `c` `(rows, d)`.
        low: lower bounds `(rows, d)`, minus infinity where there is none.
        high: upper bounds `(rows, d)`.
        scale: `s >= 0` `(rows,)`; None: 1.
        diagonal: `t` `(rows, d)`; None: 0.
        curvature: proved lower bound `(rows,)` on the lowest eigenvalue of `H_r`; None: `s_r` times the lowest of `A`
            plus the least of `t_r`.
        doubt: how far each entry of `linear` may be from the number it stands for `(rows, d)`; None: exact.
    """

    form: Tensor
    spectrum: tuple[float, float]
    linear: Tensor
    low: Tensor
    high: Tensor
    scale: Tensor | None = None
    diagonal: Tensor | None = None
    curvature: Tensor | None = None
    doubt: Tensor | None = None

    @classmethod
    def of(cls, form: Tensor, linear: Tensor, low: Tensor, high: Tensor) -> "BoxProgramme":
        """Programmes with `H = form`, its spectrum computed here and widened by the rounding of LAPACK."""
        values = torch.linalg.eigvalsh(form)
        slack = 8 * (len(values) + 8) * _EPS * float(values.abs().max())
        spectrum = (float(values[0]) - slack, float(values[-1]) + slack)
        return cls(form=form, spectrum=spectrum, linear=linear, low=low, high=high)

    def take(self, rows: Tensor) -> "BoxProgramme":
        """The programmes of the rows `(n,)`."""
        scale, diagonal, curvature, doubt = (
            None if value is None else value[rows] for value in (self.scale, self.diagonal, self.curvature, self.doubt)
        )
        return BoxProgramme(
            form=self.form,
            spectrum=self.spectrum,
            linear=self.linear[rows],
            low=self.low[rows],
            high=self.high[rows],
            scale=scale,
            diagonal=diagonal,
            curvature=curvature,
            doubt=doubt,
        )

    def image(self, z: Tensor) -> Tensor:
        """`H z` `(rows, d)`."""
        image = z @ self.form
        if self.scale is not None:
            image = image * self.scale[:, None]
        return image if self.diagonal is None else torch.addcmul(image, self.diagonal, z)

    def value(self, z: Tensor) -> Tensor:
        """The objective `(rows,)` at `z` `(rows, d)`."""
        return (z * (self.image(z) + self.linear)).sum(dim=1)

    def modulus(self) -> Tensor:
        """The proved lower bound `(rows,)` on the lowest eigenvalue of `H_r`."""
        return self._extreme(0) if self.curvature is None else self.curvature

    def lipschitz(self) -> Tensor:
        """An upper bound `(rows,)` on the highest eigenvalue of `H_r`, above 0."""
        return self._extreme(1).clamp(min=torch.finfo(torch.float64).tiny)

    def clamp(self, z: Tensor) -> Tensor:
        """The nearest point of each row's box."""
        return torch.minimum(torch.maximum(z, self.low), self.high)

    def _extreme(self, end: int) -> Tensor:
        value = torch.full_like(self.linear[:, 0], self.spectrum[end])
        if self.scale is not None:
            value = value * self.scale
        if self.diagonal is not None:
            value = value + (self.diagonal.amin(dim=1) if end == 0 else self.diagonal.amax(dim=1))
        # Sums of three numbers: outward by their rounding.
        slack = 8 * _EPS * (value.abs() + (0.0 if self.diagonal is None else self.diagonal.abs().amax(dim=1)))
        return value - slack if end == 0 else value + slack


def lower_bound(programme: BoxProgramme, z: Tensor) -> Tensor:
    r"""Sound lower bound `(rows,)` on each row's minimum from any point `z` `(rows, d)`.

    The computed value and gradient miss theirs by at most :math:`\eta\,(|z|^T |H| |z| + |c|^T |z|)` and
    :math:`\eta\,(2 |H| |z| + |c|)` with :math:`\eta = 2(d + 8)\,u`, :math:`u` = 2.2e-16 (any order of summation); the
    value is lowered and the gradient widened by them. Minus infinity where the box is infinite along a direction that
    is not proved to curve upwards.

    Example:
        >>> one = torch.ones(1, 1).double()
        >>> programme = BoxProgramme.of(one, -2 * one, 0 * one, 5 * one)
        >>> round(lower_bound(programme, 0.5 * one).item(), 9)
        -1.0
    """
    eta = 2 * (z.shape[1] + 8) * _EPS
    image = programme.image(z)
    gradient = 2 * image + programme.linear
    value = (z * (image + programme.linear)).sum(dim=1)
    size = z.abs()
    heavy = size @ programme.form.abs()
    if programme.scale is not None:
        heavy = heavy * programme.scale[:, None]
    if programme.diagonal is not None:
        heavy = torch.addcmul(heavy, programme.diagonal.abs(), size)
    linear = programme.linear.abs()
    unsure = torch.zeros_like(linear) if programme.doubt is None else programme.doubt
    doubt = unsure + eta * (2 * heavy + linear)
    curvature = programme.modulus()[:, None]
    up = _best_move(gradient - doubt, curvature, (programme.high - z).clamp(min=0))
    down = _best_move(-gradient - doubt, curvature, (z - programme.low).clamp(min=0))
    moves = torch.minimum(up, down)
    total = moves.sum(dim=1)
    lost = (size * (heavy + linear)).sum(dim=1) + value.abs() + total.abs()
    return value + total - eta * lost - (1 + eta) * (size * unsure).sum(dim=1)


def optimality_gap(programme: BoxProgramme, z: Tensor, gradient: Tensor) -> Tensor:
    """How far the value at `z` `(rows, d)` and the bound from it are apart `(rows,)`, rounding aside.

    Args:
        programme: the programmes.
        z: points of the boxes.
        gradient: of the objective at `z`.
    """
    curvature = programme.modulus()[:, None]
    up = _best_move(gradient, curvature, programme.high - z)
    down = _best_move(-gradient, curvature, z - programme.low)
    return -torch.minimum(up, down).sum(dim=1)


def _best_move(slope: Tensor, curvature: Tensor, reach: Tensor) -> Tensor:
    """Minimum of `slope t + curvature t^2` over `0 <= t <= reach`, at most 0."""
    convex = curvature > 0
    step = torch.where(convex, (-slope / (2 * curvature).where(convex, 1.0)).clamp(min=0), torch.inf)
    step = torch.minimum(step, reach)
    endless = torch.isinf(step)
    move = step.masked_fill(endless, 0.0) * (slope + curvature * step.masked_fill(endless, 0.0))
    sinking = (slope < 0) | (curvature < 0)
    return torch.where(endless & sinking, -torch.inf, move).clamp(max=0)
