from dataclasses import replace

import pytest
import torch

from counterspin.certificates import Assumptions, CertificateResult
from counterspin.evaluation.sanity.certified import AttackAboveCertificate


def certificate(radius: torch.Tensor) -> CertificateResult:
    return CertificateResult(
        radius_lower=radius,
        radius_upper=torch.full_like(radius, torch.inf),
        exact=torch.zeros_like(radius, dtype=torch.bool),
        method="linear",
        assumptions=Assumptions(),
        seconds=0.0,
    )


def linf_radius(helpers, context) -> torch.Tensor:
    """Exact L-infinity radius of a linear model: margin over the L1 norm of the difference of weights, least rival."""
    weight = helpers.linear(torch.eye(4, dtype=torch.float64)).T - helpers.linear(torch.zeros(1, 4).double()).T
    own = weight[context.y]
    gap = context.scores.gather(1, context.y[:, None]) - context.scores
    slope = (own[:, None] - weight[None]).abs().sum(dim=2)
    radius = gap / slope
    return radius.masked_fill(torch.nn.functional.one_hot(context.y, 3).bool(), torch.inf).amin(dim=1)


@pytest.mark.slow
def test_the_exact_radius_of_a_linear_model_passes(plain, helpers):
    radius = linf_radius(helpers, plain)
    assert bool((radius < 0.15).any())
    record = AttackAboveCertificate().run(replace(plain, certificates=(certificate(radius),)))
    assert (record.status, record.statistic) == ("PASS", 0.0)


def test_a_certificate_five_percent_too_large_is_caught(plain, helpers):
    nearest = torch.stack([r.distance.amin(dim=0) for r in plain.results.values()]).amin(dim=0)
    row = int(nearest.argmin())
    radius = linf_radius(helpers, plain)
    radius[row] = 1.05 * nearest[row]
    record = AttackAboveCertificate().run(replace(plain, certificates=(certificate(radius),)))
    assert (record.status, record.samples) == ("FAIL", [row])
    assert "linear" in record.advice


def test_a_false_proof_that_nothing_flips_is_caught(plain, helpers):
    radius = torch.full_like(linf_radius(helpers, plain), torch.inf)
    record = AttackAboveCertificate().run(replace(plain, certificates=(certificate(radius),)))
    assert record.status == "FAIL"
    assert record.statistic == float(plain.worst_case.any(dim=0).sum())


def test_the_largest_of_several_certificates_counts(plain, helpers):
    radius = linf_radius(helpers, plain)
    pair = (certificate(radius * 0.1), certificate(radius * 3), certificate(radius * 0.2))
    assert AttackAboveCertificate().run(replace(plain, certificates=pair)).status == "FAIL"
    assert AttackAboveCertificate().run(replace(plain, certificates=pair[::2])).status == "PASS"


def test_nothing_certified_is_skipped(plain):
    assert AttackAboveCertificate().run(plain).status == "SKIP"
    zero = certificate(torch.zeros(len(plain.y), dtype=torch.float64))
    assert AttackAboveCertificate().run(replace(plain, certificates=(zero,))).status == "SKIP"
