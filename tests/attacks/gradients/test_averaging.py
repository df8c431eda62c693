import json
import math

import pytest
import torch
from small_models import one_qubit

from counterspin.attacks.gradients import EOT, SPSA, Autodiff, ParameterShift, Twin
from counterspin.errors import CapabilityError, UsageError
from counterspin.models.sampled import SampledModel
from counterspin.types import Box, Cost


class Noisy:
    """Scores (w x, -w x) with w = 1 + standard normal noise, one per row and call: gradient mean 1, variance 1."""

    classes, outputs, stochastic, shots_per_call = 2, "logits", True, 5
    bounds = Box.unbounded(1)

    def __init__(self):
        self.generator, self.asked = torch.Generator().manual_seed(0), 0

    def __call__(self, x):
        self.asked += len(x)
        w = 1 + torch.randn(len(x), 1, generator=self.generator, dtype=x.dtype)
        return torch.cat([w * x, -w * x], dim=1)


def first(scores):
    return scores[:, 0]


@pytest.mark.parametrize("samples", [1, 4, 16])
def test_the_variance_falls_as_one_over_the_samples(samples):
    n = 4000
    found = EOT(samples=samples)(Noisy(), torch.full((n, 1), 2.0).double(), first)
    gradient = found.gradient[:, 0]
    assert gradient.var().item() == pytest.approx(1 / samples, rel=0.12)
    assert gradient.mean().item() == pytest.approx(1.0, abs=5 / math.sqrt(samples * n))
    # Value and scores are x times the same weights.
    assert torch.allclose(found.value, 2 * gradient)
    assert torch.allclose(found.scores[:, 0], 2 * gradient)


def test_every_evaluation_is_paid_for():
    model = Noisy()
    found = EOT(samples=6)(model, torch.ones(3, 1).double(), first)
    assert model.asked == 18
    assert found.cost == Cost(forwards=18, backwards=18, circuits=18, shots=90)


def test_it_averages_any_source(seeded):
    model = SampledModel(one_qubit(), shots=10)
    x = torch.full((2, 1), 0.3).double()
    found = EOT(source=SPSA(directions=3), samples=4)(model, x, first, seeded(0))
    assert found.cost == Cost(forwards=2 * 4 * 7, circuits=2 * 4 * 7, shots=2 * 4 * 7 * 10)
    # Four calls of ten shots: a multiple of 1 / 40.
    assert torch.allclose((found.scores * 40).round(), found.scores * 40, atol=1e-9)


def test_it_refuses_what_its_source_refuses(linear):
    with pytest.raises(CapabilityError, match="no circuit"):
        EOT(source=ParameterShift()).check(linear([1.0]))
    with pytest.raises(UsageError, match="samples is 0"):
        EOT(samples=0)


def test_which_sources_serve_stochastic_models():
    assert [s.averages for s in (Autodiff(), ParameterShift(), SPSA(), Twin(), EOT())] == [
        False, False, True, True, True,
    ]  # fmt: skip


def test_configurations_are_json_and_hashable():
    source = EOT(source=SPSA(directions=3, radius=0.1), samples=2)
    assert json.loads(json.dumps(source.config)) == {
        "kind": "EOT",
        "source": {"kind": "SPSA", "directions": 3, "radius": 0.1},
        "samples": 2,
    }
    assert source == EOT(source=SPSA(directions=3, radius=0.1), samples=2)
    assert len({source, EOT(samples=2), Autodiff()}) == 3
