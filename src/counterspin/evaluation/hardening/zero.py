"""Defence zero: the undefended recipe with its logit scale tuned on validation samples, audited like the defence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from counterspin.defenses.training.head_scale import scale_of
from counterspin.defenses.training.logit_scale import SCALES, tuned_scale
from counterspin.errors import CapabilityError, ConditionsError, UsageError
from counterspin.evaluation.hardening.record import ZeroScale
from counterspin.evaluation.hardening.task import ZERO, HardenTask
from counterspin.evaluation.hardening.training import settings_of
from counterspin.models import load_model, save_model

__all__ = ["Zero", "defence_zero"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Zero:
    """Defence zero, or why there is none.

    Args:
        model: the trained model, frozen; None: see `reason`.
        scale: its logit scale.
        tried: every scale that was tried, judged on validation samples.
        reason: one sentence; empty where there is a model.
    """

    model: Any
    scale: float | None = None
    tried: tuple[ZeroScale, ...] = ()
    reason: str = ""


def defence_zero(task: HardenTask, undefended: Any) -> Zero:
    """Tune and train defence zero, go on with an interrupted tuning, or read what an earlier start finished."""
    stored = task.store.stage("zero")
    if stored is None:
        stored = _tuned(task, undefended)
        task.store.save_stage("zero", stored)
    if stored["reason"]:
        return Zero(model=None, reason=stored["reason"])
    tried = tuple(ZeroScale.model_validate(line) for line in stored["tried"])
    return Zero(model=load_model(task.place(ZERO)), scale=stored["scale"], tried=tried)


def _tuned(task: HardenTask, undefended: Any) -> dict[str, Any]:
    if task.trainee.fresh is None:
        return {"reason": "The logit scale is tuned by training anew, which takes a recipe; a given model has none."}
    task.progress("tuning the logit scale of defence zero", 0, 0)
    try:
        found = tuned_scale(
            task.trainee.fresh,
            task.trainee.dataset,
            settings_of(task),
            task.threat,
            seed=task.settings.seed,
            # The recipe's own is among them, so that tuning can only help.
            scales=(*SCALES, round(scale_of(undefended), 6)),
            checkpoints=task.directory / "checkpoints" / ZERO,
        )
    except (CapabilityError, ConditionsError, UsageError) as error:
        return {"reason": str(error)}
    save_model(found.model, task.place(ZERO))
    tried = [{"scale": c.scale, "clean": c.clean_accuracy, "robust": c.robust_accuracy} for c in found.candidates]
    return {"scale": found.scale, "tried": tried, "reason": ""}
