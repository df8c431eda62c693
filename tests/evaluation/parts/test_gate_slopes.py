"""Bounds on gate errors from slopes: closed forms, and never beyond the smallest errors that break."""

import math

import pytest
import torch

from counterspin.attacks.quantum.parameters import WeightsMinimum, WeightsSparse
from counterspin.certificates.unitary import angle_spreads, gate_tampering
from counterspin.circuits import Circuit, OutcomeGroups, feature
from counterspin.evaluation.parts.gate_slopes import margin_slopes
from counterspin.models import QuantumClassifier
from counterspin.types import Box
from tests.support.tampered_models import amplitude_model, reuploading_model, samples, three_angles


def slopes_of(model, x, y):
    return margin_slopes(model, x, y, angle_spreads(model.circuit))


def two_rotations():
    """RX(x) RX(0), read in Z: the margin is cos(x + Δ₀ + Δ₁)."""
    circuit = Circuit(1).add("RX", 0, feature(0)).add("RX", 0, 0.0)
    return QuantumClassifier(circuit, OutcomeGroups((0,), ((0,), (1,))), Box.uniform(0.1, 1.4, 1))


def test_slopes_are_derivatives_of_the_margin():
    model = two_rotations()
    x, y = samples(model, 10)
    found = slopes_of(model, x, y)
    torch.testing.assert_close(found.margin[:, 1], x[:, 0].cos(), atol=1e-12, rtol=0)
    torch.testing.assert_close(found.slope[:, 1], -x.sin().expand(-1, 2), atol=1e-12, rtol=0)


@pytest.mark.parametrize(("norm", "share"), [("linf", 2.0), ("l2", 2.0**0.5)])
def test_rotations_about_one_axis_are_exact(norm, share):
    model = two_rotations()
    x, y = samples(model, 10)
    room = math.pi / 2 - x[:, 0]
    torch.testing.assert_close(slopes_of(model, x, y).radius(norm), room / share, atol=1e-7, rtol=0)
    # Ten times the errors for one unit: a tenth of the units.
    scaled = slopes_of(model, x, y).radius(norm, torch.full((10, 2), -10.0, dtype=torch.float64))
    torch.testing.assert_close(scaled, room / share / 10, atol=1e-7, rtol=0)


def test_fewer_wrong_gates_may_be_off_by_more():
    model = two_rotations()
    x, y = samples(model, 10)
    found = slopes_of(model, x, y).radius_of_gates((1, 2), torch.tensor([0, 1]))
    room = math.pi / 2 - x[:, 0]
    torch.testing.assert_close(found, torch.stack([room, room / 2]), atol=1e-7, rtol=0)


@pytest.mark.parametrize("build", [amplitude_model, reuploading_model, three_angles])
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_no_errors_found_are_smaller(build, norm):
    model = build()
    x, y = samples(model, 15)
    radius = slopes_of(model, x, y).radius(norm)
    sizes = WeightsMinimum(norm=norm)(model, x, y, (3.0,)).budgets[0].manipulation.what.size
    assert bool((radius > 0).all())
    assert bool((radius < sizes).all())


@pytest.mark.parametrize("gates", [1, 2])
def test_no_few_gates_break_within_their_reach(gates):
    model = amplitude_model()
    x, y = samples(model, 15)
    gate = torch.tensor([place for place, g in enumerate(model.circuit.gates) for _ in g.angles])
    reach = slopes_of(model, x, y).radius_of_gates((gates,), gate)[0]
    for row in range(len(x)):
        attack = WeightsSparse(reach=min(float(reach[row]), math.pi))
        assert not attack(model, x[row : row + 1], y[row : row + 1], (gates,)).success.item()


def test_flat_margins_prove_more_than_the_turning_of_the_state():
    model = reuploading_model()
    x, y = samples(model, 40)
    flat, turned = slopes_of(model, x, y).radius("linf"), gate_tampering(model, x, y).radius
    assert int((flat > 1.1 * turned).sum()) > 0


def test_misclassified_samples_have_no_radius():
    model = three_angles()
    x, y = samples(model, 10)
    assert slopes_of(model, x, (y + 1) % 3).radius("linf").tolist() == [0.0] * 10
