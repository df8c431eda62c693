"""Certificates: radii inside which no attack can succeed."""

from counterspin.certificates.assumptions import Assumptions
from counterspin.certificates.base import Certificate, CertificateResult
from counterspin.certificates.bernstein import BernsteinCertificate, bernstein_radius
from counterspin.certificates.boxed_l2 import BoxedL2Certificate
from counterspin.certificates.branch_and_bound import BranchAndBoundCertificate
from counterspin.certificates.bures import BuresCertificate
from counterspin.certificates.confidence import binomial_lower, binomial_upper, pessimistic_probabilities
from counterspin.certificates.exact_l2 import ExactL2Certificate
from counterspin.certificates.exhaustive import ExhaustiveCertificate
from counterspin.certificates.guan import GuanCertificate, guan_infidelity
from counterspin.certificates.guan_shots import FiniteShotGuanCertificate
from counterspin.certificates.hybrid import HybridCertificate
from counterspin.certificates.lipschitz import LipschitzCertificate
from counterspin.certificates.quadratic_linf import QuadraticLinfCertificate
from counterspin.certificates.readout import confusion_radius, total_variation_radius, worst_distribution
from counterspin.certificates.smoothing import DampingCertificate, SmoothingCertificate, smoothing_radius
from counterspin.certificates.states import (
    DepolarizingBalance,
    DepolarizingPrivacyCertificate,
    GlobalBound,
    WeberCertificate,
    depolarized_mixed_trace_distance,
    depolarized_qubit_trace_distance,
    depolarizing_balance,
    global_bound,
    hoelder_trace_distance,
    privacy_trace_distance,
    weber_infidelity,
)
from counterspin.certificates.unitary import gate_tampering, margin_drift, unitary_radius

__all__ = [
    "Assumptions",
    "BernsteinCertificate",
    "BoxedL2Certificate",
    "BranchAndBoundCertificate",
    "BuresCertificate",
    "Certificate",
    "CertificateResult",
    "DampingCertificate",
    "DepolarizingBalance",
    "DepolarizingPrivacyCertificate",
    "ExactL2Certificate",
    "ExhaustiveCertificate",
    "FiniteShotGuanCertificate",
    "GlobalBound",
    "GuanCertificate",
    "HybridCertificate",
    "LipschitzCertificate",
    "QuadraticLinfCertificate",
    "SmoothingCertificate",
    "WeberCertificate",
    "bernstein_radius",
    "binomial_lower",
    "binomial_upper",
    "confusion_radius",
    "depolarized_mixed_trace_distance",
    "depolarized_qubit_trace_distance",
    "depolarizing_balance",
    "gate_tampering",
    "global_bound",
    "guan_infidelity",
    "hoelder_trace_distance",
    "margin_drift",
    "pessimistic_probabilities",
    "privacy_trace_distance",
    "smoothing_radius",
    "total_variation_radius",
    "unitary_radius",
    "weber_infidelity",
    "worst_distribution",
]
