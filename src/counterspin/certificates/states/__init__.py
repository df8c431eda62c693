"""Certificates in the space of quantum states, from class probabilities or from the observables of a known model."""

from counterspin.certificates.states.balance import DepolarizingBalance, depolarizing_balance
from counterspin.certificates.states.depolarizing_privacy import (
    DepolarizingPrivacyCertificate,
    privacy_trace_distance,
)
from counterspin.certificates.states.global_bound import GlobalBound, global_bound
from counterspin.certificates.states.probabilities import ProbabilityCertificate
from counterspin.certificates.states.weber import (
    WeberCertificate,
    depolarized_mixed_trace_distance,
    depolarized_qubit_trace_distance,
    hoelder_trace_distance,
    weber_infidelity,
)

__all__ = [
    "DepolarizingBalance",
    "DepolarizingPrivacyCertificate",
    "GlobalBound",
    "ProbabilityCertificate",
    "WeberCertificate",
    "depolarized_mixed_trace_distance",
    "depolarized_qubit_trace_distance",
    "depolarizing_balance",
    "global_bound",
    "hoelder_trace_distance",
    "privacy_trace_distance",
    "weber_infidelity",
]
