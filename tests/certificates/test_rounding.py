"""Rounding of large gate angles: radii against distances in extended precision."""

import numpy as np
import pytest
import torch

from counterspin.certificates.bernstein import BernsteinCertificate
from counterspin.certificates.branch_and_bound import BranchAndBoundCertificate
from counterspin.certificates.bures import BuresCertificate
from counterspin.certificates.lipschitz import LipschitzCertificate
from counterspin.certificates.rounding import rounding_of
from counterspin.circuits import Circuit, OutcomeGroups, feature
from counterspin.models import AffineInputs, QuantumClassifier
from counterspin.optimum.affine_map import AffineMap
from counterspin.threats import L2
from counterspin.types import Box


def far_out(samples=400):
    """<Z> = cos(1.3 x) at angles of a million, next to its zeros; labels, and the distances in extended precision."""
    circuit = Circuit(1).add("RX", 0, 1.3 * feature(0))
    box = Box.uniform(-1e7, 1e7, 1)
    model = QuantumClassifier(circuit, OutcomeGroups((0,), ((0,), (1,))), box).requires_grad_(False)
    rng = np.random.default_rng(0)
    turns = rng.integers(400_000, 500_000, samples)
    x = (np.pi * (turns + 0.5) + 3e-9 * rng.standard_normal(samples)) / 1.3
    y = model(torch.from_numpy(x)[:, None]).argmax(dim=1)
    pi = np.longdouble("3.14159265358979323846264338327950288")
    lead = np.cos(np.longdouble(1.3) * x.astype(np.longdouble) - 2 * pi * (turns // 2)) * np.where(y == 0, 1, -1)
    return model, torch.from_numpy(x)[:, None], y, torch.from_numpy((np.maximum(lead, 0) / 1.3).astype(float))


@pytest.mark.one_fast
@pytest.mark.parametrize(
    "certificate", [LipschitzCertificate(), BernsteinCertificate(), BuresCertificate(), BranchAndBoundCertificate()]
)
def test_angles_of_a_million_are_known_to_fewer_digits(certificate):
    model, x, y, distance = far_out()
    radius = certificate(model, x, y, L2(0.1, box="none")).radius_lower
    assert bool((radius <= distance).all())
    # What rounding takes is of its own size.
    assert bool((radius >= distance - 2e-8).all())


def test_angle_rounding_counts_summands_before_they_cancel():
    model, x, _, _ = far_out(3)
    one = float(rounding_of(model, torch.zeros(1, 1, dtype=torch.float64)))
    assert 0 < one < 1e-13
    eps = torch.finfo(torch.float64).eps
    # Of one product three roundings.
    torch.testing.assert_close(rounding_of(model, x), one + 3 * eps * 1.3 * x, rtol=1e-9, atol=0)
    centred = AffineInputs(model, AffineMap(torch.eye(1), torch.tensor([-1e6])), Box.uniform(0, 2e6, 1))
    here = float(rounding_of(centred, torch.tensor([[1e6]], dtype=torch.float64)))
    assert here == pytest.approx(one + 4 * eps * 1.3 * 2e6, rel=1e-9)
