"""Exact radii of angle-encoded classifiers with few features, by branch and bound."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from counterspin.certificates.base import Assumptions, Certificate, Radii, Task
from counterspin.certificates.bernstein import margin_radii
from counterspin.certificates.margins import noise_assumed, score_observables
from counterspin.certificates.rounding import angle_rounding
from counterspin.certificates.score_polynomials import (
    ScoreSpectrum,
    gradient_scores,
    score_polynomials,
    score_spectrum,
)
from counterspin.certificates.search_domain import SearchDomain, search_domain
from counterspin.errors import ConditionsError, UsageError
from counterspin.optimum.branching import Bracket, Expand, branch_and_bound
from counterspin.optimum.expansions import bernstein_expansion, polynomial_expansion
from counterspin.optimum.multivariate import Polynomials
from counterspin.optimum.races import Race, race_of
from counterspin.optimum.roots import nearest_crossing
from counterspin.threats import ThreatModel
from counterspin.validation import checked_scores

__all__ = ["MAX_FEATURES", "BranchAndBoundCertificate"]

MAX_FEATURES = 6
_EXACT_GAP = 1e-6
# Of simulated scores, relative to their range.
_ROUNDING = 1e-12
# Cells per call at most, and numbers per call that keep memory to some hundred MiB.
_CELLS, _NUMBERS = 1024, 2**22
# Of the largest budget: a search that ends there ends farther beyond it than float32 or a figure tells numbers apart.
_PAST = 1e-3
_STOPS = "searched up to the largest budget: radii beyond it are lower bounds"


@dataclass(frozen=True, kw_only=True, eq=False)
class _Prepared:
    spectrum: ScoreSpectrum
    fixed: Tensor  # features (features,) bool that stay put and on which the scores may depend
    polynomials: Polynomials | None  # where they are the same for all samples
    lowest: Tensor  # of each difference of two scores (classes, classes), whatever the features
    highest: Tensor


@dataclass(frozen=True, kw_only=True)
class BranchAndBoundCertificate(Certificate):
    r"""Distance to the nearest input that flips the prediction, for at most six features that enter gate angles.

    Scores of angle-encoded circuits are trigonometric polynomials of the features (arXiv:2008.08605), with any
    re-uploading, any noise between the gates and a linear head. Their coefficients follow from a grid of scores; cells
    of the feature space are then proved or divided with exact second derivatives and Bernstein's inequality for what
    is left (`counterspin.optimum.expansions`), nearest first, until the bracket closes. Where the polynomial has too
    many terms, gradients of the model and the bandwidth take their place. One feature: the roots of the polynomial,
    proved by steps that never overstep.

    Box and mask are used exactly. A feature on a circle moves up to half its period to either side. To our knowledge
    exact radii of angle-encoded classifiers by branch and bound are new.

    Args:
        tolerance: relative gap at which a sample is done; radii count as exact below 1e-6.
        nodes: cells per sample at most; the bracket holds wherever the search ends.
        stop_at_budgets: whether a sample is done once nothing within the largest budget of the threat flips it. Such a
            radius is a lower bound a little above that budget, and not exact.

    Example:
        >>> from counterspin.circuits import PauliExpectations, angle_encoding
        >>> from counterspin.models import QuantumClassifier
        >>> from counterspin.threats import Linf
        >>> from counterspin.types import Box
        >>> box = Box.uniform(0.0, 3.0, features=2)
        >>> model = QuantumClassifier(angle_encoding(2), PauliExpectations.of("Z0 Z1", "X0"), box)
        >>> result = BranchAndBoundCertificate()(model, [[0.1, 0.2]], [0], Linf(0.1))
        >>> bool(result.exact.all())
        True
    """

    name: ClassVar[str] = "branch-and-bound"
    requires: ClassVar[tuple[str, ...]] = ("circuit", "gradient")
    block: ClassVar[int | None] = 32

    tolerance: float = 5e-7
    nodes: int = 50_000
    stop_at_budgets: bool = False

    def __post_init__(self) -> None:
        """Refuse settings that mean nothing."""
        if not 0 < self.tolerance < 1:
            raise UsageError(f"tolerance is {self.tolerance}; give a relative gap between 0 and 1, for example 1e-6.")
        if self.nodes < 1:
            raise UsageError(f"nodes is {self.nodes}; give at least 1 cell per sample.")

    def _prepare(self, model: Any, threat: ThreatModel) -> _Prepared:
        features = model.bounds.features
        movable = threat.constraints.movable(features)
        if bool((movable & threat.constraints.discrete(features)).any()) or any(movable[t[0]] for t in threat.tied):
            raise ConditionsError(
                "certificate branch-and-bound divides intervals of single features, and the threat has discrete or "
                "tied ones; use certificate exhaustive where every feature is discrete, or mask them."
            )
        spectrum = score_spectrum(model, movable)
        if len(spectrum.features) > MAX_FEATURES:
            raise ConditionsError(
                f"certificate branch-and-bound searches at most {MAX_FEATURES} features; the scores depend on "
                f"{len(spectrum.features)} that the attacker may change. Mask some, or use certificate bernstein."
            )
        polynomials = None
        if spectrum.frequencies and bool(movable.all()):
            # The scores do not depend on any other feature: those may stand anywhere.
            polynomials = score_polynomials(model, spectrum, torch.zeros(features, dtype=torch.float64))
        lowest, highest = score_observables(model).extremes
        return _Prepared(spectrum=spectrum, fixed=~movable, polynomials=polynomials, lowest=lowest, highest=highest)

    def _radii(self, model: Any, prepared: _Prepared, task: Task) -> Radii:
        active = torch.tensor(prepared.spectrum.features, dtype=torch.long)
        domain = self._domain(prepared.spectrum, task)
        race = race_of(task.y, task.target, model.classes)
        stands = race.margin(checked_scores(model, task.x)) > 0
        lower = torch.where(stands, domain.limit, 0.0)
        points = task.x.clone()
        for rows in _alike(task.x[:, prepared.fixed], stands) if len(active) else ():
            polynomials = prepared.polynomials
            if polynomials is None and prepared.spectrum.frequencies is not None:
                polynomials = score_polynomials(model, prepared.spectrum, task.x[rows[0]])
            numbers = 1 if polynomials is None else 1 + polynomials.cosine.numel()
            for part in rows.split(max(1, min(_CELLS, _NUMBERS // numbers))):
                bracket = self._bracket(model, prepared, polynomials, task, part, domain, race)
                lower[part] = torch.minimum(bracket.lower, domain.limit[part])
                points[part[:, None], active] += bracket.offsets
        points = torch.where(task.box.periodic, points, task.box.clamp(points))
        # The model has the last word on its own flips: a point it does not lose at proves nothing.
        lost = race.margin(checked_scores(model, points)) <= 0
        distance = torch.linalg.vector_norm(points - task.x, ord=task.threat.order, dim=1)
        upper = distance.where(lost, torch.inf)
        closed = torch.isfinite(upper) & (upper - lower <= _EXACT_GAP * upper)
        return Radii(
            lower=torch.minimum(lower, upper),
            upper=upper,
            exact=closed | torch.isinf(lower),
            assumptions=Assumptions(
                noise=noise_assumed(model),
                box="none" if task.box.is_unbounded else "used",
                notes=domain.notes,
            ),
            points=torch.where(lost[:, None], points, task.x),
        )

    def _domain(self, spectrum: ScoreSpectrum, task: Task) -> SearchDomain:
        domain = search_domain(spectrum, task)
        if not (self.stop_at_budgets and spectrum.features):
            return domain
        reach = task.threat.radii(task.x)[-1] * (1 + _PAST)
        # A budget of 0, that of an input without length in relative units, ends nothing.
        return domain.within(reach.where(reach > 0, torch.inf), _STOPS)

    def _bracket(
        self,
        model: Any,
        prepared: _Prepared,
        polynomials: Polynomials | None,
        task: Task,
        rows: Tensor,
        domain: SearchDomain,
        race: Race,
    ) -> Bracket:
        """The search for samples `rows` that share `polynomials`, or for which none can be fitted."""
        spectrum, lowest, highest = prepared.spectrum, prepared.lowest, prepared.highest
        race, low, high = race.take(rows), domain.low[rows], domain.high[rows]
        start, cells = task.x[rows][:, list(spectrum.features)], _CELLS
        span = float((highest - lowest).max())
        # Of the model's angles and, once more, of the phases that stand in for them.
        turned = 2 * float(angle_rounding(model, task.x[rows]).max())
        beyond = (_ROUNDING + turned) * span
        if polynomials is None:
            scores = gradient_scores(model, spectrum, task.x[rows])
            expand = bernstein_expansion(
                scores,
                start,
                race,
                bandwidth=spectrum.bandwidth,
                lowest=lowest,
                highest=highest,
                rounding=_ROUNDING + turned,
            )
        else:
            polynomials = replace(polynomials, rounding=polynomials.rounding + turned * span)
            beyond = max(beyond, 4 * float(polynomials.rounding.max()))
            if len(spectrum.features) == 1:
                lower, upper, offsets = nearest_crossing(polynomials, start, race, low, high, beyond=beyond)
                return Bracket(lower=lower, upper=upper, offsets=offsets, nodes=torch.ones_like(rows))
            expand = polynomial_expansion(polynomials, start, race)
            cells = max(32, min(_CELLS, _NUMBERS // (1 + polynomials.cosine.numel())))
        return branch_and_bound(
            expand,
            low,
            high,
            norm=task.threat.norm,
            rule=race.rule,
            stiffness=spectrum.bandwidth,
            tolerance=self.tolerance,
            nodes=self.nodes,
            batch=cells,
            beyond=beyond,
            known=_bernstein(expand, start, race, prepared, task.threat.norm, beyond),
            limit=domain.limit[rows],
        )


def _bernstein(expand: Expand, start: Tensor, race: Race, prepared: _Prepared, norm: str, error: float) -> Tensor:
    """Radii `(samples,)` from values and gradients at the samples: at once exact where one factor alone decides."""
    nowhere = torch.zeros_like(start)
    here = expand(torch.arange(len(start)), nowhere, nowhere)
    dual = {"linf": 1.0, "l2": 2.0, "l1": torch.inf}[norm]
    slopes = torch.linalg.vector_norm(here.gradient, ord=dual, dim=-1)
    band = torch.linalg.vector_norm(prepared.spectrum.bandwidth, ord=dual)
    low, high = (end[race.winners, race.losers] for end in (prepared.lowest, prepared.highest))
    error = _ROUNDING + error / float(((high - low) / 2).min().clamp(min=torch.finfo(start.dtype).tiny))
    radii = margin_radii(here.value, slopes, band, low, high, error=error)
    return radii.amin(dim=1) if race.rule == "min" else radii.amax(dim=1)


def _alike(fixed: Tensor, stands: Tensor) -> Iterator[Tensor]:
    """Indices of the samples to be searched, in groups whose fixed features `(batch, fixed)` are equal."""
    rows = stands.nonzero()[:, 0]
    if not fixed.shape[1]:
        yield from (rows,) if len(rows) else ()
        return
    group = torch.unique(fixed[rows], dim=0, return_inverse=True)[1]
    yield from (rows[group == number] for number in range(int(group.max()) + 1 if len(rows) else 0))
