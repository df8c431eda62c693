"""Certificates that keep the contract pass, and each broken one fails the check meant for it."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch

from counterspin.certificates import ExactL2Certificate, GuanCertificate
from counterspin.certificates.base import Assumptions, Certificate, Radii
from counterspin.certificates.branch_and_bound import BranchAndBoundCertificate
from counterspin.certificates.exhaustive import ExhaustiveCertificate
from counterspin.errors import CounterspinError, UsageError
from counterspin.evaluation.conformance.certifier import check_certifier, small_amplitude_model, small_angle_model
from counterspin.evaluation.conformance.watching import Probe
from counterspin.threats import L2, Linf

INSIDE = "no attack succeeds inside a certified ball"
FREE = (L2(0.1, box="none"),)
SLOPES = torch.tensor([[1.2, 0.2], [0.9, -0.1], [0.2, 1.0], [0.3, 0.9]], dtype=torch.float64)


def failed(certifier, threats, **options) -> dict[str, str]:
    report = check_certifier(certifier, threats=threats, **options)
    return {one.name.split(" (")[0]: one.message for one in report.failed}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("certifier", "threats"),
    [
        (GuanCertificate(), [L2(0.1)]),
        (ExactL2Certificate(), FREE),
        (BranchAndBoundCertificate(), [Linf(0.1), L2(0.1, mask=(False, True))]),
    ],
)
def test_our_certificates_pass(certifier, threats):
    report = check_certifier(certifier, threats=threats)
    assert report.passed, str(report)
    assert report.raise_if_failed() is report
    names = [one.name for one in report.outcomes]
    assert len(names) == len(set(names))
    assert all(one.status == "passed" for one in report.outcomes)


@pytest.mark.long
@pytest.mark.parametrize("certifier", [BranchAndBoundCertificate(), ExhaustiveCertificate()])
def test_whole_suites(certifier):
    report = check_certifier(certifier)
    assert report.passed, str(report)


@dataclass(frozen=True, kw_only=True)
class Stretched(ExactL2Certificate):
    """The exact radius times a factor."""

    factor: float = 1.05

    def _radii(self, model, prepared, task):
        radii = super()._radii(model, prepared, task)
        lower = radii.lower * self.factor
        return replace(radii, lower=lower, upper=lower, exact=torch.ones_like(radii.exact), points=None)


@pytest.mark.slow
def test_five_per_cent_too_large_is_caught():
    found = failed(Stretched(), FREE)
    assert INSIDE in found
    assert "of its certified radius" in found[INSIDE]
    share = float(found[INSIDE].split(" at ")[1].split(" of ")[0])
    assert share == pytest.approx(1 / 1.05, abs=0.01)
    assert INSIDE not in failed(Stretched(factor=1.0), FREE)


@dataclass(frozen=True, kw_only=True)
class StretchedSearch(BranchAndBoundCertificate):
    """The same for a branch and bound."""

    def _radii(self, model, prepared, task):
        radii = super()._radii(model, prepared, task)
        return replace(radii, lower=1.05 * radii.lower, upper=1.05 * radii.lower, points=None)


@pytest.mark.slow
@pytest.mark.parametrize("threat", [Linf(0.1), L2(0.1)])
def test_five_per_cent_too_large_is_caught_on_angles(threat):
    assert INSIDE in failed(StretchedSearch(), [threat])


@dataclass(frozen=True, kw_only=True)
class SignedSum(Certificate):
    r"""Bures angle to the boundary over the largest :math:`\sum_j |w_j \cdot \delta| / 2` that a search finds.

    With all signs tried the sum is a bound from above; a local search that gets stuck understates it.
    """

    local: bool
    name: ClassVar[str] = "signed-sum"
    requires: ClassVar[tuple[str, ...]] = ("circuit",)
    norms: ClassVar[tuple[str, ...]] = ("l2",)

    def _prepare(self, model, threat):
        if not self.local:
            signs = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * len(SLOPES))
            return float((signs @ SLOPES).norm(dim=1).max()) / 2
        direction = torch.tensor([1.0, -1.0], dtype=torch.float64)
        for _ in range(20):
            direction = (SLOPES * (SLOPES @ direction).sign()[:, None]).sum(dim=0)
        return float(direction.norm()) / 2

    def _radii(self, model, prepared, task):
        share = model(task.x).gather(1, task.y[:, None])[:, 0]
        turn = (share.clamp(0.5, 1).sqrt().asin() - math.pi / 4) * (1 - 1e-12)
        return Radii.below(turn / prepared, Assumptions(box="none"))


@pytest.mark.slow
def test_a_signed_sum_by_local_search_is_caught():
    sound, stuck = SignedSum(local=False), SignedSum(local=True)
    model = small_angle_model()
    assert stuck._prepare(model, FREE[0]) < 0.95 * sound._prepare(model, FREE[0])
    assert failed(sound, FREE, model=model) == {}
    assert INSIDE in failed(stuck, FREE, model=model)


class Spoiled(ExactL2Certificate):
    """Base of certificates with one flaw in what they hand over."""

    flaw: ClassVar[str] = ""

    def _radii(self, model, prepared, task):
        radii = super()._radii(model, prepared, task)
        match self.flaw:
            case "order":
                return replace(radii, upper=0.9 * radii.lower)
            case "exact":
                return replace(radii, lower=0.9 * radii.lower)
            case "points":
                return replace(radii, points=task.x)
            case "upper":
                return replace(radii, upper=1.01 * radii.upper, exact=torch.zeros_like(radii.exact))
            case "box":
                return replace(radii, assumptions=replace(radii.assumptions, box="used"))
            case "random":
                noise = torch.rand(len(task.x), dtype=torch.float64)
                return replace(radii, lower=radii.lower * noise, exact=torch.zeros_like(radii.exact))
            case "batch":
                return replace(radii, lower=radii.lower / len(task.x), exact=torch.zeros_like(radii.exact))
            case "weights":
                model.weights.data.mul_(1.001)
            case "input":
                task.x[:] = 0.0
            case "constant":
                return replace(radii, lower=radii.lower.clamp(min=1e-3), upper=radii.upper.clamp(min=1e-3))
        return radii


BROKEN = {
    "order": "brackets are ordered and exact ones closed",
    "exact": "brackets are ordered and exact ones closed",
    "points": "points flip at the upper radius, inside box and mask",
    "upper": "points flip at the upper radius, inside box and mask",
    "box": "says what it assumes",
    "random": "reproducible from the seed",
    "batch": "does not depend on the batch",
    "weights": "restores modes, flags and inputs",
    "input": "restores modes, flags and inputs",
    "constant": "shrinks to 0 at the boundary",
}


@pytest.mark.slow
@pytest.mark.parametrize("flaw", BROKEN)
def test_each_flaw_is_found_by_its_check(flaw):
    certifier = type("Flawed", (Spoiled,), {"flaw": flaw})()
    assert BROKEN[flaw] in failed(certifier, FREE, model=small_amplitude_model())


class ZeroNever(ExactL2Certificate):
    """Says what it says of misclassified samples too."""

    def __call__(self, model, x, y, threat, *, generator=None):
        result = super().__call__(model, x, y, threat, generator=generator)
        return replace(result, radius_lower=result.radius_lower.clamp(min=1e-9))


class Reckless(GuanCertificate):
    """Asks before it checks."""

    def __call__(self, model, x, y, threat, *, generator=None):
        model(torch.zeros(1, model.bounds.features))
        return super().__call__(model, x, y, threat, generator=generator)


@pytest.mark.slow
def test_template_rules_are_checked_too():
    assert "misclassified samples have radius 0" in failed(ZeroNever(), FREE)
    assert "asked" in failed(Reckless(), FREE)["refuses before any compute"]


class Maskless(BranchAndBoundCertificate):
    """Takes the mask off by one, so that what it certifies is another attacker."""

    def _radii(self, model, prepared, task):
        radii = super()._radii(model, prepared, task)
        return replace(radii, lower=2 * radii.lower, upper=2 * radii.lower, points=None) if task.threat.mask else radii


@pytest.mark.slow
def test_flips_of_one_threat_are_held_against_another():
    threats = [Linf(0.1), Linf(0.1, mask=(False, True))]
    assert INSIDE in failed(Maskless(), threats)


def test_what_is_no_certificate_and_what_serves_nothing():
    with pytest.raises(UsageError, match="give an instance"):
        check_certifier(object())
    report = check_certifier(ExactL2Certificate(), model=Probe())
    assert [one.name for one in report.failed] == ["serves a model and a threat"]
    assert "effective observables" in report.failed[0].message
    with pytest.raises(CounterspinError, match="serves a model"):
        report.raise_if_failed()


@pytest.mark.slow
def test_given_samples_are_used():
    x = torch.tensor([[0.1, -0.3], [0.8, 0.9]], dtype=torch.float64)
    y = small_angle_model()(x).argmax(dim=1)
    report = check_certifier(BranchAndBoundCertificate(), model=small_angle_model(), x=x, y=y, threats=[L2(0.1)])
    assert report.passed, str(report)
