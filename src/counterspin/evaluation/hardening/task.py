"""What all stages of a hardening share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from counterspin.attacks import Attack
from counterspin.defenses.training.base import TrainingDefense
from counterspin.errors import UsageError
from counterspin.evaluation.audit import audit_config
from counterspin.evaluation.hardening.trainee import Trainee
from counterspin.evaluation.records import AuditRecord
from counterspin.evaluation.run_store import RunStore
from counterspin.evaluation.steps import Progress
from counterspin.evaluation.subject import AuditSettings, Subject
from counterspin.threats import ThreatModel
from counterspin.types import Classifier
from counterspin.versions import versions

__all__ = ["AFTER", "BEFORE", "DEFENDED", "ZERO", "Auditor", "HardenSettings", "HardenTask", "harden_config"]

BEFORE, AFTER, ZERO = "before", "after", "zero"
DEFENDED = "model"

# Audits the model in the directory of that name: the layer above does, since it writes the report too.
Auditor = Callable[[Classifier, str, str], AuditRecord]


@dataclass(frozen=True, kw_only=True)
class HardenSettings:
    """How the defence is trained and judged.

    Args:
        tier: of the audits.
        seed: of data, training and audits.
        epochs: instead of the recipe's; None: the recipe's.
        select: `"last"`: the last epoch is kept, as the recipes do, and nothing is held out; `"robust"`: the epoch of
            the highest robust accuracy on the validation samples.
        warm_start: a recipe is trained from the undefended weights, not from fresh ones.
        zero: whether the undefended model with a tuned logit scale is trained and audited.
        ablation: whether each part is left out once.
        attacks: instead of the tier's attacks.

    Raises:
        UsageError: a value that makes no training.
    """

    tier: str = "standard"
    seed: int = 0
    epochs: int | None = None
    select: Literal["last", "robust"] = "last"
    warm_start: bool = False
    zero: bool = True
    ablation: bool = True
    attacks: tuple[Attack, ...] | None = None

    def __post_init__(self) -> None:
        """Refuse what makes no training."""
        if self.epochs is not None and self.epochs < 1:
            raise UsageError(f"epochs is {self.epochs}; give a whole number from 1 upwards.")

    @property
    def audit(self) -> AuditSettings:
        """The settings of each audit."""
        return AuditSettings(tier=self.tier, seed=self.seed, attacks=self.attacks)


@dataclass(frozen=True, kw_only=True, eq=False)
class HardenTask:
    """One hardening.

    Args:
        trainee: model and data.
        parts: the parts of the defence.
        threat: the attacker of training and audits.
        settings: how it is trained and judged.
        subject: the samples of the audits, with the model that stands in for all of them.
        directory: of the run.
        store: the run directory, opened with `harden_config`.
        audit: audits a model.
        progress: called with a label, finished and total steps.
    """

    trainee: Trainee
    parts: tuple[TrainingDefense, ...]
    threat: ThreatModel
    settings: HardenSettings
    subject: Subject
    directory: Path
    store: RunStore
    audit: Auditor
    progress: Progress

    def place(self, label: str) -> Path:
        """The directory of a model: the defended one stands out, the others share one."""
        return self.directory / DEFENDED if label == DEFENDED else self.directory / "models" / label

    def undefended(self) -> Any:
        """The undefended model; training one shows in the progress."""
        if not self.trainee.committed:
            self.progress("training the undefended model", 0, 0)
        return self.trainee.undefended(self.place("undefended"))


def harden_config(
    trainee: Trainee,
    parts: Sequence[TrainingDefense],
    subject: Subject,
    threat: ThreatModel,
    settings: HardenSettings,
) -> dict[str, Any]:
    """The configuration that keys a run.

    Whether defence zero and the ablation are asked for is not part of it: they only add to what is there.
    """
    audit = audit_config(subject, threat, settings.audit)
    return {
        **{key: value for key, value in audit.items() if key != "engine"},
        "verb": "harden",
        "source": trainee.source,
        "training data": trainee.dataset.sha256,
        "defense": [part.to_json() for part in parts],
        "epochs": settings.epochs,
        "select": settings.select,
        "warm_start": settings.warm_start,
        "counterspin": versions()["counterspin"],
    }
