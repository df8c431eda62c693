"""Real data as one value: splits, bounds, names, source, licence and hash."""

from counterspin.datasets.adversarial import load_adversarials
from counterspin.datasets.cancer import breast_cancer
from counterspin.datasets.constraints import FeatureConstraints
from counterspin.datasets.dataset import Dataset, Split
from counterspin.datasets.digits import digits
from counterspin.datasets.mnist import mnist
from counterspin.datasets.pca import ScaledPCA
from counterspin.datasets.phishing import phishing
from counterspin.datasets.spin_chains import cluster_phases, tfim_phases
from counterspin.datasets.splits import SplitIndices, held_back, stratified_splits

__all__ = [
    "Dataset",
    "FeatureConstraints",
    "ScaledPCA",
    "Split",
    "SplitIndices",
    "breast_cancer",
    "cluster_phases",
    "digits",
    "held_back",
    "load_adversarials",
    "mnist",
    "phishing",
    "stratified_splits",
    "tfim_phases",
]
