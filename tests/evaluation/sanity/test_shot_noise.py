"""S18 on one qubit, where gradient and shot noise have closed forms."""

import math
from dataclasses import replace

import pytest
import torch
from small_models import one_qubit

from counterspin.circuits import Circuit, OutcomeGroups, feature
from counterspin.evaluation.sanity import SanityContext
from counterspin.evaluation.sanity.shot_noise import GradientAboveShotNoise
from counterspin.models import QuantumClassifier
from counterspin.models.sampled import SampledModel
from counterspin.threats import Linf
from counterspin.types import Box


def context(model, x):
    x = torch.as_tensor(x, dtype=torch.float64)[:, None]
    with torch.no_grad():
        scores = getattr(model, "twin", model)(x)
    return SanityContext(
        model=model,
        x=x,
        y=scores.argmax(dim=1),
        threat=Linf(0.1),
        scores=scores,
        results={},
        suite={},
        certificates=(),
        stored={},
        provenance={},
        seed=0,
    )


def expected_ratio(x, shots):
    """|m'| / noise of m = P(0) - P(1): two shifted circuits, each a mean of coins, weighted by pi / 2 and summed."""
    slope = math.pi * math.sin(math.pi * x)
    shifted = [math.cos((math.pi * x + sign * math.pi / 2) / 2) ** 2 for sign in (1, -1)]
    variance = (math.pi / 2) ** 2 * sum(4 * p * (1 - p) / shots for p in shifted)
    return slope / math.sqrt(variance)


@pytest.mark.parametrize(("x", "shots"), [(0.1, 20), (0.1, 2), (0.02, 500), (0.005, 100)])
def test_the_statistic_is_the_closed_form(x, shots):
    record = GradientAboveShotNoise().run(context(SampledModel(one_qubit(), shots=shots), [x] * 16))
    ratio = expected_ratio(x, shots)
    # The noise is estimated from four gradients of one feature: about 35 % per sample, a tenth for the median of 16.
    assert record.statistic == pytest.approx(ratio, rel=0.5)
    assert record.status == ("PASS" if record.statistic >= 1 else "WARN")
    assert f"At {shots} shots" in record.advice


def test_a_flat_spot_warns_and_says_how_many_shots_are_needed():
    record = GradientAboveShotNoise().run(context(SampledModel(one_qubit(), shots=10), [0.01] * 16))
    assert record.status == "WARN"
    needed = int(record.advice.split("about ")[1].split()[0])
    assert needed == pytest.approx(10 / expected_ratio(0.01, 10) ** 2, rel=1.2)


def test_a_clear_slope_passes():
    assert GradientAboveShotNoise().run(context(SampledModel(one_qubit(), shots=100), [0.4] * 16)).status == "PASS"


def test_a_model_read_exactly_is_judged_at_1000_shots():
    subject = context(one_qubit(), [0.4] * 4)
    record = GradientAboveShotNoise().run(subject)
    assert record.status == "PASS"
    assert "At 1000 shots per circuit, on 4 samples" in record.advice
    # One exact gradient of 3 circuits and four measured ones, whose two shifted circuits take the shots.
    assert (subject.tally.spent.circuits, subject.tally.spent.shots) == (4 * 5 * 3, 4 * 4 * 2 * 1000)


def test_a_gradient_of_zero_warns():
    circuit = Circuit(2).add("RY", 0, 0.3).add("RY", 1, feature(0))
    blind = QuantumClassifier(circuit, OutcomeGroups((0,), ((0,), (1,))), Box.uniform(0.0, 1.0, 1))
    record = GradientAboveShotNoise().run(context(blind, [0.4] * 4))
    assert record.status == "WARN"
    assert record.statistic < 1e-6
    assert "no shots suffice" in record.advice


def test_other_models_are_skipped(plain):
    assert GradientAboveShotNoise().run(plain).status == "SKIP"
    nothing = context(one_qubit(), [0.4])
    assert GradientAboveShotNoise().run(replace(nothing, y=1 - nothing.y)).status == "SKIP"
