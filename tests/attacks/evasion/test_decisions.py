"""Starts and bisections of the attacks that see the predicted class alone."""

import pytest
import torch

from counterspin.attacks.ball import Ball
from counterspin.attacks.evasion.decisions import Decisions
from counterspin.attacks.oracle import Oracle
from counterspin.types import Box


def decisions(model, x, norm="l2", radius=5.0, target=None):
    ball = Ball.around(x, torch.full((len(x),), radius, dtype=x.dtype), norm, model.bounds)
    y = model.labels(x)
    margin = torch.full((len(x),), 9.0, dtype=x.dtype)
    oracle = Oracle(model, ball, y, best=x, best_margin=margin, nearest=True, awake=True, target=target)
    return Decisions.of(oracle, ball)


@pytest.mark.one_fast
@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("box", [None, Box.uniform(-3.0, 70.0, 4)])
def test_starts_are_of_another_class_and_bisected_to_the_boundary(linear, norm, box, seeded):
    model = linear([1.0, -2.0, 0.5, 1.5], 0.3, bounds=box)
    x = torch.randn(40, 4, generator=seeded(1), dtype=torch.float64).clamp(-3.0, 70.0)
    seen = decisions(model, x, norm)
    start, found = seen.start(40, seeded())
    assert found.all()
    assert torch.equal(model.labels(start), 1 - model.labels(x))
    assert model.bounds.contains(start).all()
    edge = seen.to_boundary(start, 1e-9)
    assert torch.equal(model.labels(edge), 1 - model.labels(x))
    length = seen.distance(start)[:, 0]
    assert (model.margin(edge).abs() <= 1e-8 * length * model.w.abs().sum()).all()


def test_a_start_that_does_not_exist_is_not_found(linear, seeded):
    model = linear([1.0, 1.0], 10.0, bounds=Box.uniform(0.0, 1.0, 2))
    seen = decisions(model, torch.full((3, 2), 0.5, dtype=torch.float64))
    point, found = seen.start(8, seeded())
    assert not found.any()
    assert (point == 0.5).all()
    assert seen.oracle.cost.forwards == 3 * 8


def test_points_between_are_at_a_share_of_the_distance_in_the_norm(linear, seeded):
    x, far = torch.zeros(5, 3).double(), torch.randn(5, 3, generator=seeded(), dtype=torch.float64)
    for norm in ("l2", "linf"):
        seen = decisions(linear([1.0, 0.0, 0.0]), x, norm)
        share = torch.rand(5, 1, generator=seeded(2), dtype=torch.float64)
        assert torch.allclose(seen.distance(seen.between(far, share)), share * seen.distance(far))


def test_a_target_is_the_class_that_counts(cosine):
    model = cosine(3)
    x = torch.tensor([[0.05], [0.1]], dtype=torch.float64)
    seen = decisions(model, x, target=torch.tensor([2, 2]))
    assert seen.flipped(torch.tensor([[[0.5], [0.5]], [[0.8], [0.9]]]).double()).tolist() == [[False] * 2, [True] * 2]
