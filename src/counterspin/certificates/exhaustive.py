"""Exact radii under threats whose features are all discrete: every admissible point is looked at."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from counterspin.certificates.base import Assumptions, Certificate, Radii, Task
from counterspin.errors import ConditionsError, InputError
from counterspin.optimum.races import race_of
from counterspin.threats import Group, ThreatModel
from counterspin.types import Classifier
from counterspin.validation import checked_scores

__all__ = ["MAX_CHOICES", "ExhaustiveCertificate"]

MAX_CHOICES = 1_000_000
_ROWS = 4096  # points per call of the model


@dataclass(frozen=True, kw_only=True)
class ExhaustiveCertificate(Certificate):
    r"""Distance to the nearest admissible input that flips the prediction, where those are finitely many.

    .. math:: \prod_g (|V_g| + 1) \le 10^6 \qquad\text{or in L0}\qquad
        \sum_{|S| \le \varepsilon} \prod_{g \in S} |V_g| \le 10^6

    points per sample, one more choice per group for a clean value that is not listed. In L0 a threat with more points
    is searched up to its largest budget. It holds for every classifier, quantum or not.

    Example:
        >>> from counterspin.circuits import PauliExpectations, angle_encoding
        >>> from counterspin.models import QuantumClassifier
        >>> from counterspin.threats import L0
        >>> from counterspin.types import Box
        >>> box = Box.uniform(0.0, 3.0, features=2)
        >>> model = QuantumClassifier(angle_encoding(2), PauliExpectations.of("Z0 Z1", "X0"), box)
        >>> threat = L0(1, groups=tuple(Group(features=(i,), values=((0,), (2,))) for i in range(2)))
        >>> result = ExhaustiveCertificate()(model, [[0.0, 0.0]], [0], threat)
        >>> result.radius_lower.tolist(), result.exact.tolist()
        ([1.0], [True])
    """

    name: ClassVar[str] = "exhaustive"
    norms: ClassVar[tuple[str, ...]] = ("linf", "l2", "l1", "l0")

    def _prepare(self, model: Classifier, threat: ThreatModel) -> int:
        """How many groups may change at once."""
        features = model.bounds.features
        movable = threat.constraints.movable(features)
        if bool((movable & ~threat.constraints.discrete(features)).any()):
            raise ConditionsError(
                "certificate exhaustive needs every changeable feature to be discrete; list values in groups or mask "
                "the other features."
            )
        sizes = [len(group.values) for group in _changeable(threat)]
        if _choices(sizes, len(sizes)) <= MAX_CHOICES:
            return len(sizes)
        limit = int(threat.eps[-1]) if threat.norm == "l0" else len(sizes)
        if _choices(sizes, limit) > MAX_CHOICES:
            raise ConditionsError(
                f"certificate exhaustive looks at up to {MAX_CHOICES} points per sample and the threat allows "
                f"{_choices(sizes, limit)}; use a smaller budget in L0 or a narrower mask."
            )
        return limit

    def _radii(self, model: Classifier, prepared: int, task: Task) -> Radii:
        groups = _changeable(task.threat)
        race = race_of(task.y, task.target, model.classes)
        upper = torch.full((len(task.x),), torch.inf, dtype=torch.float64)
        points = task.x.clone()
        for rows in _alike(task.x, groups, prepared):
            base = task.x[rows[0]]
            for block in _blocks(groups, base, prepared):
                scores = _scores(model, block)
                for row in rows.tolist():
                    one = race.take(torch.tensor([row]).expand(len(block)))
                    size = task.threat.size(block - task.x[row]).where(one.margin(scores) <= 0, torch.inf)
                    nearest = size.argmin()
                    if float(size[nearest]) < float(upper[row]):
                        upper[row], points[row] = size[nearest], block[nearest]
        whole = prepared == len(groups)
        lower = upper if whole else upper.clamp(max=prepared + 1.0)
        notes = () if whole else (f"searched up to {prepared} changed features, the largest budget",)
        return Radii(
            lower=lower,
            upper=upper,
            exact=lower == upper,
            assumptions=Assumptions(
                model="scores", noise="any", box="used" if task.threat.box == "data" else "none", notes=notes
            ),
            points=points,
        )


def _scores(model: Classifier, points: Tensor) -> Tensor:
    """Scores of admissible points `(points, classes)`; a zero vector encodes no amplitudes, and the model says so."""
    try:
        return checked_scores(model, points)
    except InputError as error:
        raise ConditionsError(
            "certificate exhaustive looks at every admissible point, and the model takes one of them for no input "
            f"({str(error).rstrip('.')}); list values in groups of which every combination is one."
        ) from None


def _changeable(threat: ThreatModel) -> list[Group]:
    return [group for group in threat.groups if threat.mask is None or threat.mask[group.features[0]]]


def _choices(sizes: list[int], limit: int) -> int:
    """Points with at most `limit` groups away from a clean value that is not listed."""
    ways = [1]
    for size in sizes:
        ways = [a + size * b for a, b in zip([*ways, 0], [0, *ways], strict=True)]
    return sum(ways[: limit + 1])


def _unlisted(x: Tensor, group: Group) -> Tensor:
    """Samples `(batch,)` whose clean value is none of the group's."""
    listed = torch.tensor(group.values, dtype=x.dtype)
    return ~(x[:, None, list(group.features)] == listed).all(dim=2).any(dim=1)


def _alike(x: Tensor, groups: list[Group], limit: int) -> Iterator[Tensor]:
    """Indices of samples that reach the same points: through all groups, whatever their listed values are now."""
    key = x.clone()
    for group in groups if limit == len(groups) else ():
        listed = (~_unlisted(x, group)).nonzero()
        # No feature is infinite: the marker is no sample's clean value.
        key[listed, torch.tensor(group.features)] = math.inf
    number = torch.unique(key, dim=0, return_inverse=True)[1]
    yield from ((number == one).nonzero()[:, 0] for one in range(int(number.max()) + 1))


def _blocks(groups: list[Group], base: Tensor, limit: int) -> Iterator[Tensor]:
    """All points with at most `limit` groups away from `base` `(features,)`, in blocks `(<= 4096, features)`."""
    features = [torch.tensor(group.features) for group in groups]
    tables = [torch.tensor(group.values, dtype=base.dtype) for group in groups]
    if limit == len(groups):
        for place, group in enumerate(groups):
            if bool(_unlisted(base[None], group)):
                tables[place] = torch.cat([base[None, features[place]], tables[place]])
        subsets: Iterator[tuple[int, ...]] = iter([tuple(range(len(groups)))])
    else:
        subsets = itertools.chain.from_iterable(
            itertools.combinations(range(len(groups)), count) for count in range(limit + 1)
        )
    waiting: list[Tensor] = []
    for places in subsets:
        total = math.prod(len(tables[place]) for place in places)
        for begin in range(0, total, _ROWS):
            number = torch.arange(begin, min(begin + _ROWS, total))
            block = base.repeat(len(number), 1)
            for place in places:
                block[:, features[place]] = tables[place][number % len(tables[place])]
                number = number // len(tables[place])
            waiting.append(block)
            if sum(map(len, waiting)) >= _ROWS:
                yield torch.cat(waiting)
                waiting = []
    if waiting:
        yield torch.cat(waiting)
