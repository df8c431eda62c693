"""Flips seen near a sample, against the closed distances of a linear classifier."""

import pytest
import torch
from angle_models import one_rotation

from counterspin.certificates.base import Task
from counterspin.certificates.seen_flips import seen_flips
from counterspin.models import LogisticRegression
from counterspin.threats import L1, L2, Group, Linf
from counterspin.types import Box

SLOPE = torch.tensor([3.0, -1.0, 0.5], dtype=torch.float64)


def linear(bound=10.0, classes=2):
    """Two classes: class 0 wins where SLOPE · x > 0; a third one wins nowhere near 0."""
    model = LogisticRegression(Box.uniform(-bound, bound, features=3), classes=classes)
    with torch.no_grad():
        model.weight.zero_()
        model.weight[0] = SLOPE
        model.bias.zero_()
        if classes == 3:
            model.bias[2] = -4.0
    return model.requires_grad_(False)


def points(count=20):
    x = 2 * torch.rand(count, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 1
    return x


def task(model, x, y, threat, target=None):
    box = model.bounds if threat.box == "data" else Box.unbounded(x.shape[1])
    return Task(x=x, y=y, target=target, threat=threat, box=box, generator=torch.Generator())


@pytest.mark.parametrize(("threat", "dual"), [(L2(0.1), 2.0), (Linf(0.1), 1.0), (L1(0.1), torch.inf)])
def test_distance_of_a_linear_classifier(threat, dual):
    model, x = linear(), points()
    y = model(x).argmax(dim=1)
    found = seen_flips(model, task(model, x, y, threat))
    exact = (x @ SLOPE).abs() / torch.linalg.vector_norm(SLOPE, ord=dual)
    assert bool((found.distance >= exact * (1 - 1e-9)).all())
    torch.testing.assert_close(found.distance, exact, rtol=1e-5, atol=1e-9)
    torch.testing.assert_close(threat.size(found.points - x), found.distance)
    assert bool((model(found.points).argmax(dim=1) != y).all())


def test_masked_features_stay_and_the_distance_is_that_of_the_others():
    model, x = linear(), points()
    y = model(x).argmax(dim=1)
    found = seen_flips(model, task(model, x, y, L2(0.1, mask=(False, True, True))))
    assert torch.equal(found.points[:, 0], x[:, 0])
    exact = (x @ SLOPE).abs() / torch.linalg.vector_norm(SLOPE[1:])
    torch.testing.assert_close(found.distance, exact, rtol=1e-5, atol=1e-9)


def test_points_stay_in_the_box_and_none_is_claimed_beyond_it():
    model = linear(bound=1.0)
    x = torch.tensor([[0.9, -0.9, 0.9], [0.1, 0.2, 0.3]], dtype=torch.float64)
    # Only the third feature may move: 3.6 + 0.5 z stays positive in the box.
    found = seen_flips(model, task(model, x, torch.tensor([0, 0]), L2(0.1, mask=(False, False, True))))
    assert torch.isinf(found.distance[0])
    assert torch.equal(found.points[0], x[0])
    assert found.distance[1].item() == pytest.approx(0.5, abs=1e-5)
    assert bool(model.bounds.contains(found.points).all())


def test_a_target_class_is_reached_and_no_other_one_counts():
    model, x = linear(classes=3), points()
    y = model(x).argmax(dim=1)
    assert set(y.tolist()) == {0, 1}
    target = torch.full_like(y, 2)
    found = seen_flips(model, task(model, x, y, L2(0.1), target))
    # The label must be lost to a class that wins nowhere.
    assert bool(torch.isinf(found.distance).all())
    other = seen_flips(model, task(model, x, y, L2(0.1), 1 - y))
    exact = (x @ SLOPE).abs() / torch.linalg.vector_norm(SLOPE)
    torch.testing.assert_close(other.distance, exact, rtol=1e-5, atol=1e-9)


def test_a_curved_boundary():
    model = one_rotation(2.0)
    x = torch.tensor([[0.1], [0.5], [-0.7]], dtype=torch.float64)
    found = seen_flips(model, task(model, x, torch.tensor([0, 0, 0]), L2(0.1, box="none")))
    torch.testing.assert_close(found.distance, torch.pi / 4 - x[:, 0].abs(), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "threat", [L2(0.1, groups=(Group(features=(0,), values=((0.0,), (1.0,))),)), L2(0.1, tied=((0, 1),))]
)
def test_none_is_looked_for_among_discrete_or_tied_features(threat):
    model, x = linear(), points(3)
    found = seen_flips(model, task(model, x, model(x).argmax(dim=1), threat))
    assert bool(torch.isinf(found.distance).all())
    assert torch.equal(found.points, x)
