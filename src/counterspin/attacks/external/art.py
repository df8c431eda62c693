"""Adversarial Robustness Toolbox (Nicolae et al., arXiv:1807.01069): its attacks on our terms, our models on its."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from counterspin.attacks.external.base import ExternalAttack, Problem
from counterspin.attacks.external.extras import imported
from counterspin.attacks.external.frame import UnitFrame
from counterspin.attacks.external.settings import as_settings
from counterspin.attacks.external.unit_model import UnitModel
from counterspin.errors import UsageError
from counterspin.threats import ThreatModel
from counterspin.types import Classifier
from counterspin.validation import check_classifier_interface

__all__ = ["ART_NORMS", "ARTAttack", "art_classifier", "art_estimator", "art_warnings"]

ART_NORMS = {"linf": np.inf, "l2": 2}

# Its own proportion of step and budget: eps_step=0.1 for eps=0.3.
_STEP = 1 / 3


def art_classifier(model: Any, shape: tuple[int, ...] | None = None) -> Any:
    """A classifier as `art.estimators.classification.PyTorchClassifier` with clip values (0, 1), in float32.

    It takes `UnitFrame.of(model.bounds).to_unit(x)` and gives logits; its loss is the cross-entropy.
    Weights that require gradients collect them; freeze the model first.

    Args:
        model: the classifier.
        shape: of one input, for tools that want images; None: flat.

    Raises:
        MissingExtraError: ART is not installed.
        ModelError: something that is no classifier.
        ConditionsError: a box with unbounded or periodic features.
    """
    classifier = check_classifier_interface(model)
    features = classifier.bounds.features
    return art_estimator(UnitModel(classifier, UnitFrame.of(classifier.bounds)), shape or (features,))


@dataclass(frozen=True, kw_only=True)
class ARTAttack(ExternalAttack):
    """An evasion attack of ART, by its name in `art.attacks.evasion`.

    Norm, budget, labels or targets and one batch for all rows are filled in where the attack takes them. ART computes
    in float32.

    Args:
        attack: class name, for example `"ProjectedGradientDescent"`.
        settings: further arguments, as a mapping or as pairs; `eps_step` as a share of the budget (default 1/3, ART's
            own proportion).

    Example:
        >>> ARTAttack(attack="FastGradientMethod").name
        'art-fastgradientmethod'
    """

    attack: str = "ProjectedGradientDescent"
    settings: Mapping[str, Any] | tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        """Sort the settings into pairs, which are hashable."""
        super().__post_init__()
        object.__setattr__(self, "settings", as_settings(self.settings))

    @property
    def name(self) -> str:
        """`art-` and the name of the attack."""
        return f"art-{self.attack.lower()}"

    def _check_threat(self, model: Classifier, threat: ThreatModel) -> None:
        super()._check_threat(model, threat)
        unknown = set(dict(self.settings)) - set(self._parameters())
        if unknown:
            raise UsageError(f"settings hold {', '.join(sorted(unknown))}; {self.attack} takes no such argument.")

    def _kind(self) -> Any:
        kind = getattr(imported("art.attacks.evasion"), self.attack, None)
        if not isinstance(kind, type):
            raise UsageError(f"attack is {self.attack!r}; art.attacks.evasion has no such class.")
        return kind

    def _parameters(self) -> list[str]:
        return list(inspect.signature(self._kind().__init__).parameters)

    def _search(self, problem: Problem) -> Tensor:
        settings = dict(self.settings)
        given = {
            "norm": ART_NORMS[problem.norm],
            "eps": problem.eps,
            "batch_size": len(problem.u),
            "targeted": problem.target is not None,
            "verbose": False,
            **settings,
            "eps_step": problem.eps * settings.get("eps_step", _STEP),
        }
        known = self._parameters()
        classifier = art_estimator(problem.model, tuple(problem.u.shape[1:]))
        attack = self._kind()(classifier, **{name: value for name, value in given.items() if name in known})
        wanted = problem.y if problem.target is None else problem.target
        one_hot = nn.functional.one_hot(wanted, problem.model.model.classes).float()
        with art_warnings():
            found = attack.generate(x=problem.u.cpu().numpy().astype(np.float32), y=one_hot.cpu().numpy())
        return torch.from_numpy(found)


@contextmanager
def art_warnings() -> Iterator[None]:
    """Silence what numpy warns of when ART copies torch tensors the way of numpy 1; they come out right."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "__array__ implementation doesn't accept a copy", DeprecationWarning)
        yield


def art_estimator(model: UnitModel, shape: tuple[int, ...]) -> Any:
    """A model on coordinates in [0, 1], each input of shape `shape`, as ART's `PyTorchClassifier`."""
    return imported("art.estimators.classification").PyTorchClassifier(
        model=model,
        loss=nn.CrossEntropyLoss(),
        input_shape=shape,
        nb_classes=model.model.classes,
        clip_values=(0.0, 1.0),
        device_type="cpu",
    )
