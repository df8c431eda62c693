"""Error mitigation: how noisy circuits are varied, and how their values are combined (construct, combine)."""

from counterspin.mitigation.base import Correction, Mitigation, Variant
from counterspin.mitigation.calibration import Calibration, estimated_calibration, exact_calibration
from counterspin.mitigation.candidates import Candidate, Selection
from counterspin.mitigation.cdr import CDR
from counterspin.mitigation.clifford import TrainingCircuits, near_clifford
from counterspin.mitigation.combined import Combined
from counterspin.mitigation.comparison import ComparisonRow, compare
from counterspin.mitigation.cost import mitigation_cost, shots_per_variant
from counterspin.mitigation.decoupling import Decoupling
from counterspin.mitigation.description import described
from counterspin.mitigation.effective import fold_mitigated
from counterspin.mitigation.extrapolation import Exponential, Polynomial, Richardson
from counterspin.mitigation.fitting import Fittable, LooksAtSamples, at_samples, fit_to, fitting_cost
from counterspin.mitigation.learned import LearnedMitigation
from counterspin.mitigation.pec import PEC
from counterspin.mitigation.readout import ReadoutMitigation
from counterspin.mitigation.registry import MITIGATIONS, MitigationEntry, by_name
from counterspin.mitigation.regressors import KernelRidge, MultilayerPerceptron, Ridge
from counterspin.mitigation.selection import AutoMitigation, select
from counterspin.mitigation.twirling import Twirling
from counterspin.mitigation.unmitigated import Unmitigated
from counterspin.mitigation.validation import Errors, mitigation_errors
from counterspin.mitigation.values import mitigated_values, variant_values
from counterspin.mitigation.zne import ZNE

__all__ = [
    "CDR",
    "MITIGATIONS",
    "PEC",
    "ZNE",
    "AutoMitigation",
    "Calibration",
    "Candidate",
    "Combined",
    "ComparisonRow",
    "Correction",
    "Decoupling",
    "Errors",
    "Exponential",
    "Fittable",
    "KernelRidge",
    "LearnedMitigation",
    "LooksAtSamples",
    "Mitigation",
    "MitigationEntry",
    "MultilayerPerceptron",
    "Polynomial",
    "ReadoutMitigation",
    "Richardson",
    "Ridge",
    "Selection",
    "TrainingCircuits",
    "Twirling",
    "Unmitigated",
    "Variant",
    "at_samples",
    "by_name",
    "compare",
    "described",
    "estimated_calibration",
    "exact_calibration",
    "fit_to",
    "fitting_cost",
    "fold_mitigated",
    "mitigated_values",
    "mitigation_cost",
    "mitigation_errors",
    "near_clifford",
    "select",
    "shots_per_variant",
    "variant_values",
]
