r"""Nearest inputs at which a quadratic classifier changes its mind.

A frozen amplitude-encoded classifier scores class `k` by :math:`x^T F_k x / x^T x`. Class `y` loses to `j` where
:math:`z^T A z \le 0` with :math:`A = F_y - F_j`: a cone, whose distance from `x` is a quadratic programme with one
constraint and no duality gap. One eigendecomposition a class pair and one secular root a sample solve it; the minimum
over the rivals is the exact untargeted robust radius in the L2 norm without a box. Behind an affine map of the features
the same holds of the pulled-back constraint, see `counterspin.optimum.affine_cone`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from counterspin.errors import ConditionsError, InputError
from counterspin.optimum.affine_cone import AffineCone, RowSpace, nearest_on_affine_cone
from counterspin.optimum.affine_map import AffineMap
from counterspin.optimum.cone import ConePoints, nearest_on_cone
from counterspin.validation import as_features, as_labels

__all__ = ["NearestFlips", "form_scores", "nearest_flips"]

_MAX_FEATURES = 4096
_EPS = torch.finfo(torch.float64).eps
# Numbers of one array of the rows solved together; a dozen such arrays live at once, 32 MiB each.
_AT_ONCE = 2**22

# Distance of rows to the cone of one pair, points looked for below a ceiling.
_Solver = Callable[[Tensor, Tensor], ConePoints]


@dataclass(frozen=True, kw_only=True)
class NearestFlips:
    """Certified and attained distance to the nearest flip of each sample.

    Args:
        lower: certified distance `(batch,)`: no flipping point is nearer. Infinite where no rival can ever win.
        upper: distance `(batch,)` of `points`; infinite where no flipping point was found.
        points: inputs `(batch, features)` seen to flip; the sample itself where there is none or it is misclassified.
        rival: class `(batch,)` the point loses to (the nearest by `lower` where there is no point).
        multiplier: Lagrange multiplier λ of that pair `(batch,)`; by the envelope theorem the squared distance changes
            with the pair's form as λ·z zᵀ. Zero where misclassified or without a point.
        gap: `1 - lower / upper` `(batch,)`, between 0 and 1; 1 where no point was found although one may exist.
    """

    lower: Tensor
    upper: Tensor
    points: Tensor
    rival: Tensor
    multiplier: Tensor
    gap: Tensor


def form_scores(forms: Tensor, x: Tensor) -> Tensor:
    """Scores `(batch, classes)` of inputs `(batch, features)` under quadratic forms `(classes, features, features)`.

    Example:
        >>> form_scores(torch.tensor([[[1.0, 0.0], [0.0, 0.0]]]), torch.tensor([[1.0, 1.0]])).item()
        0.5
    """
    scores = [((x @ form) * x).sum(dim=1) for form in forms]
    return torch.stack(scores, dim=1) / x.square().sum(dim=1, keepdim=True)


def nearest_flips(
    forms: Tensor, x: Tensor, y: Tensor, target: Tensor | None = None, *, input_map: AffineMap | None = None
) -> NearestFlips:
    r"""Distance of each sample to the nearest point where its class no longer wins, with certificate and witness.

    `lower` and `upper` are bracketed against rounding as in `nearest_on_cone`, which costs about 1e-12 of the radius.
    The forms are taken as given. A tie counts as a flip, hence a sample tied or misclassified has distance 0; `z = 0`
    (behind a map `W z + b = 0`) is no input and never counts.

    Args:
        forms: symmetric forms `(classes, k, k)`; only the symmetric part matters. Biases absorbed.
        x: inputs `(batch, features)` of any scale, none encoded as zero.
        y: true classes `(batch,)`.
        target: class `(batch,)` that must win, or None for any. With more than two classes `lower` is then the distance
            at which the target first passes the true class, a lower bound only, and `upper` is finite where the target
            passes all others there too.
        input_map: what turns the features into the `k` encoded values; None: nothing does, `features = k`.

    Raises:
        InputError: wrong shapes, values that are not finite, a zero input, or a target equal to the true class.
        ConditionsError: forms larger than 4096 (they are dense), or a constant map.

    Example:
        >>> forms = torch.diag_embed(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
        >>> flips = nearest_flips(forms, torch.tensor([[2.0, 0.0]]), torch.tensor([0]))
        >>> round(flips.lower.item(), 6), flips.gap.item() < 1e-6
        (1.414214, True)
    """
    forms, x, y = _checked_inputs(forms, x, y, input_map)
    goal = None if target is None else _checked_target(target, len(forms), y)
    if input_map is None or input_map.is_identity:
        # The cone is scale-free: solved for unit vectors, which neither overflow nor vanish.
        peak = x.abs().amax(dim=1, keepdim=True)
        norm = peak * torch.linalg.vector_norm(x / peak, dim=1, keepdim=True)
        start, space = x / norm, None
    else:
        start, norm, space = x, torch.ones_like(x[:, :1]), RowSpace.of(input_map)

    def scores_at(points: Tensor) -> Tensor:
        return form_scores(forms, points if space is None else space.map(points))

    scores = scores_at(start)
    standing = _margin(scores, y) > 0
    lower = torch.where(standing, torch.inf, 0.0).to(start)
    upper, multiplier, points = lower.clone(), torch.zeros_like(lower), start.clone()
    rival = scores.scatter(1, y[:, None], -torch.inf).argmax(dim=1) if goal is None else goal.clone()
    for members, other, solver in _cones(forms, y, goal, standing, space):
        for rows in members.split(max(1, _AT_ONCE // max(x.shape[1], forms.shape[1]))):
            near = solver(start[rows], upper[rows])
            nearer = near.upper < upper[rows]
            rival[rows[nearer | (torch.isinf(upper[rows]) & (near.lower < lower[rows]))]] = other
            lower[rows] = torch.minimum(lower[rows], near.lower)
            upper[rows[nearer]], points[rows[nearer]] = near.upper[nearer], near.points[nearer]
            multiplier[rows[nearer]] = near.multiplier[nearer]

    at_points = scores_at(points)
    flipped = _margin(at_points, y) <= 0 if goal is None else _margin(at_points, goal) >= 0
    found = standing & torch.isfinite(upper) & flipped
    points = torch.where(found[:, None], points * norm, x)
    lower = lower * norm[:, 0] * (1 - 4 * _EPS)
    upper = torch.where(found, torch.linalg.vector_norm(points - x, dim=1), torch.where(standing, torch.inf, 0.0))
    return NearestFlips(
        lower=lower,
        upper=upper,
        points=points,
        rival=rival,
        multiplier=torch.where(found, multiplier, 0.0),
        gap=torch.where(lower == upper, 0.0, 1 - lower / upper),
    )


def _cones(
    forms: Tensor, y: Tensor, goal: Tensor | None, standing: Tensor, space: RowSpace | None
) -> Iterator[tuple[Tensor, int, _Solver]]:
    """For each pair of a true class and a rival: rows, rival, solver.

    One decomposition serves both directions of a pair. One pair is held at a time: the 45 pairs of ten classes would
    fill 0.4 GiB at 1024 features and 6 GiB at 4096, and a call needs each of them once.
    """
    for first, second in combinations(range(len(forms)), 2):
        ahead, behind = (
            (standing & (y == own) & ((goal == other) if goal is not None else standing)).nonzero()[:, 0]
            for own, other in ((first, second), (second, first))
        )
        if len(ahead) + len(behind) == 0:
            continue
        forwards, backwards = _solvers(forms[first] - forms[second], space)
        if len(ahead):
            yield ahead, second, forwards
        if len(behind):
            yield behind, first, backwards


def _solvers(form: Tensor, space: RowSpace | None) -> tuple[_Solver, _Solver]:
    """Solvers for a form and for its negative."""
    if space is None:
        eigenvalues, vectors = torch.linalg.eigh(form)
        turned = (-form, -eigenvalues.flip(0), vectors.flip(1))
        return (
            lambda rows, ceiling: nearest_on_cone(form, eigenvalues, vectors, rows, ceiling),
            lambda rows, ceiling: nearest_on_cone(*turned, rows, ceiling),
        )
    cone = AffineCone.of(form, space)
    return (
        lambda rows, ceiling: nearest_on_affine_cone(cone, space, rows, ceiling),
        lambda rows, ceiling: nearest_on_affine_cone(cone.turned(), space, rows, ceiling),
    )


def _margin(scores: Tensor, own: Tensor) -> Tensor:
    others = scores.scatter(1, own[:, None], -torch.inf)
    return scores.gather(1, own[:, None])[:, 0] - others.amax(dim=1)


def _checked_inputs(forms: Tensor, x: Tensor, y: Tensor, input_map: AffineMap | None) -> tuple[Tensor, Tensor, Tensor]:
    if forms.ndim != 3 or forms.shape[1] != forms.shape[2] or forms.shape[0] < 2 or not forms.is_floating_point():
        raise InputError(
            f"forms is {forms.dtype} {tuple(forms.shape)}; give real (classes, features, features), 2 classes or more."
        )
    if forms.shape[1] > _MAX_FEATURES:
        raise ConditionsError(f"forms have {forms.shape[1]} features; the dense solver takes at most {_MAX_FEATURES}.")
    if not bool(torch.isfinite(forms).all()):
        raise InputError("forms hold NaN or infinite values; fold a model whose weights are finite.")
    features = as_features(x).to(torch.float64)
    if input_map is not None and (input_map.features != features.shape[1] or input_map.outputs != forms.shape[1]):
        raise InputError(
            f"the input map takes {input_map.features} features to {input_map.outputs} values, but x has "
            f"{features.shape[1]} features and forms take {forms.shape[1]} values; give matching ones."
        )
    encoded = features if input_map is None else input_map(features)
    if encoded.shape[1] != forms.shape[1]:
        raise InputError(f"x has {features.shape[1]} features and forms have {forms.shape[1]}; give matching ones.")
    zero = (encoded == 0).all(dim=1)
    if bool(zero.any()):
        raise InputError(
            f"x is zero in sample {int(zero.nonzero()[0])}{'' if input_map is None else ' once mapped'}; a zero vector "
            "encodes no state, remove it."
        )
    symmetric = forms.detach().to(torch.float64)
    return (symmetric + symmetric.mT) / 2, features, as_labels(y, len(forms), len(features))


def _checked_target(target: Tensor, classes: int, y: Tensor) -> Tensor:
    goal = as_labels(target, classes, len(y), name="target")
    if bool((goal == y).any()):
        raise InputError(f"target equals the true class of sample {int((goal == y).nonzero()[0])}; name another class.")
    return goal
