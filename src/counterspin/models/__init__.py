"""Classifiers: quantum, hybrid and classical; saved by safetensors and JSON."""

from counterspin.models.classical import MLP, LogisticRegression
from counterspin.models.engine import set_engine
from counterspin.models.hybrid import HybridClassifier
from counterspin.models.quantum import QuantumClassifier
from counterspin.models.sampled import SampledModel
from counterspin.models.storage import load_model, save_model

__all__ = [
    "MLP",
    "HybridClassifier",
    "LogisticRegression",
    "QuantumClassifier",
    "SampledModel",
    "load_model",
    "save_model",
    "set_engine",
]
