"""Classifiers: quantum, hybrid and classical; saved by safetensors and JSON."""

from counterspin.models.affine import AffineInputs, unwrapped
from counterspin.models.classical import MLP, LogisticRegression
from counterspin.models.damped import DampedClassifier
from counterspin.models.engine import set_engine
from counterspin.models.flips import FlipSolver
from counterspin.models.hybrid import HybridClassifier
from counterspin.models.kernel import KernelClassifier, fidelity_kernel
from counterspin.models.mapped import MappedClassifier
from counterspin.models.mapped_kernel import MappedKernelClassifier
from counterspin.models.mitigated import mitigated
from counterspin.models.noisy import NoisyClassifier
from counterspin.models.pipeline import Pipeline, behind_map
from counterspin.models.polynomial import PolynomialMap
from counterspin.models.quantum import QuantumClassifier
from counterspin.models.sampled import SampledModel
from counterspin.models.smoothed import SmoothedClassifier
from counterspin.models.storage import load_model, save_model

__all__ = [
    "MLP",
    "AffineInputs",
    "DampedClassifier",
    "FlipSolver",
    "HybridClassifier",
    "KernelClassifier",
    "LogisticRegression",
    "MappedClassifier",
    "MappedKernelClassifier",
    "NoisyClassifier",
    "Pipeline",
    "PolynomialMap",
    "QuantumClassifier",
    "SampledModel",
    "SmoothedClassifier",
    "behind_map",
    "fidelity_kernel",
    "load_model",
    "mitigated",
    "save_model",
    "set_engine",
    "unwrapped",
]
