"""Certificates: radii inside which no attack can succeed."""

from counterspin.certificates.assumptions import Assumptions
from counterspin.certificates.base import Certificate, CertificateResult
from counterspin.certificates.exact_l2 import ExactL2Certificate
from counterspin.certificates.guan import GuanCertificate, guan_infidelity

__all__ = [
    "Assumptions",
    "Certificate",
    "CertificateResult",
    "ExactL2Certificate",
    "GuanCertificate",
    "guan_infidelity",
]
