"""Foolbox 3 (Rauber et al., arXiv:1707.04131): its attacks on our terms, our models on its terms."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from counterspin.attacks.external.base import ExternalAttack, Problem
from counterspin.attacks.external.extras import imported
from counterspin.attacks.external.frame import UnitFrame
from counterspin.attacks.external.settings import as_settings
from counterspin.attacks.external.unit_model import UnitModel
from counterspin.errors import ConditionsError, UsageError
from counterspin.threats import ThreatModel
from counterspin.types import Classifier
from counterspin.validation import check_classifier_interface

__all__ = ["FoolboxAttack", "foolbox_model", "foolbox_warnings", "foolbox_wrapped"]


def foolbox_model(model: Any) -> Any:
    """A classifier as `foolbox.PyTorchModel` with bounds (0, 1).

    It takes `UnitFrame.of(model.bounds).to_unit(x)`, flat or in any shape with as many entries, and gives logits.
    Weights that require gradients collect them; freeze the model first.

    Raises:
        MissingExtraError: Foolbox is not installed.
        ModelError: something that is no classifier.
        ConditionsError: a box with unbounded or periodic features.
    """
    classifier = check_classifier_interface(model)
    return foolbox_wrapped(UnitModel(classifier, UnitFrame.of(classifier.bounds)), classifier.bounds.lower.device)


@dataclass(frozen=True, kw_only=True)
class FoolboxAttack(ExternalAttack):
    """An attack of Foolbox, by its name in `foolbox.attacks`.

    Args:
        attack: class name, for example `"LinfPGD"` or `"L2CarliniWagnerAttack"`.
        settings: its arguments, as a mapping or as pairs; lengths are in units of the box.

    Example:
        >>> FoolboxAttack(attack="LinfPGD", settings={"steps": 40}).name
        'foolbox-linfpgd'
    """

    attack: str = "LinfPGD"
    settings: Mapping[str, Any] | tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        """Sort the settings into pairs, which are hashable."""
        super().__post_init__()
        object.__setattr__(self, "settings", as_settings(self.settings))

    @property
    def name(self) -> str:
        """`foolbox-` and the name of the attack."""
        return f"foolbox-{self.attack.lower()}"

    def _check_threat(self, model: Classifier, threat: ThreatModel) -> None:
        super()._check_threat(model, threat)
        made = self._made()
        try:
            order = made.distance.p
        except ValueError:  # an attack that waits to be told its norm
            order = None
        if order != threat.order:
            raise ConditionsError(
                f"attack {self.name} works in its own norm ({'none' if order is None else f'p = {order:g}'}), not in "
                f"{threat.norm!r}; choose the attack of foolbox.attacks for this norm."
            )

    def _made(self) -> Any:
        attacks = imported("foolbox.attacks")
        kind = getattr(attacks, self.attack, None)
        if not isinstance(kind, type):
            raise UsageError(f"attack is {self.attack!r}; foolbox.attacks has no such class.")
        try:
            return kind(**dict(self.settings))
        except TypeError as error:
            raise UsageError(f"settings do not fit {self.attack} ({error}).") from None

    def _search(self, problem: Problem) -> Tensor:
        criteria = imported("foolbox.criteria")
        if problem.target is None:
            criterion = criteria.Misclassification(problem.y)
        else:
            criterion = criteria.TargetedMisclassification(problem.target)
        model = foolbox_wrapped(problem.model, problem.u.device)
        with foolbox_warnings():
            return self._made()(model, problem.u, criterion, epsilons=problem.eps)[1]


@contextmanager
def foolbox_warnings() -> Iterator[None]:
    """Silence what Foolbox warns of while it works correctly: a mean over its still empty queues of step statistics."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)
        yield


def foolbox_wrapped(model: UnitModel, device: torch.device) -> Any:
    """A model on coordinates in [0, 1] as `foolbox.PyTorchModel`."""
    return imported("foolbox").PyTorchModel(model, bounds=(0, 1), device=device)
