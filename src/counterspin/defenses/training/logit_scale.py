"""Defence zero: no defence at all, but a logit scale chosen on validation samples.

The scale of the logits during training decides how large a margin the loss asks for, and moves robust accuracy by tens
of points at nearly the same clean accuracy. A defence that does not beat this has shown nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from counterspin.datasets import Dataset, Split
from counterspin.defenses.training.head_scale import at_scale
from counterspin.defenses.training.selection import RobustAccuracy
from counterspin.errors import UsageError
from counterspin.threats import ThreatModel
from counterspin.training import CrossEntropyObjective, TrainingSettings, accuracy, fit

__all__ = ["SCALES", "Build", "ScaleCandidate", "TunedScale", "tuned_scale"]

Build = Callable[[torch.Generator, "float | None"], nn.Module]

SCALES = (1.0, 2.0, 5.0, 10.0, 20.0, 40.0)


@dataclass(frozen=True, kw_only=True)
class ScaleCandidate:
    """One scale that was tried.

    Args:
        scale: T.
        clean_accuracy: on the validation split.
        robust_accuracy: there, under the attack of `RobustAccuracy`.
    """

    scale: float
    clean_accuracy: float
    robust_accuracy: float


@dataclass(frozen=True, kw_only=True, eq=False)
class TunedScale:
    """The undefended model with its logit scale chosen.

    Args:
        scale: T.
        candidates: every scale that was tried.
        model: trained on train and validation with it, frozen and in evaluation mode.
        eps: the budget of the robust accuracies.
        max_loss: how much clean accuracy was given away at most.
    """

    scale: float
    candidates: tuple[ScaleCandidate, ...]
    model: Any
    eps: float
    max_loss: float

    def to_json(self) -> dict[str, Any]:
        """Everything but the model, as JSON values."""
        return {
            "scale": self.scale,
            "eps": self.eps,
            "max_loss": self.max_loss,
            "candidates": [
                {"scale": c.scale, "clean_accuracy": c.clean_accuracy, "robust_accuracy": c.robust_accuracy}
                for c in self.candidates
            ],
        }


def tuned_scale(
    build: Build,
    dataset: Dataset,
    settings: TrainingSettings,
    threat: ThreatModel,
    *,
    seed: int,
    scales: Sequence[float] = SCALES,
    max_loss: float = 0.02,
    selection: RobustAccuracy | None = None,
    checkpoints: Path | None = None,
    progress: bool = False,
) -> TunedScale:
    """Train with each scale on the train split, choose on the validation split, train again on both.

    Chosen is the scale of the highest robust validation accuracy among those whose clean validation accuracy is at most
    `max_loss` below the best one; of equals the one of the higher clean accuracy, then the smaller. The test split is
    not looked at.

    Args:
        build: an untrained model from a generator and a scale, as a recipe's `architecture`; where it ignores the
            scale, the head is set to it (`at_scale`).
        dataset: with a validation split.
        settings: of every training.
        threat: what robust accuracy is measured against.
        seed: of weights, order and attack; the same for all scales.
        scales: to try, each above 0; the recipe's own is worth adding.
        max_loss: clean accuracy that may be given away.
        selection: how robust accuracy is measured; None: APGD with 10 steps at the middle budget of `threat`.
        checkpoints: directory in which every training can be resumed; None: nothing is stored.
        progress: show a bar for each training.

    Raises:
        UsageError: no scales, or one that is not above 0.
        CapabilityError: a model without a head.
        ConditionsError: a threat that the attack cannot serve.
    """
    if not scales:
        raise UsageError("scales is empty; give at least one logit scale to try.")
    if not 0 <= max_loss < 1:
        raise UsageError(f"max_loss is {max_loss}; give the accuracy that may be lost, from 0 to below 1.")
    scales = sorted(set(map(float, scales)))
    measure = RobustAccuracy(threat=threat, seed=seed) if selection is None else selection
    for scale in scales:
        probe: Any = build(torch.Generator().manual_seed(seed), scale)
        with at_scale(probe, scale):
            measure.check(probe)

    def trained(scale: float, split: Split, name: str) -> Any:
        generator = torch.Generator().manual_seed(seed)
        model = build(generator, scale)
        with at_scale(model, scale):
            fit(
                model,
                CrossEntropyObjective(),
                split,
                None,
                settings,
                generator=generator,
                checkpoint=None if checkpoints is None else checkpoints / f"{name}.safetensors",
                progress=progress,
            )
        return model.requires_grad_(False).eval()

    candidates = []
    for scale in scales:
        model = trained(scale, dataset.train, f"scale-{scale:g}")
        stream = torch.Generator().manual_seed(seed)
        clean = accuracy(model, dataset.validation)
        robust = measure(model, dataset.validation, stream)
        candidates.append(ScaleCandidate(scale=scale, clean_accuracy=clean, robust_accuracy=robust))
    chosen = _chosen(candidates, max_loss)
    model = trained(chosen, dataset.training_part, "chosen")
    return TunedScale(scale=chosen, candidates=tuple(candidates), model=model, eps=measure.budget, max_loss=max_loss)


def _chosen(candidates: Sequence[ScaleCandidate], max_loss: float) -> float:
    best = max(candidate.clean_accuracy for candidate in candidates)
    # A hair of tolerance: 0.95 - 0.02 is not 0.93.
    allowed = [candidate for candidate in candidates if candidate.clean_accuracy >= best - max_loss - 1e-9]
    return max(allowed, key=lambda c: (c.robust_accuracy, c.clean_accuracy, -c.scale)).scale
