import math

import pytest
import torch

from counterspin.circuits import PauliExpectations, amplitude_encoding, angle_encoding, reuploading, strongly_entangling
from counterspin.evaluation.sanity.no_op import NoOpDirections
from counterspin.models import QuantumClassifier
from counterspin.threats import L2, Linf
from counterspin.types import Box

READOUT = PauliExpectations.of("Z0", "Z1")


def record_of(helpers, circuit, threat=None):
    box = Box.uniform(0.0, 1.0, 4)
    model = QuantumClassifier(circuit, READOUT, box).requires_grad_(False)
    return NoOpDirections().run(helpers.build(model, x=0.05 + 0.9 * helpers.samples(), threat=threat, suite=()))


@pytest.mark.parametrize("threat", [Linf(0.1), L2(0.1)])
def test_the_scale_of_an_amplitude_encoding_is_reported_with_its_feature_distance(helpers, threat):
    record = record_of(helpers, amplitude_encoding(4) + strongly_entangling(2, 1), threat)
    x = 0.05 + 0.9 * helpers.samples()[:8]
    assert record.status == "INFO"
    assert "scale by 0.5" in record.advice
    assert record.statistic == pytest.approx(float(threat.size(0.5 * x).max()), rel=1e-12)


def test_the_period_of_an_angle_encoding_is_reported(helpers):
    record = record_of(helpers, angle_encoding(4, scale=math.pi))
    assert record.status == "INFO"
    assert record.statistic == pytest.approx(2.0)
    assert "shift of feature 0 by 2" in record.advice
    assert "and 0 more" not in record.advice


def test_incommensurate_uploads_have_no_period(helpers):
    circuit = angle_encoding(4, scale=1.0) + angle_encoding(4, axis="x", scale=math.sqrt(2))
    record = record_of(helpers, circuit)
    assert (record.status, record.statistic) == ("INFO", None)


def test_fixed_uploads_share_one_period(helpers):
    record = record_of(helpers, reuploading(4, 2, scale=math.pi, trainable_scale=False))
    assert record.statistic == pytest.approx(2.0)


def test_models_without_states_are_skipped(plain):
    assert NoOpDirections().run(plain).status == "SKIP"


def test_nothing_is_attached_to_autograd(helpers):
    model = QuantumClassifier(angle_encoding(4), READOUT, Box.uniform(0.0, 1.0, 4))
    NoOpDirections().run(helpers.build(model, suite=()))
    assert torch.is_grad_enabled()
    assert all(p.requires_grad for p in model.parameters())
