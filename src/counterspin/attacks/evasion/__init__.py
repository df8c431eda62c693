"""Attacks on the input of a trained model."""

from counterspin.attacks.evasion.apgd import APGD
from counterspin.attacks.evasion.corners import Corners
from counterspin.attacks.evasion.exact import ExactL2Attack
from counterspin.attacks.evasion.fgsm import FGSM
from counterspin.attacks.evasion.pgd import PGD
from counterspin.attacks.evasion.random_draws import RandomDraws

__all__ = ["APGD", "FGSM", "PGD", "Corners", "ExactL2Attack", "RandomDraws"]
