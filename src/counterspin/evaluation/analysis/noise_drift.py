"""Drift: adversarial inputs made under the noise of one device or day, replayed under that of another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from counterspin.evaluation.analysis.noise_points import NoisyPoint, StudyTask, measured_point
from counterspin.evaluation.analysis.records import DriftCell, Finding
from counterspin.evaluation.clean import clean_verdict
from counterspin.evaluation.compare import paired_record
from counterspin.evaluation.measured import Measured
from counterspin.evaluation.noise_modes import replayed
from counterspin.evaluation.shelves import Shelf
from counterspin.evaluation.statistics import holm, measured_share
from counterspin.types import Classifier

__all__ = ["DriftSubject", "drift_cells", "drift_findings"]

_CLEAR = 0.05


@dataclass(frozen=True, kw_only=True, eq=False)
class DriftSubject:
    """The model under one noise.

    Args:
        name: of the device and day, or what was done to its noise.
        model: the classifier.
    """

    name: str
    model: Classifier


def drift_cells(task: StudyTask, subjects: Sequence[DriftSubject]) -> list[DriftCell]:
    """Every source against every target, at every ε; p-values adjusted together over all transfers.

    Only samples that are correct under the target's noise are counted.
    """
    points = [measured_point(task, f"drift-{place}", subject.model) for place, subject in enumerate(subjects)]
    raw = []
    for source, made in zip(subjects, points, strict=True):
        for target, own in zip(subjects, points, strict=True):
            same = source is target
            broken = own.broken if same else _replayed(task, subjects, source, target, made)
            correct = own.correct
            for place, eps in enumerate(task.threat.eps):
                transferred, anew = broken[place][correct], own.broken[place][correct]
                paired = None if same or not len(anew) else paired_record(transferred, anew)
                raw.append((source.name, target.name, eps, transferred, paired))
    adjusted = iter(holm([paired.p_value for *_, paired in raw if paired is not None]))
    return [
        DriftCell(
            source=source,
            target=target,
            eps=eps,
            samples=len(transferred),
            success=_share(transferred),
            own=None if paired is None else paired.model_copy(update={"p_holm": next(adjusted)}),
        )
        for source, target, eps, transferred, paired in raw
    ]


def drift_findings(cells: Sequence[DriftCell], eps: float) -> list[Finding]:
    """How much of an attack survives a change of the noise."""
    tested = [cell.own for cell in cells if cell.own is not None]
    clear = [paired for paired in tested if paired.p_holm is not None and paired.p_holm < _CLEAR]
    here = [cell for cell in cells if cell.own is not None and cell.eps == eps and cell.success is not None]
    if not here:
        return []
    gaps = [100 * (cell.own.second.value - cell.own.first.value) for cell in here if cell.own is not None]
    low, high = min(gaps), max(gaps)
    return [
        Finding(
            study="drift",
            expected="noise of another day or device moves the boundary little, so that replays break nearly as much "
            "as attacks made anew",
            found=f"at ε = {eps:g} a replay breaks between {low:.0f} and {high:.0f} points less than the target's own "
            f"attack over {len(here)} transfers; {len(clear)} of {len(tested)} paired tests differ after Holm",
            significant=bool(clear),
        )
    ]


def _replayed(
    task: StudyTask,
    subjects: Sequence[DriftSubject],
    source: DriftSubject,
    target: DriftSubject,
    made: NoisyPoint,
) -> Tensor:
    shelf, name = Shelf(task.store, "drift"), f"{subjects.index(source)}-{subjects.index(target)}"
    stored = shelf.tensors(name)
    if stored is None:
        task.announce(f"{source.name} on {target.name}")
        generator = task.generator("drift", name)
        clean = clean_verdict(target.model, task.x, task.y, generator=generator)
        found = replayed(target.model, made.x_adv, task.y, clean, generator, task.threat.targets(task.y))
        stored = {"broken": found.broken}
        shelf.save_tensors(name, stored)
    return stored["broken"]


def _share(mask: Tensor) -> Measured | None:
    return measured_share(int(mask.sum()), len(mask)) if len(mask) else None
