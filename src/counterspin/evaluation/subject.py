"""What is audited, and how thoroughly."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from counterspin.attacks import Attack
from counterspin.threats import ThreatModel
from counterspin.types import Box, Classifier
from counterspin.validation import as_features, as_labels, check_classifier_interface

if TYPE_CHECKING:
    from counterspin.models.conditioned import Conditioned

__all__ = ["AuditSettings", "Subject"]


@dataclass(frozen=True, kw_only=True)
class AuditSettings:
    """How thoroughly to audit.

    Args:
        tier: `"standard"`: suite v1 and the checks that belong to it; `"paper"`: the same with every check;
            `"quick"`: smaller settings that are not for publication.
        seed: seed of every random stream.
        attacks: instead of the tier's attacks; the exact attack is added where it applies.
    """

    tier: str = "standard"
    seed: int = 0
    attacks: tuple[Attack, ...] | None = None

    @property
    def suite(self) -> str | None:
        """The pinned suite that is run, `"v1"`; None for the quick tier or chosen attacks."""
        return None if self.attacks is not None or self.tier == "quick" else "v1"


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """What is audited: a model, samples, and how to name them.

    Args:
        model: the classifier.
        x: samples `(batch, features)`.
        y: labels `(batch,)`.
        model_card: what the record says of the model, JSON values.
        dataset_card: what the record says of the data, JSON values.
        class_names: one per class; empty: the numbers.
        feature_names: one per feature; empty: x0, x1, …
        image_shape: rows and columns where features are pixels.
        conditioned: the model under the conditions somebody asked about, of which `model` is the last; None: nobody
            asked.
    """

    model: Classifier
    x: Tensor
    y: Tensor
    model_card: dict[str, Any] = field(default_factory=dict)
    dataset_card: dict[str, Any] = field(default_factory=dict)
    class_names: tuple[str, ...] = ()
    feature_names: tuple[str, ...] = ()
    image_shape: tuple[int, int] | None = None
    conditioned: Conditioned | None = None

    @classmethod
    def checked(cls, model: Any, x: Any, y: Any, threat: ThreatModel, **cards: Any) -> Subject:
        """A subject whose data were checked at the door, in float64.

        Raises:
            InputError: data that cannot be used.
            ModelError: something that is no classifier.
        """
        classifier = check_classifier_interface(model)
        box = classifier.bounds if threat.box == "data" else Box.unbounded(classifier.bounds.features)
        features = as_features(x, box).to(torch.float64)
        return cls(model=classifier, x=features, y=as_labels(y, classifier.classes, len(features)), **cards)
