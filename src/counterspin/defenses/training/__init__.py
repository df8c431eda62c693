"""Hardening in training: objectives, and how they combine."""

from counterspin.defenses.training.angle_noise import AngleNoise
from counterspin.defenses.training.base import Entry, TrainingDefense
from counterspin.defenses.training.bures import BuresRegulariser
from counterspin.defenses.training.certified import CertifiedTraining
from counterspin.defenses.training.compose import Composed, compose
from counterspin.defenses.training.exact_margin import ExactMargin
from counterspin.defenses.training.fgsm import FGSMTraining
from counterspin.defenses.training.groups import WorstGroup
from counterspin.defenses.training.inner import ascend, ball_of
from counterspin.defenses.training.input_gradient import InputGradient
from counterspin.defenses.training.lipschitz import LipschitzRegulariser
from counterspin.defenses.training.logit_scale import TunedScale, tuned_scale
from counterspin.defenses.training.mixed import MixedTraining
from counterspin.defenses.training.mixup import Mixup
from counterspin.defenses.training.noise import NoiseView
from counterspin.defenses.training.parameters import ParameterNorm
from counterspin.defenses.training.perturbed_weights import WeightPerturbation
from counterspin.defenses.training.pgd import PGDTraining
from counterspin.defenses.training.prune import Prune
from counterspin.defenses.training.registry import by_name, entries, names, parse
from counterspin.defenses.training.schedule import EpsilonSchedule
from counterspin.defenses.training.selection import RobustAccuracy
from counterspin.defenses.training.shot_noise import ShotNoise
from counterspin.defenses.training.smoothed_labels import LabelSmoothing
from counterspin.defenses.training.smoothing import SmoothingTraining
from counterspin.defenses.training.tail import TailLoss
from counterspin.defenses.training.trades import TRADES
from counterspin.defenses.training.worst_case import WorstCaseTraining

__all__ = [
    "TRADES",
    "AngleNoise",
    "BuresRegulariser",
    "CertifiedTraining",
    "Composed",
    "Entry",
    "EpsilonSchedule",
    "ExactMargin",
    "FGSMTraining",
    "InputGradient",
    "LabelSmoothing",
    "LipschitzRegulariser",
    "MixedTraining",
    "Mixup",
    "NoiseView",
    "PGDTraining",
    "ParameterNorm",
    "Prune",
    "RobustAccuracy",
    "ShotNoise",
    "SmoothingTraining",
    "TailLoss",
    "TrainingDefense",
    "TunedScale",
    "WeightPerturbation",
    "WorstCaseTraining",
    "WorstGroup",
    "ascend",
    "ball_of",
    "by_name",
    "compose",
    "entries",
    "names",
    "parse",
    "tuned_scale",
]
