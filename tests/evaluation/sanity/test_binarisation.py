import math

import pytest
import torch

from counterspin.attacks.evasion.apgd import APGD
from counterspin.attacks.evasion.pgd import PGD
from counterspin.attacks.evasion.random_draws import RandomDraws
from counterspin.attacks.losses import Margin
from counterspin.circuits import PauliExpectations, reuploading
from counterspin.evaluation.sanity import masks
from counterspin.evaluation.sanity.binarisation import PlantedPointsFound, circuit_features
from counterspin.models import QuantumClassifier
from counterspin.threats import Linf
from counterspin.types import Box

SUITE = (APGD(steps=30, restarts=3, loss=Margin()),)


def circuit():
    readout = PauliExpectations.of("Z0", "Z1", "Z2")
    model = QuantumClassifier(reuploading(4, 1, scale=math.pi), readout, Box.uniform(0.0, 1.0, 4))
    return model.requires_grad_(False)


class Hidden(torch.nn.Module):
    """A model with more scores than features, so that its scores can be refitted."""

    outputs, stochastic, differentiable, classes = "logits", False, True, 8

    def __init__(self, mask):
        super().__init__()
        self.bounds = Box.uniform(0.0, 1.0, 4)
        generator = torch.Generator().manual_seed(0)
        self.weight = torch.randn(8, 4, generator=generator, dtype=torch.float64)
        self.mask = mask

    def forward(self, x):
        return self.mask(lambda z: torch.tanh((z - 0.5) @ self.weight.to(z).T), x)


@pytest.mark.slow
def test_a_plain_circuit_passes_and_an_attack_that_stands_still_fails(helpers):
    few = helpers.samples(8)
    record = PlantedPointsFound().run(helpers.build(circuit(), x=few, suite=SUITE, threat=Linf(0.1)))
    assert (record.status, record.statistic) == ("PASS", 1.0)
    still = helpers.build(circuit(), x=few, suite=(PGD(steps=2, step_size=1e-9),), threat=Linf(0.1))
    record = PlantedPointsFound().run(still)
    assert record.status == "FAIL"
    assert record.statistic < 0.5
    assert set(record.samples) <= set(range(8))


@pytest.mark.slow
def test_a_gradient_masked_before_the_readout_fails(helpers):
    plain = helpers.build(Hidden(lambda model, x: model(x)), x=helpers.samples(8), suite=SUITE)
    assert PlantedPointsFound().run(plain).status == "PASS"
    masked = helpers.build(Hidden(masks.frozen_gradient), x=helpers.samples(8), suite=(PGD(steps=5),))
    assert PlantedPointsFound().run(masked).status == "FAIL"


def test_too_few_features_are_skipped(helpers):
    def one_score(x):
        value = (x - 0.5).square().sum(dim=1, keepdim=True)
        return torch.cat([value - 0.3, 0.3 - value], dim=1)

    record = PlantedPointsFound().run(helpers.build(helpers.Function(one_score, classes=2), suite=(PGD(steps=2),)))
    assert record.status == "SKIP"
    assert "refitted" in record.advice


def test_without_an_iterative_gradient_attack_there_is_nothing_to_test(helpers):
    assert PlantedPointsFound().run(helpers.build(circuit(), suite=(RandomDraws(draws=5),))).status == "SKIP"


@pytest.mark.slow
def test_the_features_of_a_circuit_are_its_expectation_values(helpers):
    model, x = circuit(), helpers.samples()
    features = circuit_features(model, x)
    assert features.shape == (40, 12 + 6)
    # Order: X, Y, Z of each qubit, then ZZ of each pair.
    torch.testing.assert_close(features[:, 8:11], model(x), rtol=0, atol=1e-12)
    assert float(features.abs().max()) <= 1 + 1e-12


@pytest.mark.slow
def test_the_same_evaluation_gives_the_same_record(helpers):
    context = helpers.build(circuit(), x=helpers.samples(10), suite=(PGD(steps=5),), threat=Linf(0.1))
    assert PlantedPointsFound().run(context) == PlantedPointsFound().run(context)
