"""What the surfaces of a model give away, as rows in common units, and what that says."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from scipy.stats import wilcoxon
from torch import Tensor

from counterspin.evaluation.analysis.study_record import StudyFinding
from counterspin.evaluation.analysis.surface_points import SurfacePoint, SurfaceTask
from counterspin.evaluation.statistics import holm, mcnemar, measured_mean, measured_median, measured_share

__all__ = ["Measurement", "hybrid_findings", "margin_lost", "surface_row"]

_CLEAR = 0.05


@dataclass(frozen=True, kw_only=True, eq=False)
class Measurement:
    """One surface and what was measured of it.

    Args:
        name: of the surface.
        numbers: how many it has.
        scale: what a budget is a share of.
        point: what attacks reached.
        discrete: one gate more or less, and no share of anything: its only budget is one.
    """

    name: str
    numbers: int
    scale: str
    point: SurfacePoint
    discrete: bool = False

    def at(self, place: int) -> int:
        """The row of the budget at `place`."""
        return 0 if self.discrete else place


def margin_lost(clean: Tensor, margins: Tensor) -> Tensor:
    """Share of the mean clean margin that each correct sample loses `(correct,)`; their mean is 1 where all break.

    Example:
        >>> import torch
        >>> margin_lost(torch.tensor([1.0, 3.0, -1.0]), torch.tensor([0.5, -2.0, -1.0])).tolist()
        [0.25, 1.5]
    """
    correct = clean > 0
    lost = (clean - margins.clamp(min=0)).clamp(min=0)[correct]
    return lost / clean[correct].mean()


def surface_row(task: SurfaceTask, entry: Measurement, place: int) -> dict[str, Any]:
    """The row of one surface at the budget at `place`."""
    correct, point = task.clean > 0, entry.point
    row = entry.at(place)
    generator = task.generator("intervals", entry.name)

    def accuracy(margins: Tensor) -> dict[str, Any]:
        return measured_share(int((correct & (margins > 0)).sum()), len(task.y)).model_dump()

    half = measured_median(point.distance[correct], generator=generator)
    first = float((task.clean / point.slope)[correct].median()) if len(point.slope) else None
    together = point.shared[row] if len(point.shared) else None
    return {
        "surface": entry.name,
        "numbers": entry.numbers,
        "scale": entry.scale,
        "budget": 1 / entry.numbers if entry.discrete else task.budgets[place],
        "margin_lost": measured_mean(_ratio(task.clean, point.margins[row]), generator=generator).model_dump(),
        "accuracy": accuracy(point.margins[row]),
        "half_broken": None if half is None or entry.discrete else half.model_dump(),
        "half_broken_first_order": first if first is not None and math.isfinite(first) else None,
        "margin_lost_shared": None
        if together is None
        else measured_mean(_ratio(task.clean, together), generator=generator).model_dump(),
        "accuracy_shared": None if together is None else accuracy(together),
    }


def _ratio(clean: Tensor, margins: Tensor) -> Tensor:
    """Values `(correct,)` whose mean is that of the losses, and whose spread is that of a ratio of two means."""
    lost, own = margin_lost(clean, margins), clean[clean > 0]
    return lost - lost.mean() * (own / own.mean() - 1)


def hybrid_findings(task: SurfaceTask, found: list[Measurement], place: int) -> list[StudyFinding]:
    """Which surface is most exposed, whether a gradient could have told, and what one change for all can do."""
    smooth = [entry for entry in found if not entry.discrete]
    tests = [_most_exposed(task, smooth), _features_or_angles(task, smooth, place)]
    tests += [_shared(task, entry, place) for entry in smooth if entry.name == "gate angles"]
    tests += [_one_gate(task, entry) for entry in found if entry.discrete]
    known = [test for test in tests if test is not None]
    adjusted = holm([p for _, p in known])
    return [
        finding.model_copy(update={"significant": p < _CLEAR}) for (finding, _), p in zip(known, adjusted, strict=True)
    ]


_Tested = tuple[StudyFinding, float]


def _median(task: SurfaceTask, entry: Measurement) -> float:
    return float(entry.point.distance[task.clean > 0].median())


def _most_exposed(task: SurfaceTask, entries: list[Measurement]) -> _Tested:
    ranked = sorted(entries, key=lambda entry: _median(task, entry))
    first, second = ranked[0], ranked[1]
    steep = [entry for entry in entries if len(entry.point.slope)]
    guess = min(steep, key=lambda entry: float((task.clean / entry.point.slope)[task.clean > 0].median()))
    # Judged where about half of the samples of the most exposed surface are broken: elsewhere there is little to see.
    broken = [float((margins <= 0)[task.clean > 0].double().mean()) for margins in first.point.margins]
    row = min(range(len(broken)), key=lambda index: abs(broken[index] - 0.5))
    order = ", ".join(f"{entry.name} {_share(_median(task, entry))}" for entry in ranked)
    p = _paired(task, first.point.margins[row], second.point.margins[row])
    finding = StudyFinding(
        about="most exposed surface",
        expected=f"the surface with the steepest margin per unit of budget, {guess.name}",
        found=f"{first.name}; relative budgets that break half of the samples: {order} (p {p:.2g} between the first "
        f"two at {task.budgets[row]:g})",
        significant=None,
    )
    return finding, p


def _features_or_angles(task: SurfaceTask, entries: list[Measurement], place: int) -> _Tested | None:
    by_name = {entry.name: entry for entry in entries}
    features, angles = by_name["features"], by_name.get("gate angles")
    if angles is None:
        return None
    first, second = (margin_lost(task.clean, entry.point.margins[place]) for entry in (features, angles))
    p = _signed_ranks(first, second)
    finding = StudyFinding(
        about="features against gate angles",
        expected="equal damage from an equal relative budget, the null hypothesis",
        found=f"at {task.budgets[place]:g} the features lose {_percent(first)} of the margin, the gate angles "
        f"{_percent(second)} (p {p:.2g})",
        significant=None,
    )
    return finding, p


def _shared(task: SurfaceTask, entry: Measurement, place: int) -> _Tested:
    own = margin_lost(task.clean, entry.point.margins[place])
    together = margin_lost(task.clean, entry.point.shared[place])
    p = _signed_ranks(own, together)
    finding = StudyFinding(
        about="one change of the gate angles for all samples",
        expected="weaker than a change made for each sample",
        found=f"at {task.budgets[place]:g} one change loses {_percent(together)} of the margin, one per sample "
        f"{_percent(own)} (p {p:.2g})",
        significant=None,
    )
    return finding, p


def _one_gate(task: SurfaceTask, entry: Measurement) -> _Tested:
    own, together = entry.point.margins[0], entry.point.shared[0]
    p = _paired(task, own, together)
    correct = task.clean > 0
    shares = [float((margins <= 0)[correct].double().mean()) for margins in (own, together)]
    finding = StudyFinding(
        about="one faulty gate",
        expected="a fault chosen for each sample breaks more than one that stays",
        found=f"the worst fault for each sample breaks {shares[0]:.1%} of the correct samples, the worst permanent one "
        f"{shares[1]:.1%} (p {p:.2g})",
        significant=None,
    )
    return finding, p


def _paired(task: SurfaceTask, first: Tensor, second: Tensor) -> float:
    correct = task.clean > 0
    a, b = (first <= 0) & correct, (second <= 0) & correct
    return mcnemar(int((a & ~b).sum()), int((b & ~a).sum()))


def _signed_ranks(first: Tensor, second: Tensor) -> float:
    """Two-sided p-value of Wilcoxon's signed-rank test on paired losses; 1 where none differ."""
    change = first - second
    if not bool((change != 0).any()):
        return 1.0
    result: Any = wilcoxon(change.numpy())
    return float(result.pvalue)


def _percent(losses: Tensor) -> str:
    return f"{float(losses.mean()):.1%}"


def _share(value: float) -> str:
    return f"{value:.2g}" if math.isfinite(value) else "not reached"
