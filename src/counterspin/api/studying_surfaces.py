"""`counterspin study hybrid`: where in a model a fixed budget hurts most."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from counterspin.api.study_files import write_study
from counterspin.api.subjects import checked_subject, run_name, silent
from counterspin.errors import UsageError
from counterspin.evaluation.analysis.hybrid_study import HybridStudySettings, hybrid_config, run_hybrid_study
from counterspin.evaluation.analysis.study_record import StudyRecord
from counterspin.evaluation.run_store import RunStore
from counterspin.threats import ThreatModel
from counterspin.types import Box

__all__ = ["study_hybrid"]


def study_hybrid(
    model: Any,
    x: Any,
    y: Any,
    threat: ThreatModel,
    *,
    budget: float = 0.01,
    budgets: Sequence[float] = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3),
    steps: int = 30,
    restarts: int = 2,
    seed: int = 0,
    bounds: Box | tuple[float, float] | None = None,
    out: str | Path | None = None,
    runs: str | Path = "runs",
    name: str | None = None,
    dataset: dict[str, Any] | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> StudyRecord:
    """Attack every part of a model with the same relative budget.

    The directory gets `study.json`, a CSV file per table and `study.html`, one offline page with the figures. The same
    call resumes an interrupted study.

    Args:
        model: a noiseless classifier that ends in one circuit.
        x: samples `(batch, features)`.
        y: labels `(batch,)`.
        threat: the attacker on features, for example `cs.Linf(0.05, 0.1)`.
        budget: the relative budget that single numbers are about.
        budgets: relative budgets of the curves.
        steps: gradients per start.
        restarts: starts per sample.
        seed: of every random stream.
        bounds: lowest and highest value of a feature, for a model of another library.
        out: the directory; None: one of its own in `runs`.
        runs: see `out`.
        name: name of the model on the page.
        dataset: what the record says of the data.
        progress: called with a label, and zeros: how many surfaces there are is known at the end.

    Raises:
        CapabilityError: the model shows no circuit.
        InputError: data that cannot be used, or no sample is classified correctly.
        UsageError: options that make no sense, or `out` holds another run.
        StorageError: the disk refused, or the directory is damaged.
    """
    if not isinstance(threat, ThreatModel):
        raise UsageError(f"threat is {threat!r}; give a threat model, for example cs.Linf(0.05, 0.1).")
    levels = tuple(sorted({float(budget), *(float(level) for level in budgets)}))
    if not all(0 < level <= 1 for level in levels):
        raise UsageError(f"budgets are {', '.join(f'{level:g}' for level in levels)}; give shares above 0, at most 1.")
    if steps < 2 or restarts < 1:
        raise UsageError(f"steps is {steps} and restarts {restarts}; give at least 2 steps and 1 restart.")
    subject = checked_subject(model, x, y, threat, name=name, dataset=dataset, bounds=bounds)
    settings = HybridStudySettings(budget=float(budget), budgets=levels, steps=steps, restarts=restarts, seed=seed)
    config = hybrid_config(subject, threat, settings)
    directory = Path(out) if out is not None else Path(runs) / run_name(f"{subject.model_card['name']}-hybrid", config)
    show = progress or silent
    done = 0

    def announce(label: str) -> None:
        nonlocal done
        show(label, done, 0)
        done += 1

    with RunStore(directory, config) as store:
        record = run_hybrid_study(subject, threat, settings, store, announce)
    from counterspin.report.studies import render_any_study  # here: the charts' library takes long to import

    write_study(directory, record.to_json(), record.tables, render_any_study(record))
    return record
