r"""Nearest inputs, in the L-infinity norm and inside a box, at which a quadratic classifier changes its mind.

Deciding whether a quadratic form is positive on a box is NP-hard, so every sample gets a bracket: a certified radius
from the convex relaxation of `counterspin.optimum.linf_problem`, raised by branch and bound, and the distance of a
flipping point from descents. Affine maps before the encoding are lifted, see `counterspin.optimum.box_lift`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.optimum.affine_map import AffineMap
from counterspin.optimum.box_lift import LiftedForms, image_ends
from counterspin.optimum.linf_branching import branched_radius
from counterspin.optimum.linf_descent import LinfPoints, descend, starts
from counterspin.optimum.linf_problem import LinfProblem, PairShift, pair_form, pair_shift, problem_of
from counterspin.optimum.linf_root import relaxed_radius
from counterspin.optimum.linf_signs import positive_by_signs
from counterspin.types import Box

__all__ = ["LinfFlips", "LinfForms", "LinfSearch", "linf_forms", "nearest_linf_flips"]

# A ball without bounds is searched this many sizes of the sample far.
_FAR = 1e3


@dataclass(frozen=True, kw_only=True)
class LinfSearch:
    """How much work a bracket is worth.

    Args:
        starts: random starts of the descents, besides the deterministic ones.
        tolerance: relative width at which the root of the relaxation is closed.
        gap: relative width of a bracket at which branch and bound stops.
        finest: relative accuracy of the descents.
        nodes: boxes that each question of branch and bound may cost; 0: none is asked.
    """

    starts: int = 1
    tolerance: float = 1e-4
    gap: float = 1e-6
    nodes: int = 0
    finest: float = 1e-8


@dataclass(frozen=True, kw_only=True, eq=False)
class LinfForms:
    """Forms of all classes with what is computed from them once.

    Args:
        lifted: symmetric forms, of the features and a constant where a map shifts them.
        movable: indices of the features that may change `(n,)`.
        shifts: convexity of each ordered pair.
        positive: ordered pairs whose form is proved positive on the whole box but for 0, which never flip.
    """

    lifted: LiftedForms
    movable: Tensor
    shifts: dict[tuple[int, int], PairShift]
    positive: frozenset[tuple[int, int]]


@dataclass(frozen=True, kw_only=True)
class LinfFlips:
    """Brackets of the radii.

    Args:
        lower: certified radius `(batch,)`; infinite where no flip is possible.
        upper: distance `(batch,)` of `points`; infinite where none was found.
        points: inputs `(batch, d)` seen to flip, the sample itself where none was found.
    """

    lower: Tensor
    upper: Tensor
    points: Tensor


def linf_forms(forms: Tensor, movable: Tensor, box: Box, input_map: AffineMap | None = None) -> LinfForms:
    """One eigenvalue problem per pair of classes.

    Args:
        forms: symmetric forms `(classes, k, k)` float64.
        movable: features `(d,)` bool that may change.
        box: where adversarial inputs must stay.
        input_map: what turns the features into the `k` encoded values; None: nothing does, `d = k`.

    Raises:
        ConditionsError: the map is constant.
    """
    lifted, index = LiftedForms.of(forms, input_map), movable.nonzero()[:, 0]
    shifts: dict[tuple[int, int], PairShift] = {}
    for own in range(len(forms)):
        for other in range(own):
            form, doubt = lifted.pair(own, other)
            shift = pair_shift(form[index][:, index])
            shifts[own, other], shifts[other, own] = shift, shift.reversed(doubt)
    low, high = box.lower.to(forms), box.upper.to(forms)
    if lifted.input_map is not None:
        low, high = (end[0] for end in image_ends(lifted.input_map, low[None], high[None]))
    positive = frozenset(pair for pair in shifts if positive_by_signs(forms[pair[0]] - forms[pair[1]], low, high))
    return LinfForms(lifted=lifted, movable=index, shifts=shifts, positive=positive)


def nearest_linf_flips(
    prepared: LinfForms,
    x: Tensor,
    y: Tensor,
    box: Box,
    generator: torch.Generator,
    *,
    target: Tensor | None = None,
    search: LinfSearch | None = None,
) -> LinfFlips:
    """Bracket the radius of every sample.

    Args:
        prepared: from `linf_forms`, with the same box.
        x: inputs `(batch, d)` float64, none encoded as zero.
        y: true classes `(batch,)`; a sample that is misclassified or tied has radius 0.
        box: where adversarial inputs must stay.
        generator: draws random starts.
        target: class `(batch,)` that must win, None for any. `lower` is then where it first passes the true class.
        search: how much work; None: the defaults.

    Example:
        >>> forms = torch.diag_embed(torch.tensor([[1.0, 0.0], [0.0, 1.0]]).double())
        >>> box = Box.uniform(0.0, 1.0, features=2)
        >>> prepared = linf_forms(forms, torch.tensor([True, True]), box)
        >>> x, y = torch.tensor([[0.9, 0.3]]).double(), torch.tensor([0])
        >>> flips = nearest_linf_flips(prepared, x, y, box, torch.Generator())
        >>> round(flips.lower.item(), 4), round(flips.upper.item(), 4)
        (0.3, 0.3)
    """
    search = LinfSearch() if search is None else search
    book = _Book(prepared, x, y, target, box)
    rivals = book.rivals()
    near = torch.full_like(book.certified, torch.inf)
    for rows, other, problem in _problems(book, rivals):
        near[rows, other] = problem.linear_radius()
    nearest = torch.nn.functional.one_hot(near.argmin(dim=1), near.shape[1]).bool()
    for chosen in (rivals & nearest, rivals & ~nearest):
        for rows, other, problem in _problems(book, chosen):
            _bracket(book, rows, other, problem, generator, search)
    if search.nodes > 0:
        for rows, other, problem in _problems(book, book.certified < book.upper[:, None] * (1 - search.gap)):
            _raise(book, rows, other, problem, search)
    lower = torch.minimum(book.certified.amin(dim=1), book.upper)
    return LinfFlips(
        lower=lower.masked_fill(~book.standing, 0.0),
        upper=book.upper.masked_fill(~book.standing, 0.0),
        points=book.points,
    )


class _Book:
    """What is known so far: a certified radius per sample and rival, the nearest flip per sample."""

    def __init__(self, prepared: LinfForms, x: Tensor, y: Tensor, target: Tensor | None, box: Box) -> None:
        self.prepared, self.x, self.y, self.target, self.box = prepared, x, y, target, box
        scores = prepared.lifted.scores(x)
        self.standing = _margin(scores, y) > 0
        self.certified = torch.full_like(scores, torch.inf)
        self.upper = torch.full_like(scores[:, 0], torch.inf)
        self.points = x.clone()

    def rivals(self) -> Tensor:
        """Pairs `(batch, classes)` bool of samples that stand and classes that may win."""
        classes = torch.arange(self.certified.shape[1])
        wanted = classes != self.y[:, None] if self.target is None else classes == self.target[:, None]
        return wanted & self.standing[:, None]

    def note(self, rows: Tensor, found: LinfPoints) -> None:
        """Keep the steps that flip by the forms and are shorter than what was known."""
        points, movable = self.x[rows], self.prepared.movable
        moved = points[:, movable] + found.steps
        lowest, highest = self.box.lower.to(moved)[movable], self.box.upper.to(moved)[movable]
        points[:, movable] = torch.minimum(torch.maximum(moved, lowest), highest)
        length = (points - self.x[rows]).abs().amax(dim=1)
        seen = torch.isfinite(found.radius) & (length < self.upper[rows])
        rows, points, length = rows[seen], points[seen], length[seen]
        # A point encoded as zero has no scores, and no comparison with them holds.
        scores = self.prepared.lifted.scores(points)
        flips = _margin(scores, self.y[rows]) <= 0
        if self.target is not None:
            flips = _margin(scores, self.target[rows]) >= 0
        self.upper[rows[flips]], self.points[rows[flips]] = length[flips], points[flips]


def _problems(book: _Book, chosen: Tensor) -> Iterator[tuple[Tensor, int, LinfProblem]]:
    """Samples, rival and margins of each pair of classes with a chosen `(batch, classes)` sample."""
    for (own, other), shift in book.prepared.shifts.items():
        rows = (chosen[:, other] & (book.y == own)).nonzero()[:, 0]
        if (own, other) in book.prepared.positive:
            # What is proved of the box says nothing of a sample that lies a rounding outside.
            rows = rows[~book.box.contains(book.x[rows])]
        if len(rows) == 0:
            continue
        lifted = book.prepared.lifted
        form, doubt = lifted.pair(own, other)
        pair = pair_form(form, book.prepared.movable, shift)
        yield rows, other, problem_of(pair, lifted.points(book.x[rows]), lifted.box(book.box), doubt)


def _bracket(
    book: _Book, rows: Tensor, other: int, problem: LinfProblem, generator: torch.Generator, search: LinfSearch
) -> None:
    """Descents where no flip is known, the relaxation's radius below the nearest flip, descents from its minimiser."""
    risky = (~problem.always_positive()).nonzero()[:, 0]
    rows, problem = rows[risky], problem.take(risky)
    guess = torch.zeros_like(problem.slope)
    fresh = torch.isinf(book.upper[rows]).nonzero()[:, 0]
    if len(fresh):
        part = problem.take(fresh)
        radius = torch.minimum(1.5 * part.linear_radius(), part.reach())
        for start in starts(part, radius, search.starts, generator):
            found = descend(part, start, radius, finest=search.finest)
            guess[fresh] = found.steps
            book.note(rows[fresh], found)
        # Among the corners of the smaller ball another may be lowest.
        radius = torch.minimum(book.upper[rows[fresh]], part.reach()) * (1 - search.finest)
        for start in starts(part, radius, 0, generator) if bool(torch.isfinite(radius).all()) else ():
            book.note(rows[fresh], descend(part, start, radius, finest=search.finest, grow=False))

    far = _FAR * torch.maximum(book.x[rows].abs().amax(dim=1), problem.linear_radius())
    limit = torch.minimum(problem.reach(), far)
    known = book.upper[rows] <= limit
    ceiling = torch.where(known, book.upper[rows] * (1 - 0.5 * search.gap), limit)
    relaxed = relaxed_radius(problem, ceiling, guess, tolerance=search.tolerance)
    book.certified[rows, other] = torch.where(relaxed.lower >= problem.reach(), torch.inf, relaxed.lower)

    tight = (known & (relaxed.lower < ceiling)).nonzero()[:, 0]
    part, radius = problem.take(tight), book.upper[rows[tight]] * (1 - search.finest)
    book.note(rows[tight], descend(part, relaxed.steps[tight], radius, finest=search.finest, grow=False))


def _raise(book: _Book, rows: Tensor, other: int, problem: LinfProblem, search: LinfSearch) -> None:
    reach, upper = problem.reach(), book.upper[rows]
    # Where no flip is known the first question is about the whole box.
    known = torch.where(torch.isfinite(upper), upper, reach * (1 + search.gap))
    finite = torch.isfinite(known).nonzero()[:, 0]
    rows, problem, known, reach = rows[finite], problem.take(finite), known[finite], reach[finite]
    raised = branched_radius(problem, book.certified[rows, other], known, gap=search.gap, nodes=search.nodes)
    book.certified[rows, other] = torch.where(raised.lower >= reach, torch.inf, raised.lower)
    book.note(rows, raised.points)


def _margin(scores: Tensor, own: Tensor) -> Tensor:
    others = scores.scatter(1, own[:, None], -torch.inf)
    return scores.gather(1, own[:, None])[:, 0] - others.amax(dim=1)
