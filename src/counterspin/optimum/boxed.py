r"""Nearest inputs inside a box at which a quadratic classifier changes its mind.

A frozen amplitude-encoded classifier scores class `k` by :math:`x^T F_k x / x^T x`, and class `y` loses to `j` where
:math:`z^T (F_y - F_j) z \le 0`. Inside a box the nearest such point is no longer a plain quadratic programme, but its
dual over the cone alone (`counterspin.optimum.boxed_dual`) is one convex programme for each multiplier, and its
minimiser is the exact answer wherever it lies on the cone; where it does not, `counterspin.optimum.boxed_gap` proves
most of what is left. Whether a radius is exact is known for each sample afterwards, from the flip that attains the
bound. An affine map of the features before the encoding adds a constant to them, a feature that may not move
(`counterspin.optimum.box_lift`). To our knowledge new for amplitude encodings.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.errors import ConditionsError, InputError
from counterspin.optimum.affine_map import AffineMap
from counterspin.optimum.box_lift import LiftedForms, image_ends
from counterspin.optimum.boxed_decomposition import decomposed, pairs_of
from counterspin.optimum.boxed_dual import boxed_dual, stationary_flips
from counterspin.optimum.boxed_gap import face_bound, lowest_segment, positive_by_ends, unflippable
from counterspin.optimum.boxed_pair import Pair
from counterspin.optimum.boxed_start import Flips, flip_margin, linearised_flips, negative_points
from counterspin.types import Box
from counterspin.validation import as_features, as_labels

__all__ = ["BoxedFlips", "nearest_boxed_flips"]

_MAX_FEATURES = 4096
_EPS = torch.finfo(torch.float64).eps
# A pair whose bracket is wider than this share is worked on further.
_CLOSED = 5e-7
# Eigenvectors along which flips are looked for where the bracket stays open.
_DIRECTIONS = 4


@dataclass(frozen=True, kw_only=True)
class BoxedFlips:
    """Certified and attained distance to the nearest flip inside the box.

    Args:
        lower: certified distance `(batch,)`: no flip of the box is nearer. Infinite where no rival can win in it.
        upper: distance of `points` `(batch,)`; infinite where no flip was found.
        points: inputs `(batch, features)` of the box seen to flip; the sample itself where there is none or it is
            misclassified.
        rival: class `(batch,)` the point loses to, the first rival where there is no point.
        gap: `1 - lower / upper` `(batch,)`, between 0 and 1; 1 where no point was found although one may exist.
    """

    lower: Tensor
    upper: Tensor
    points: Tensor
    rival: Tensor
    gap: Tensor


def nearest_boxed_flips(
    forms: Tensor,
    x: Tensor,
    y: Tensor,
    box: Box,
    *,
    movable: Tensor | None = None,
    target: Tensor | None = None,
    within: Tensor | None = None,
    input_map: AffineMap | None = None,
) -> BoxedFlips:
    """Distance of each sample to the nearest point of the box where its class no longer wins.

    A tie counts as a flip, `z = 0` (behind a map `W z + b = 0`) does not. The forms are taken as given.

    Args:
        forms: symmetric forms `(classes, k, k)`; only the symmetric part matters. Biases absorbed.
        x: inputs `(batch, features)` in the box, none encoded as zero; it reaches to those that miss it by a rounding.
        y: true classes `(batch,)`.
        box: where flips must lie; any end may be infinite.
        movable: features `(features,)` bool that may differ from `x`; None: all.
        target: class `(batch,)` that must win, or None for any. With more than two classes `lower` is then the distance
            at which the target first passes the true class, a lower bound only, and `upper` is finite where the target
            passes all others there too.
        within: distances `(batch,)` beyond which nothing need be tight, which saves time; None: infinite.
        input_map: what turns the features into the `k` encoded values; None: nothing does, `features = k`.

    Raises:
        InputError: wrong shapes, values that are not finite, a zero input, or a target equal to the true class.
        ConditionsError: a periodic feature, which amplitudes do not have, more than 4096 values, or a constant map.

    Example:
        >>> forms = torch.diag_embed(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
        >>> box = Box.uniform(0.0, 1.0, features=2)
        >>> flips = nearest_boxed_flips(forms, torch.tensor([[1.0, 0.25]]), torch.tensor([0]), box)
        >>> round(flips.lower.item(), 6), flips.gap.item() < 1e-6
        (0.53033, True)
    """
    forms, x, y, goal = _checked(forms, x, y, box, target, input_map)
    lifted = LiftedForms.of(forms, input_map)
    full = lifted.points(x)
    # Powers of two scale without rounding; squares neither overflow nor vanish.
    scale = torch.ldexp(torch.ones_like(x[:, :1]), full.abs().amax(dim=1, keepdim=True).frexp().exponent)
    unit, around = full / scale, lifted.box(box)
    low, high = torch.minimum(around.lower.to(x) / scale, unit), torch.maximum(around.upper.to(x) / scale, unit)
    moving = lifted.movable(movable)
    if moving is not None:
        low, high = torch.where(moving, low, unit), torch.where(moving, high, unit)

    standing = _margin(lifted.scores(x), y) > 0
    lower = torch.where(standing, torch.inf, 0.0).to(x)
    rival = (y == 0).to(y) if goal is None else goal.clone()
    upper, points = lower.clone(), unit.clone()
    if moving is None or bool(moving.any()):
        # Flips of all rivals first: most rivals are then ruled out by a bound far from tight.
        for rows, own, other in pairs_of(len(forms), y, goal, standing):
            form, doubt = lifted.pair(own, other)
            found = linearised_flips(form, unit[rows], low[rows], high[rows], doubt=doubt)
            _note(found, rows, other, upper, points, rival)
        for rows, other, pair in decomposed(lifted, y, goal, standing, moving):
            ceiling = upper[rows] if within is None else torch.minimum(upper, within.to(x) / scale[:, 0])[rows]
            known = torch.zeros_like(ceiling)
            if movable is None:
                known = pair.unboxed(unit[rows], x[rows]) / (1.0 if pair.space is None else scale[rows, 0])
            bound, found = _nearest(pair.pair, unit[rows], low[rows], high[rows], ceiling, known)
            lost = (torch.isinf(found.distance) & (bound < ceiling)).nonzero()[:, 0]
            if lifted.input_map is not None and len(lost):
                ends = (lifted.features(end[rows[lost]]) * scale[rows[lost]] for end in (low, high))
                proved = positive_by_ends(pair.encoded, *image_ends(lifted.input_map, *ends))
                bound[lost[proved]] = torch.inf
            lower[rows] = torch.minimum(lower[rows], bound)
            _note(found, rows, other, upper, points, rival)

    distance = torch.linalg.vector_norm(points - unit, dim=1) * scale[:, 0]
    points = lifted.features(points) * scale
    at_points = lifted.scores(points)
    flipped = _margin(at_points, y) <= 0 if goal is None else _margin(at_points, goal) >= 0
    found = standing & torch.isfinite(upper) & flipped
    points = torch.where(found[:, None], points, x)
    upper = torch.where(found, distance, torch.where(standing, torch.inf, 0.0))
    lower = torch.minimum(lower * scale[:, 0] * (1 - 4 * _EPS), upper)
    gap = torch.where(lower == upper, 0.0, 1 - lower / upper)
    return BoxedFlips(lower=lower, upper=upper, points=points, rival=rival, gap=gap)


def _nearest(pair: Pair, x: Tensor, low: Tensor, high: Tensor, ceiling: Tensor, known: Tensor) -> tuple[Tensor, Flips]:
    """Certified distances `(rows,)` and flips of one pair; where the bound exceeds `ceiling` it need not be tight.

    `known` distances `(rows,)` are where the bound starts; samples within rounding of a flip stay there.
    """
    bound = known.clone()
    flips = Flips(points=x, distance=torch.full_like(ceiling, torch.inf), multiplier=torch.zeros_like(ceiling))
    rows = ((bound < ceiling) & (((x @ pair.form) * x).sum(dim=1) > 0)).nonzero()[:, 0]
    if len(rows) == 0:
        return bound, flips

    part, ends = x[rows], (low[rows], high[rows])
    start = linearised_flips(pair.form, part, *ends, doubt=pair.doubt)
    farthest = torch.maximum(part - ends[0], ends[1] - part).square().sum(dim=1) * (1 + 8 * _EPS * x.shape[1])
    dual = boxed_dual(pair, part, *ends, torch.minimum(ceiling[rows].square() * (1 + 4 * _EPS), farthest), start)
    best = _nearer(pair, part, start, dual.points, dual.slope, dual.multiplier)
    squared = torch.where(dual.lower > farthest, torch.inf, dual.lower)

    wide = (squared < best.distance.square() * (1 - 2 * _CLOSED)) & (squared.sqrt() < ceiling[rows])
    left = wide.nonzero()[:, 0]
    if len(left):
        here, there = part[left], (ends[0][left], ends[1][left])
        closer, more = _closed(pair, here, *there, dual.points[left], best.take(left))
        squared[left] = torch.where(closer > farthest[left], torch.inf, torch.maximum(squared[left], closer))
        best = best.merged(more, left)
    bound[rows] = torch.maximum(bound[rows], squared.sqrt() * (1 - 4 * _EPS))
    return bound, flips.merged(best, rows)


def _closed(pair: Pair, x: Tensor, low: Tensor, high: Tensor, minimisers: Tensor, best: Flips) -> tuple[Tensor, Flips]:
    """Squared bounds `(rows,)` and flips where the dual of the cone alone leaves a gap."""
    if pair.ceiling < torch.inf:
        best = best.merged(lowest_segment(pair, x, low, high, minimisers))
    lowest = pair.vectors[:, :_DIRECTIONS].T
    for start in negative_points(
        pair.form, lowest, x, low, high, torch.where(torch.isinf(best.distance)[:, None], minimisers, best.points)
    ):
        best = best.merged(linearised_flips(pair.form, x, low, high, start, doubt=pair.doubt))
    stationary = stationary_flips(pair, x, low, high, best)
    best = _nearer(pair, x, best, stationary.points, stationary.slope, stationary.multiplier)
    bound = face_bound(pair, x, low, high, stationary.points, stationary.multiplier, best.distance)
    lost = torch.isinf(best.distance).nonzero()[:, 0]
    if len(lost):
        proved = unflippable(pair, x[lost], low[lost], high[lost])
        bound[lost[proved]] = torch.inf
    return bound, best


def _nearer(pair: Pair, x: Tensor, flips: Flips, points: Tensor, slope: Tensor, multiplier: Tensor) -> Flips:
    flip = (slope <= -flip_margin(pair.form, x, pair.doubt) / 4) & (points != 0).any(dim=1)
    distance = torch.linalg.vector_norm(points - x, dim=1).masked_fill(~flip, torch.inf)
    return flips.merged(Flips(points=points, distance=distance, multiplier=multiplier))


def _note(found: Flips, rows: Tensor, other: int, upper: Tensor, points: Tensor, rival: Tensor) -> None:
    nearer = found.distance < upper[rows]
    upper[rows[nearer]], points[rows[nearer]] = found.distance[nearer], found.points[nearer]
    rival[rows[nearer]] = other


def _margin(scores: Tensor, own: Tensor) -> Tensor:
    others = scores.scatter(1, own[:, None], -torch.inf)
    return scores.gather(1, own[:, None])[:, 0] - others.amax(dim=1)


def _checked(
    forms: Tensor, x: Tensor, y: Tensor, box: Box, target: Tensor | None, input_map: AffineMap | None
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    if forms.ndim != 3 or forms.shape[1] != forms.shape[2] or forms.shape[0] < 2 or not forms.is_floating_point():
        raise InputError(
            f"forms is {forms.dtype} {tuple(forms.shape)}; give real (classes, features, features), 2 classes or more."
        )
    size = max(forms.shape[1], 0 if input_map is None else input_map.features)
    if size > _MAX_FEATURES:
        raise ConditionsError(f"forms or features have {size} values; the dense solver takes at most {_MAX_FEATURES}.")
    if not bool(torch.isfinite(forms).all()):
        raise InputError("forms hold NaN or infinite values; fold a model whose weights are finite.")
    if bool(box.periodic.any()):
        raise ConditionsError(
            f"box: feature {int(box.periodic.nonzero()[0])} is periodic; amplitudes do not lie on a circle, bound it."
        )
    features = as_features(x, box).to(torch.float64)
    expected = (forms.shape[1],) * 2 if input_map is None else (input_map.features, input_map.outputs)
    if (features.shape[1], forms.shape[1]) != expected:
        raise InputError(
            f"x has {features.shape[1]} features and forms have {forms.shape[1]}, where {expected[0]} and "
            f"{expected[1]} fit the input map; give matching ones."
            if input_map is not None
            else f"x has {features.shape[1]} features and forms have {forms.shape[1]}; give matching ones."
        )
    zero = ((features if input_map is None else input_map(features)) == 0).all(dim=1)
    if bool(zero.any()):
        raise InputError(
            f"x is zero in sample {int(zero.nonzero()[0])}{'' if input_map is None else ' once mapped'}; a zero vector "
            "encodes no state, remove it."
        )
    labels = as_labels(y, len(forms), len(features))
    goal = None if target is None else as_labels(target, len(forms), len(features), name="target")
    if goal is not None and bool((goal == labels).any()):
        raise InputError(f"target equals the true class of sample {int((goal == labels).nonzero()[0])}; name another.")
    symmetric = forms.detach().to(torch.float64)
    return (symmetric + symmetric.mT) / 2, features, labels, goal
