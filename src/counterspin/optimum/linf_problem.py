r"""Quadratic margins over L-infinity balls inside a box, and their convex relaxation.

Class `y` keeps its lead over `j` at radius `e` while :math:`z^T A z > 0`, :math:`A = F_y - F_j`, on
:math:`B(e) = \{z : |z - x|_\infty \le e,\ l \le z \le u\}`. In steps :math:`v = z - x` of the movable features

.. math:: m(v) = x^T A x + 2 (A x)^T v + v^T G v, \qquad \max(l - x, -e) \le v \le \min(u - x, e),

with `G` the block of `A` on these features. Minimising `m` is NP-hard in general. With a diagonal shift `s` such that
:math:`G + \mathrm{diag}(s) \succeq 0` (αBB, Androulakis, Maranas and Floudas, J. Global Optim. 7, 1995; the best `s` is
Shor's bound)

.. math:: m(v) \ge m(v) + \sum_i s_i (v_i - a_i)(v_i - b_i) \qquad (a \le v \le b)

is convex, and a sound lower bound of it a sound lower bound of the margin.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from counterspin.optimum.box_programme import BoxProgramme
from counterspin.optimum.box_qp import BoxMinimum, minimum_over_box
from counterspin.types import Box

__all__ = ["LinfProblem", "PairForm", "PairShift", "pair_form", "pair_shift", "problem_of"]

_EPS = torch.finfo(torch.float64).eps


@dataclass(frozen=True, kw_only=True)
class PairShift:
    """What makes a block convex.

    Args:
        spectrum: lowest and highest eigenvalue of `G`, outer bounds.
        shift: `s >= 0`, the same for all features, with `G + s 1` positive semidefinite.
    """

    spectrum: tuple[float, float]
    shift: float

    def reversed(self, doubt: float = 0.0) -> "PairShift":
        """Of the block with the opposite sign, where both were lowered by `doubt`."""
        lowest, highest = -self.spectrum[1] - 2 * doubt, -self.spectrum[0] - 2 * doubt
        return PairShift(spectrum=(lowest, highest), shift=max(-lowest, 0.0))


@dataclass(frozen=True, kw_only=True, eq=False)
class PairForm:
    """What all samples of a class and its rival share.

    Args:
        whole: symmetric `A` `(d, d)` float64.
        movable: indices `(n,)` of the features that may change.
        form: `G`, the block of `A` on them `(n, n)`.
        spectrum: lowest and highest eigenvalue of `G`, outer bounds.
        shift: `s >= 0`.
        convex: `G + s 1` `(n, n)`.
        convex_spectrum: lowest and highest eigenvalue of `convex`, outer bounds.
    """

    whole: Tensor
    movable: Tensor
    form: Tensor
    spectrum: tuple[float, float]
    shift: float
    convex: Tensor
    convex_spectrum: tuple[float, float]


@dataclass(frozen=True, kw_only=True, eq=False)
class LinfProblem:
    """Margins of samples of one class over one rival as functions of the step.

    Args:
        pair: the pair's form.
        height: margin at the sample `(rows,)`.
        height_doubt: rounding of `height` `(rows,)`.
        slope: half the gradient at the sample on the movable features `(rows, n)`.
        slope_doubt: rounding of `slope` `(rows, n)`.
        behind: how far below 0 the margin of a lowered form must be for the true one to flip `(rows,)`.
        down: lowest admissible step `(rows, n)`, at most 0, minus infinity without a bound.
        up: highest admissible step `(rows, n)`, at least 0.
    """

    pair: PairForm
    height: Tensor
    height_doubt: Tensor
    slope: Tensor
    slope_doubt: Tensor
    behind: Tensor
    down: Tensor
    up: Tensor

    def take(self, rows: Tensor) -> "LinfProblem":
        """The problems of the rows `(m,)`."""
        return replace(
            self,
            height=self.height[rows],
            height_doubt=self.height_doubt[rows],
            slope=self.slope[rows],
            slope_doubt=self.slope_doubt[rows],
            behind=self.behind[rows],
            down=self.down[rows],
            up=self.up[rows],
        )

    def ball(self, radius: Tensor) -> tuple[Tensor, Tensor]:
        """Lowest and highest step `(rows, n)` inside the radius `(rows,)`."""
        return torch.maximum(self.down, -radius[:, None]), torch.minimum(self.up, radius[:, None])

    def reach(self) -> Tensor:
        """Radius `(rows,)` at which the ball covers the box; infinite without one."""
        return torch.maximum(-self.down, self.up).amax(dim=1)

    def margin(self, v: Tensor) -> Tensor:
        """`m(v)` `(rows,)` of steps `(rows, n)`, as far above a lowered form as makes what is at most 0 a flip."""
        return self.height + self.behind + (v * (v @ self.pair.form + 2 * self.slope)).sum(dim=1)

    def linear_radius(self) -> Tensor:
        """Radius `(rows,)` at which the margin would vanish if it were linear: no bound, an order of rivals."""
        fall = torch.where(self.slope > 0, self.down < 0, self.up > 0)
        return self.height / (2 * (self.slope.abs() * fall).sum(dim=1)).clamp(min=torch.finfo(torch.float64).tiny)

    def relaxed_minimum(self, low: Tensor, high: Tensor, start: Tensor, enough: Tensor, effort: int) -> BoxMinimum:
        """Minimum of the relaxed margin over finite boxes, with a sound lower bound on the margin itself.

        Args:
            low: lowest step `(rows, n)`.
            high: highest step `(rows, n)`.
            start: where to start `(rows, n)`.
            enough: accuracy `(rows,)` that is enough.
            effort: iterations at most, of gradients and then of Newton; 0: the bound of the start alone.
        """
        shift, eta = self.pair.shift, 2 * (self.slope.shape[1] + 8) * _EPS
        weight = shift * (low.abs() + high.abs())
        constant = (shift * low * high).sum(dim=1)
        found = minimum_over_box(
            BoxProgramme(
                form=self.pair.convex,
                spectrum=self.pair.convex_spectrum,
                linear=2 * self.slope - shift * (low + high),
                low=low,
                high=high,
                doubt=2 * self.slope_doubt + eta * (weight + self.slope.abs()),
            ),
            start,
            enough=enough,
            gradient_steps=2 * effort,
            newton_steps=effort // 4,
        )
        values = found.values + self.height + constant
        lost = (shift * low.abs() * high.abs()).sum(dim=1) + self.height.abs() + found.lower.abs()
        lower = found.lower + self.height + constant - self.height_doubt - eta * lost
        return BoxMinimum(points=found.points, values=values, lower=lower)

    def always_positive(self) -> Tensor:
        """Rows `(rows,)` bool whose margin is proved positive on the whole box because the form is convex."""
        if self.pair.spectrum[0] <= 0:
            return torch.zeros_like(self.height, dtype=torch.bool)
        programme = BoxProgramme(
            form=self.pair.form,
            spectrum=self.pair.spectrum,
            linear=2 * self.slope,
            low=self.down,
            high=self.up,
            doubt=2 * self.slope_doubt,
        )
        lower = minimum_over_box(programme).lower
        return lower + self.height - self.height_doubt - 4 * _EPS * (lower.abs() + self.height.abs()) > 0


def pair_shift(block: Tensor) -> PairShift:
    """Spectrum and uniform shift of a block `(n, n)`: minus its lowest eigenvalue on every feature.

    Example:
        >>> shift = pair_shift(torch.diag(torch.tensor([-2.0, 1.0]).double()))
        >>> round(shift.shift, 6)
        2.0
    """
    values = torch.linalg.eigvalsh(block)
    slack = 8 * (len(values) + 8) * _EPS * float(values.abs().max())
    lowest, highest = float(values[0]) - slack, float(values[-1]) + slack
    return PairShift(spectrum=(lowest, highest), shift=max(-lowest, 0.0))


def pair_form(whole: Tensor, movable: Tensor, shift: PairShift) -> PairForm:
    """The form of a pair `(d, d)` on its movable features `(n,)` (indices), with its shift."""
    block = whole[movable][:, movable]
    convex = block.clone()
    convex.diagonal().add_(shift.shift)
    rounding = 2 * _EPS * (float(block.diagonal().abs().max()) + shift.shift)
    lowest, highest = shift.spectrum
    return PairForm(
        whole=whole,
        movable=movable,
        form=block,
        spectrum=shift.spectrum,
        shift=shift.shift,
        convex=convex,
        convex_spectrum=(lowest + shift.shift - rounding, highest + shift.shift + rounding),
    )


def problem_of(pair: PairForm, x: Tensor, box: Box, doubt: float = 0.0) -> LinfProblem:
    """The margins of samples `(rows, d)` inside `box`.

    A sample that lies a rounding outside the box may stay where it is.

    Args:
        pair: the form of a class against a rival.
        x: the samples.
        box: where they must stay.
        doubt: by how much the form was lowered so as not to exceed the one it stands for.
    """
    eta = 2 * (x.shape[1] + 8) * _EPS
    image = x @ pair.whole
    heavy = x.abs() @ pair.whole.abs()
    index = pair.movable
    # A difference of two numbers is rounded once: outward.
    down = ((box.lower.to(x) - x) * (1 + 4 * _EPS)).clamp(max=0)[:, index]
    up = ((box.upper.to(x) - x) * (1 + 4 * _EPS)).clamp(min=0)[:, index]
    return LinfProblem(
        pair=pair,
        height=(x * image).sum(dim=1),
        height_doubt=eta * (x.abs() * heavy).sum(dim=1),
        slope=image[:, index],
        slope_doubt=eta * heavy[:, index],
        behind=8 * doubt * x.square().sum(dim=1),
        down=down,
        up=up,
    )
