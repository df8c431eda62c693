"""What the certificates from class probabilities share: checks, the runner-up, rounding, and feature radii."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from small_bits import amplitude_bit, amplitude_groups

from counterspin.certificates import Assumptions, GuanCertificate
from counterspin.certificates.states import DepolarizingPrivacyCertificate, WeberCertificate
from counterspin.certificates.states.probabilities import (
    ProbabilityCertificate,
    checked_probabilities,
    own_and_runner_up,
)
from counterspin.circuits import OutcomeGroups, angle_encoding
from counterspin.errors import ConditionsError, InputError
from counterspin.models import QuantumClassifier
from counterspin.threats import L1, L2, Linf
from counterspin.types import Box


@dataclass(frozen=True, kw_only=True)
class Lead(ProbabilityCertificate):
    """No theorem: the lead of the label, so that a test sees what a theorem is given."""

    name: ClassVar[str] = "lead"
    in_state_space: ClassVar[str] = "nothing"

    def _trace_distance(self, probabilities, y, shares):
        own, other = own_and_runner_up(probabilities, y)
        return own - other

    def _assumptions(self, box, notes):
        return Assumptions(box=box, notes=notes)


def test_own_and_runner_up():
    p = torch.tensor([[0.5, 0.2, 0.3], [0.1, 0.1, 0.8]])
    own, other = own_and_runner_up(p, torch.tensor([0, 1]))
    torch.testing.assert_close(own, torch.tensor([0.5, 0.1]))
    torch.testing.assert_close(other, torch.tensor([0.3, 0.8]))


def test_probabilities_within_single_precision_are_accepted():
    values, y = checked_probabilities(torch.tensor([[1.0000005, -5e-7]]), torch.tensor([0]))
    assert values.dtype == torch.float64
    assert values[0, 1] == 0
    assert y.tolist() == [0]
    # Outcomes may belong to no class.
    checked_probabilities(torch.tensor([[0.2, 0.1]]), torch.tensor([0]))


@pytest.mark.parametrize(
    ("p", "message"),
    [
        ([0.5, 0.5], r"shape \(2,\)"),
        ([[1.0]], r"shape \(1, 1\)"),
        ([[0.5, 0.5], [0.7, 0.4]], r"probabilities\[1\] is"),
        ([[1.0, -0.1]], r"probabilities\[0\] is"),
        ([[torch.nan, 0.1]], r"probabilities\[0\] is"),
    ],
)
def test_what_is_no_probability(p, message):
    with pytest.raises(InputError, match=message):
        checked_probabilities(torch.tensor(p), torch.tensor([0] * len(p)))


@pytest.mark.parametrize(("threat", "share"), [(L2(0.1), 1.0), (L1(0.1), 1.0), (Linf(0.1), 0.5)])
def test_radius_is_the_length_times_the_distance_in_the_norm(threat, share):
    x = torch.tensor([[0.0, 1.8, 0.6, 0.0], [3.0, 0.0, 0.0, 4.0]], dtype=torch.float64)
    found = Lead()(amplitude_bit(), x, torch.tensor([0, 1]), threat)
    lead = torch.tensor([0.9 - 0.1, 0.64 - 0.36], dtype=torch.float64)
    expected = share * lead * torch.linalg.vector_norm(x, dim=1)
    torch.testing.assert_close(found.radius_lower, expected, rtol=1e-12, atol=1e-12)
    # Probabilities are taken to their worse side.
    assert bool((found.radius_lower < expected).all())
    assert bool(torch.isinf(found.radius_upper).all())


def test_a_scale_of_the_scores_changes_nothing():
    x, y = torch.tensor([[0.0, 1.8, 0.6, 0.0]], dtype=torch.float64), torch.tensor([0])
    plain, scaled = (Lead()(amplitude_bit(scale), x, y, L2(0.1)).radius_lower for scale in (None, 10.0))
    torch.testing.assert_close(plain, scaled, rtol=1e-9, atol=0)


def test_shares_are_those_of_the_outcomes():
    model, _, _ = amplitude_groups(0, 3)
    shares = Lead()._prepare(model, L2(0.1)).shares
    assert shares.tolist() == [3 / 8, 3 / 8, 2 / 8]


def test_what_is_said_of_the_box():
    x, y = torch.tensor([[0.0, 1.8, 0.6, 0.0]], dtype=torch.float64), torch.tensor([0])
    assert Lead()(amplitude_bit(), x, y, L2(0.1)).assumptions.box == "not used"
    assert Lead()(amplitude_bit(), x, y, L2(0.1, box="none")).assumptions.box == "none"


@pytest.mark.parametrize(
    ("certificate", "function"),
    [
        (GuanCertificate(), "guan_infidelity"),
        (WeberCertificate(), "weber_infidelity"),
        (DepolarizingPrivacyCertificate(strength=0.1), "privacy_trace_distance"),
    ],
)
def test_a_refusal_names_the_function_that_serves_every_encoding(certificate, function):
    bit = OutcomeGroups((0,), ((0,), (1,)))
    model = QuantumClassifier(angle_encoding(2), bit, Box.uniform(0, 1, features=2))
    with pytest.raises(ConditionsError, match=f"gate angles, so use {function} on its class probabilities"):
        certificate(model, torch.zeros(1, 2), torch.tensor([0]), L2(0.1))
