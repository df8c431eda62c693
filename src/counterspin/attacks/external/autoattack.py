"""AutoAttack (Croce and Hein, arXiv:2003.01690) by pyautoattack, as far as it serves small and flat models."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from counterspin.attacks.external.base import ExternalAttack, Problem
from counterspin.attacks.external.extras import imported
from counterspin.attacks.external.frame import UnitFrame
from counterspin.attacks.external.unit_model import UnitModel
from counterspin.errors import ConditionsError, UsageError
from counterspin.threats import ThreatModel
from counterspin.types import Classifier
from counterspin.validation import check_classifier_interface

__all__ = ["AutoAttackExternal", "autoattack"]

# Classes each attack needs. Square is missing: it moves windows of an image, and our inputs are flat.
_CLASSES = {"apgd-ce": 2, "fab": 2, "fab-t": 2, "apgd-dlr": 3, "apgd-t": 4}

_NORMS = {"linf": "Linf", "l2": "L2"}


def autoattack(model: Any, *, norm: str, eps: float, attacks: tuple[str, ...], seed: int = 0) -> Any:
    """A `pyautoattack.AutoAttack` of a custom list, with as many target classes as the model has rivals.

    Its `run_standard_evaluation` takes `UnitFrame.of(model.bounds).to_unit(x)` as images of any shape, in float32, and
    budgets in units of the box.

    Args:
        model: the classifier.
        norm: `"linf"` or `"l2"`.
        eps: budget in features.
        attacks: of `apgd-ce`, `fab`, `fab-t`, from three classes `apgd-dlr`, from four `apgd-t`.
        seed: of its randomness; it draws from torch's global generator.

    Raises:
        MissingExtraError: pyautoattack is not installed.
        UsageError: an unknown attack.
        ConditionsError: too few classes for an attack, or a box with unbounded or periodic features.
    """
    classifier = check_classifier_interface(model)
    _check_attacks(attacks, classifier.classes)
    frame = UnitFrame.of(classifier.bounds)
    return _made(UnitModel(classifier, frame), norm, eps / frame.scale, attacks, 5, seed)


@dataclass(frozen=True, kw_only=True)
class AutoAttackExternal(ExternalAttack):
    """AutoAttack's own attacks, 100 iterations each; the standard list fails with few classes and on flat inputs.

    Args:
        attacks: of `apgd-ce`, `fab`, `fab-t`, from three classes `apgd-dlr`, from four `apgd-t`.
        starts: restarts of each attack inside AutoAttack.

    Example:
        >>> AutoAttackExternal().name
        'autoattack-apgd-ce-fab'
    """

    attacks: tuple[str, ...] = ("apgd-ce", "fab")
    starts: int = 5

    def __post_init__(self) -> None:
        """Refuse a count below 1."""
        super().__post_init__()
        if not (isinstance(self.starts, int) and self.starts >= 1):
            raise UsageError(f"starts is {self.starts!r}; it must be a whole number of at least 1.")

    @property
    def name(self) -> str:
        """`autoattack-` and the names of its attacks."""
        return "-".join(("autoattack", *self.attacks))

    def _check_threat(self, model: Classifier, threat: ThreatModel) -> None:
        super()._check_threat(model, threat)
        _check_attacks(self.attacks, model.classes)
        if threat.target is not None:
            raise ConditionsError(f"attack {self.name} goes for any wrong class; give a threat without a target.")

    def _search(self, problem: Problem) -> Tensor:
        tool = _made(problem.model, problem.norm, problem.eps, self.attacks, self.starts, problem.seed)
        # It counts dimensions to tell one input from many, and knows images only.
        images = problem.u.float()[:, None, None, :]
        trace = sys.gettrace()
        try:
            found, _ = tool.run_standard_evaluation(images, problem.y, batch_size=len(images))
        finally:
            # One of its self-checks leaves Python's trace function unset.
            sys.settrace(trace)
        return found.flatten(start_dim=1)


def _made(model: UnitModel, norm: str, eps: float, attacks: tuple[str, ...], starts: int, seed: int) -> Any:
    tool = imported("pyautoattack").AutoAttack(
        model, norm=_NORMS[norm], eps=eps, version="custom", attacks=list(attacks), seed=seed, device="cpu"
    )
    tool.apgd.n_restarts = tool.fab.n_restarts = starts
    tool.fab.n_target_classes = tool.apgd_targeted.n_target_classes = model.model.classes - 1
    return tool


def _check_attacks(attacks: tuple[str, ...], classes: int) -> None:
    unknown = [name for name in attacks if name not in _CLASSES]
    if unknown or not attacks:
        raise UsageError(f"attacks is {attacks!r}; give one or more of {', '.join(_CLASSES)}.")
    lacking = [name for name in attacks if classes < _CLASSES[name]]
    if lacking:
        raise ConditionsError(
            f"attacks holds {', '.join(lacking)}, whose loss needs {_CLASSES[lacking[0]]} classes; the model has "
            f"{classes}. Use apgd-ce and fab."
        )
