"""Public suites for attacks, certificates and classifiers of others, like scikit-learn's estimator checks."""

from counterspin.evaluation.conformance.attack import check_attack
from counterspin.evaluation.conformance.certifier import check_certifier
from counterspin.evaluation.conformance.classifier import check_classifier
from counterspin.evaluation.conformance.defense import check_defense
from counterspin.evaluation.conformance.report import ConformanceReport, Outcome

__all__ = ["ConformanceReport", "Outcome", "check_attack", "check_certifier", "check_classifier", "check_defense"]
