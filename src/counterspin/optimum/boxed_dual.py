r"""The dual of the nearest point of a quadratic cone inside a box.

With :math:`v = z - x` the distance from `x` to :math:`\{z : z^T A z \le 0\}` inside the box has the partial dual

.. math:: \varphi(\lambda) = \min_{x + v \in \text{box}} \|v\|^2 + \lambda\,(x + v)^T A\, (x + v)
          \le r^2, \qquad 0 \le \lambda \le -1/\lambda_{\min}(A),

a convex programme over a box for every such λ and concave in λ, with slope :math:`g(\lambda) = z^T A z` at the
minimiser :math:`z(\lambda)`. If a minimiser lies on the cone, :math:`g(\lambda) = 0`, it is the nearest point of the
whole box and the bound is attained. On a face of the box
:math:`g' = -2\, (Az)_F^T (1 + \lambda A)_{FF}^{-1} (Az)_F`, so Newton finds the root in a few programmes. It is aimed a
hair beyond the cone: the minimiser found there is a flipping point within the wanted gap of the bound.
"""

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from counterspin.optimum.box_programme import BoxProgramme
from counterspin.optimum.box_qp import free_variables, minimum_over_box, solve_free
from counterspin.optimum.boxed_pair import Pair
from counterspin.optimum.boxed_start import Flips, flip_margin

__all__ = ["BoxedDual", "boxed_dual", "lagrangian", "stationary_flips"]

_EPS = torch.finfo(torch.float64).eps
_MAX_ITERATIONS = 60
# Relative gap in the squared distance that is aimed at, and how exactly the programmes are solved for it.
_AIM = 2e-8
_SOLVED = 1e-14
_FIRST_SOLVED = 1e-6
_GRADIENT_STEPS = 20
# A dual without a largest multiplier is left once λ exceeds this many times one over the size of the form.
_ENDLESS = 1e8


@dataclass(frozen=True, kw_only=True)
class BoxedDual:
    """What the dual says.

    Args:
        lower: sound lower bound `(rows,)` on the squared distance.
        multiplier: λ of the last programme `(rows,)`.
        points: minimiser `z` of it `(rows, d)`.
        slope: `z'Az` there `(rows,)`; at most 0 where it flips.
        open: rows `(rows,)` bool whose dual still rises at the largest multiplier: the bound may not be attained.
        programmes: convex programmes of the slowest row.
    """

    lower: Tensor
    multiplier: Tensor
    points: Tensor
    slope: Tensor
    open: Tensor
    programmes: int


def lagrangian(pair: Pair, x: Tensor, low: Tensor, high: Tensor, multiplier: Tensor) -> tuple[BoxProgramme, Tensor]:
    """The programmes in `v = z - x` of rows `x` `(rows, d)`, and a lower bound on the constant `λ x'Ax` `(rows,)`.

    In `v` nothing of the size of `x` is left in the objective but `λ x'Ax`, which shrinks with the distance.
    """
    eta = 2 * (x.shape[1] + 8) * _EPS
    image = x @ pair.form
    heavy = x.abs() @ pair.form.abs()
    linear = 2 * multiplier[:, None] * image
    programme = BoxProgramme(
        form=pair.form,
        spectrum=pair.spectrum,
        linear=linear,
        low=_outward(low - x, -1),
        high=_outward(high - x, 1),
        scale=multiplier,
        diagonal=torch.ones_like(x),
        doubt=2 * eta * multiplier[:, None] * heavy,
    )
    constant = multiplier * ((x * image).sum(dim=1) - eta * (x.abs() * heavy).sum(dim=1))
    return programme, constant


def boxed_dual(pair: Pair, x: Tensor, low: Tensor, high: Tensor, beyond: Tensor, start: Flips) -> BoxedDual:
    """Maximise the dual of every row, which must stand on the class's side (`x'Ax > 0`).

    Args:
        pair: the class against the rival.
        x: `(rows, d)`, inside the box.
        low: lower ends of the box `(rows, d)`.
        high: upper ends `(rows, d)`.
        beyond: a row is left alone once its bound exceeds this `(rows,)`, in squared units.
        start: flips found before.
    """
    return _ascend(pair, x, low, high, beyond, start, pair.ceiling)


def stationary_flips(pair: Pair, x: Tensor, low: Tensor, high: Tensor, start: Flips) -> BoxedDual:
    """The same path among local minimisers, with no largest multiplier; `lower` says nothing here.

    It asks for convexity on the free variables of a face of the box, not of the whole programme.
    """
    endless = torch.full_like(x[:, 0], torch.inf)
    # A positive curvature only tells the solver when to stop: bounds are not used.
    return _ascend(pair, x, low, high, endless, start, torch.inf, curvature=1e-3)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Rows:
    """Rows on their way: bracket and next trial of λ, how exactly programmes are solved, where they start."""

    index: Tensor
    trial: Tensor
    left: Tensor
    right: Tensor
    solved: Tensor
    scale: Tensor
    z: Tensor

    def take(self, rows: Tensor) -> "_Rows":
        return _Rows(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def _ascend(
    pair: Pair,
    x: Tensor,
    low: Tensor,
    high: Tensor,
    beyond: Tensor,
    start: Flips,
    cap: float,
    curvature: float | None = None,
) -> BoxedDual:
    lower, multiplier, points = torch.zeros_like(x[:, 0]), torch.zeros_like(x[:, 0]), x.clone()
    slope, open_ended = torch.full_like(lower, torch.inf), torch.zeros_like(lower, dtype=torch.bool)
    margin = flip_margin(pair.form, x, pair.doubt)
    state = _first(pair, x, low, high, start, cap)
    count = 0
    while len(state.index) and count < _MAX_ITERATIONS:
        count += 1
        rows = state.index
        programme, constant = lagrangian(pair, x[rows], low[rows], high[rows], state.trial)
        if curvature is not None:
            programme = replace(programme, curvature=torch.full_like(state.trial, curvature))
        minimum = minimum_over_box(
            programme, state.z - x[rows], enough=state.solved * state.scale, gradient_steps=_GRADIENT_STEPS
        )
        z = torch.minimum(torch.maximum(x[rows] + minimum.points, low[rows]), high[rows])
        image = z @ pair.form
        height = (z * image).sum(dim=1)
        lower[rows] = torch.maximum(lower[rows], minimum.lower + constant)
        points[rows], slope[rows], multiplier[rows] = z, height, state.trial
        squared = (z - x[rows]).square().sum(dim=1)
        aim = torch.maximum(_AIM * squared / state.trial, 4 * margin[rows])

        exact = state.solved <= _SOLVED
        at_end = exact & (height > 0) & (state.trial >= cap)
        open_ended[rows[at_end]] = True
        stuck = (state.right - state.left) <= 4 * _EPS * state.left
        close = exact & (height <= -aim / 4) & (height >= -2 * aim)
        done = close | at_end | (stuck & exact) | (lower[rows] > beyond[rows]) | (state.trial > _ENDLESS * _unit(pair))
        keep = (~done).nonzero()[:, 0]
        if len(keep) == 0:
            break
        # Slope of z'Az along the face the minimiser lies on.
        free = free_variables(programme, minimum.points, 2 * programme.image(minimum.points) + programme.linear)
        part, face = programme.take(keep), free[keep]
        falling = -2 * (image[keep] * solve_free(part, image[keep], face) * face).sum(dim=1)
        state = replace(state, z=z, scale=torch.minimum(squared, state.scale)).take(keep)
        state = _next(state, (height + aim)[keep], aim[keep], falling, stuck[keep], cap)
    return BoxedDual(lower=lower, multiplier=multiplier, points=points, slope=slope, open=open_ended, programmes=count)


def _first(pair: Pair, x: Tensor, low: Tensor, high: Tensor, start: Flips, cap: float) -> _Rows:
    image = x @ pair.form
    can = torch.where(image > 0, x > low, x < high)
    reachable = (2 * (image.square() * can).sum(dim=1)).clamp(min=torch.finfo(x.dtype).tiny)
    linearised = ((x * image).sum(dim=1) / reachable).clamp(max=_unit(pair))
    found = torch.isfinite(start.distance)
    trial = torch.where(found, start.multiplier, linearised).clamp(max=min(cap, 10 * _unit(pair)))
    trial = torch.maximum(trial, (1e-9 * linearised).clamp(max=cap))
    return _Rows(
        index=torch.arange(len(x)),
        trial=trial,
        left=torch.zeros_like(trial),
        right=torch.full_like(trial, cap),
        solved=torch.full_like(trial, _FIRST_SOLVED),
        scale=torch.where(found, start.distance.square(), trial * (x * image).sum(dim=1)),
        z=torch.where(found[:, None], start.points, x),
    )


def _next(state: _Rows, goal: Tensor, aim: Tensor, falling: Tensor, stuck: Tensor, cap: float) -> _Rows:
    """Newton where it stays in the bracket, else its middle; solved as exactly as the step is short."""
    trial = state.trial
    left, right = torch.where(goal > 0, trial, state.left), torch.where(goal > 0, state.right, trial)
    step = trial - goal / falling.where(falling < 0, -1.0)
    usable = (falling < 0) & (step > left) & ((step < right) | (right >= cap))
    middle = torch.where(torch.isinf(right), 10 * trial, (left + right) / 2)
    step = torch.where(usable, torch.minimum(step, 100 * trial).clamp(max=cap), middle)

    finer = ((step - trial) / trial).square().clamp(min=_SOLVED, max=_FIRST_SOLVED)
    last = stuck | (goal.abs() <= 1e2 * aim) | ((step >= cap) & (trial >= cap))
    solved = torch.minimum(state.solved, torch.where(last, _SOLVED, finer))
    # A bracket of inexact slopes may have lost the root: the last steps start with a fresh one.
    fresh = (solved <= _SOLVED) & (state.solved > _SOLVED)
    left, right = left.masked_fill(fresh, 0.0), right.masked_fill(fresh, cap)
    return replace(state, trial=step, left=left, right=right, solved=solved)


def _unit(pair: Pair) -> float:
    """One over the size of the form: the scale of multipliers."""
    return 1 / max(float(pair.form.abs().max()), 1e-300)


def _outward(value: Tensor, sign: int) -> Tensor:
    return value + sign * _EPS * value.abs().where(torch.isfinite(value), 0.0)
