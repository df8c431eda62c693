"""The certificate that matches an attack on a quantum part: what no manipulation of its kind and size can change."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

from torch import Tensor

from counterspin.attacks.quantum import QuantumAttack
from counterspin.types import Classifier

__all__ = ["Certified", "matched"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Certified:
    """What is proved against an attack.

    Args:
        holds: whether no manipulation within the budget changes the decision `(budgets, batch)`, bool.
        method: how it was proved, in words a user understands: `nearest losing state (exact)`.
        exact: whether what is not proved can be broken.
    """

    holds: Tensor
    method: str
    exact: bool


def matched(
    attack: QuantumAttack, model: Classifier, x: Tensor, y: Tensor, budgets: tuple[float, ...]
) -> Certified | None:
    """The certificate that matches an attack; None where there is no certificate or bound.

    Args:
        attack: says what a manipulation is, and in which unit it is measured.
        model: the classifier.
        x: clean inputs float64 `(batch, features)`.
        y: labels `(batch,)`.
        budgets: ascending, in the unit of the attack.
    """
    # Imported when it is asked: each part has a module of its name beside this one, and builds on `Certified`.
    return import_module(f"{__package__}.{attack.where}").certified(attack, model, x, y, budgets)
