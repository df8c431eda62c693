"""Attacks: frozen configurations called on a model, a batch and a threat model."""

from counterspin.attacks.base import Attack, AttackResult, BudgetResult
from counterspin.attacks.evasion import APGD, FGSM, PGD, Corners, ExactL2Attack, RandomDraws
from counterspin.attacks.gradients import Autodiff, ParameterShift
from counterspin.attacks.losses import CrossEntropy, Margin
from counterspin.attacks.registry import every_attack, names, suite

__all__ = [
    "APGD",
    "FGSM",
    "PGD",
    "Attack",
    "AttackResult",
    "Autodiff",
    "BudgetResult",
    "Corners",
    "CrossEntropy",
    "ExactL2Attack",
    "Margin",
    "ParameterShift",
    "RandomDraws",
    "every_attack",
    "names",
    "suite",
]
