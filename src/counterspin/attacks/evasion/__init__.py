"""Attacks on the input of a trained model."""

from counterspin.attacks.evasion.apgd import APGD
from counterspin.attacks.evasion.bim import BIM
from counterspin.attacks.evasion.boundary import BoundaryAttack
from counterspin.attacks.evasion.boxed import BoxedL2Attack
from counterspin.attacks.evasion.carlini_wagner import CarliniWagner
from counterspin.attacks.evasion.coordinate import CoordinateAttack
from counterspin.attacks.evasion.corners import Corners
from counterspin.attacks.evasion.ddn import DDN
from counterspin.attacks.evasion.deepfool import DeepFool
from counterspin.attacks.evasion.exact import ExactL2Attack
from counterspin.attacks.evasion.exhaustive import Exhaustive
from counterspin.attacks.evasion.fgsm import FGSM
from counterspin.attacks.evasion.fmn import FMN
from counterspin.attacks.evasion.greedy import Greedy
from counterspin.attacks.evasion.hopskipjump import HopSkipJump
from counterspin.attacks.evasion.mim import MIM
from counterspin.attacks.evasion.nes import NES
from counterspin.attacks.evasion.pgd import PGD
from counterspin.attacks.evasion.random_draws import RandomDraws
from counterspin.attacks.evasion.random_search import RandomSearch
from counterspin.attacks.evasion.spsa import SPSAAttack
from counterspin.attacks.evasion.square import Square
from counterspin.attacks.evasion.targeted_apgd import TargetedAPGD
from counterspin.attacks.evasion.universal import Universal

__all__ = [
    "APGD",
    "BIM",
    "DDN",
    "FGSM",
    "FMN",
    "MIM",
    "NES",
    "PGD",
    "BoundaryAttack",
    "BoxedL2Attack",
    "CarliniWagner",
    "CoordinateAttack",
    "Corners",
    "DeepFool",
    "ExactL2Attack",
    "Exhaustive",
    "Greedy",
    "HopSkipJump",
    "RandomDraws",
    "RandomSearch",
    "SPSAAttack",
    "Square",
    "TargetedAPGD",
    "Universal",
]
