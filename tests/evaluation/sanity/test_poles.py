import math

import pytest
import torch

from counterspin.circuits import PauliExpectations, angle_encoding
from counterspin.evaluation.sanity.poles import EncodingPoles
from counterspin.models import QuantumClassifier
from counterspin.types import Box


def cosines(x):
    return torch.cos(math.pi * x[:, :3])


def samples_with_poles(helpers, features: int):
    x = 0.1 + 0.8 * helpers.samples()
    x[:, :features] = (x[:, :features] > 0.5).double()
    return x


@pytest.mark.parametrize("features", [1, 2])
def test_features_on_a_pole_are_counted(helpers, features):
    # The fourth feature has no effect, so of three effective ones `features` sit on a pole in every sample.
    context = helpers.build(helpers.Function(cosines), x=samples_with_poles(helpers, features), suite=())
    record = EncodingPoles().run(context)
    assert record.status == "WARN"
    assert record.statistic == pytest.approx(features / 3)
    assert record.samples == list(range(16))


def test_a_real_encoding_on_its_poles_is_noticed_and_beside_them_is_not(helpers):
    box = Box.uniform(0.0, 1.0, 4)
    readout = PauliExpectations.of("Z0", "Z1", "Z2", "Z3")
    model = QuantumClassifier(angle_encoding(4, scale=math.pi), readout, box).requires_grad_(False)
    on, beside = helpers.build(model, x=samples_with_poles(helpers, 2), suite=()), helpers.build(model, suite=())
    assert EncodingPoles().run(on).status == "WARN"
    assert EncodingPoles().run(beside).status == "PASS"


def test_one_flat_feature_in_hundreds_passes(helpers):
    x = 0.1 + 0.8 * helpers.samples()
    x[3, 0] = 0.0
    record = EncodingPoles().run(helpers.build(helpers.Function(cosines), x=x, suite=()))
    assert record.status == "PASS"
    assert record.statistic == pytest.approx(1 / 48)


def test_a_masked_gradient_is_no_pole(helpers):
    # Zero gradient, but the scores move in proportion to the step: S17 speaks, not S19.
    model = helpers.Function(lambda x: helpers.linear(x.detach()) + 0 * x[:, :1])
    assert EncodingPoles().run(helpers.build(model, suite=())).status == "PASS"


def test_linear_models_pass_and_others_are_skipped(helpers, plain):
    assert EncodingPoles().run(plain).status == "PASS"
    for name, value in (("stochastic", True), ("differentiable", False)):
        model = helpers.Function(helpers.linear)
        setattr(model, name, value)
        assert EncodingPoles().run(helpers.build(model, suite=())).status == "SKIP"
    constant = helpers.Function(lambda x: torch.tensor([1.0, 0.0, 0.0]) + 0 * x[:, :1])
    assert EncodingPoles().run(helpers.build(constant, suite=())).status == "SKIP"
