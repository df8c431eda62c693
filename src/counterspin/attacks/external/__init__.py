"""Adapters both ways for Foolbox, ART and AutoAttack (extra `crosscheck`).

Their attacks are attacks like ours, with our bookkeeping, verdict and sanity checks; our models are models of theirs.
"""

from counterspin.attacks.external.art import ARTAttack, art_classifier
from counterspin.attacks.external.autoattack import AutoAttackExternal, autoattack
from counterspin.attacks.external.base import ExternalAttack
from counterspin.attacks.external.foolbox import FoolboxAttack, foolbox_model
from counterspin.attacks.external.frame import UnitFrame

__all__ = [
    "ARTAttack",
    "AutoAttackExternal",
    "ExternalAttack",
    "FoolboxAttack",
    "UnitFrame",
    "art_classifier",
    "autoattack",
    "foolbox_model",
]
