"""Every certificate by name, in the settings of each tier."""

from counterspin.certificates.base import Certificate
from counterspin.certificates.bernstein import BernsteinCertificate
from counterspin.certificates.boxed_l2 import BoxedL2Certificate
from counterspin.certificates.branch_and_bound import BranchAndBoundCertificate
from counterspin.certificates.bures import BuresCertificate
from counterspin.certificates.exact_l2 import ExactL2Certificate
from counterspin.certificates.exhaustive import ExhaustiveCertificate
from counterspin.certificates.guan import GuanCertificate
from counterspin.certificates.guan_shots import FiniteShotGuanCertificate
from counterspin.certificates.hybrid import HybridCertificate
from counterspin.certificates.lipschitz import LipschitzCertificate
from counterspin.certificates.quadratic_linf import QuadraticLinfCertificate
from counterspin.certificates.smoothing import DampingCertificate, SmoothingCertificate
from counterspin.certificates.states import WeberCertificate
from counterspin.errors import UsageError

__all__ = ["methods", "named"]

# In the order in which ties are resolved: where two prove the same, the earlier one is said to be the reason.
_METHODS: tuple[Certificate, ...] = (
    ExactL2Certificate(),
    BoxedL2Certificate(),
    QuadraticLinfCertificate(),
    BranchAndBoundCertificate(nodes=20_000, stop_at_budgets=True),
    ExhaustiveCertificate(),
    GuanCertificate(),
    WeberCertificate(),
    BernsteinCertificate(),
    BuresCertificate(),
    LipschitzCertificate(),
    HybridCertificate(),
    FiniteShotGuanCertificate(),
    SmoothingCertificate(),
    DampingCertificate(),
)

# The same methods with shorter searches and fewer draws.
_QUICK: dict[str, Certificate] = {
    "branch-and-bound": BranchAndBoundCertificate(tolerance=1e-4, nodes=10_000, stop_at_budgets=True),
    "guan-shots": FiniteShotGuanCertificate(shots=1000),
    "smoothing": SmoothingCertificate(draws=1000),
}


def methods(tier: str = "standard") -> tuple[Certificate, ...]:
    """The certificates of a tier; those whose conditions a model or threat fails refuse.

    Args:
        tier: `"standard"` and `"paper"`: full searches; `"quick"`: shorter ones.

    Example:
        >>> [certificate.name for certificate in methods()][0]
        'exact-l2'
    """
    return tuple(
        _QUICK.get(certificate.name, certificate) if tier == "quick" else certificate for certificate in _METHODS
    )


def named(name: str, tier: str = "standard") -> Certificate:
    """The certificate called `name`.

    Raises:
        UsageError: there is none.

    Example:
        >>> named("guan").name
        'guan'
    """
    for certificate in methods(tier):
        if certificate.name == name:
            return certificate
    known = ", ".join(certificate.name for certificate in methods(tier))
    raise UsageError(f"method is {name!r}; allowed: auto, {known}.")
