"""What the section about noise measures, and what it has found of one condition."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.certificates import Certificate
from counterspin.evaluation.clean import CleanVerdict
from counterspin.evaluation.noise_modes import ModeOutcome
from counterspin.evaluation.run_store import RunStore
from counterspin.evaluation.seeds import derived_generator
from counterspin.models.conditioned import Conditioned, ModelVariant
from counterspin.models.sampled import SampledModel
from counterspin.threats import ThreatModel
from counterspin.types import Classifier

__all__ = ["HARDWARE_SAMPLES", "SAMPLES", "ConditionsTask", "Examined", "measured_model"]

# Samples of the section by tier, and those of them that are attacked by shifted circuits.
SAMPLES = {"quick": 100, "standard": 200, "paper": 500}
HARDWARE_SAMPLES = {"quick": 4, "standard": 8, "paper": 16}

# Shots of the hardware-valid attack where nobody says how many.
_SHOTS = 1024


@dataclass(frozen=True, kw_only=True, eq=False)
class ConditionsTask:
    """What is measured.

    Args:
        conditioned: the model under each condition.
        x: samples `(batch, features)` float64.
        y: labels `(batch,)`.
        threat: the attacker.
        tier: of the audit.
        seed: of the audit.
        certificates: what is tried to prove under each condition.
        store: the run directory.
        announce: called with a label before each stage.
        paying: the same classifier, its calls paid from the audit's execution budget.
        whole: whether these are all samples of the run, so that what it holds of the last condition holds here.
    """

    conditioned: Conditioned
    x: Tensor
    y: Tensor
    threat: ThreatModel
    tier: str
    seed: int
    certificates: Sequence[Certificate]
    store: RunStore
    announce: Callable[[str], None]
    paying: Callable[[Classifier], Classifier]
    whole: bool

    def generator(self, *labels: object) -> torch.Generator:
        """A random stream of one stage."""
        return derived_generator(self.seed, "noise conditions", *labels)


@dataclass(frozen=True, kw_only=True, eq=False)
class Examined:
    """One condition, measured.

    Args:
        variant: the condition.
        clean: its clean verdicts.
        outcomes: by mode.
    """

    variant: ModelVariant
    clean: CleanVerdict
    outcomes: dict[str, ModeOutcome]

    def standing(self, mode: str, place: int) -> Tensor:
        """Samples correct and unbroken `(batch,)` at the `place`-th ε."""
        return self.clean.correct & ~self.outcomes[mode].fallen[place]


def measured_model(model: Classifier, seed: int) -> SampledModel:
    """The model as a hardware-valid attack meets it: read with finite shots, its own ones where it has some.

    Example:
        >>> from counterspin import recipes
        >>> measured_model(recipes.get("cancer-angle").model(), 0).shots
        1024
    """
    return model if isinstance(model, SampledModel) else SampledModel(model, shots=_SHOTS, seed=seed)
