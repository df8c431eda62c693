"""TRADES against an independent formula in numpy."""

import numpy as np
import pytest
import torch
from linear_training import linear_batch, linear_model, seeded, step_at

from counterspin.defenses.training.schedule import EpsilonSchedule
from counterspin.defenses.training.smoothed_labels import LabelSmoothing
from counterspin.defenses.training.trades import TRADES, Divergence
from counterspin.errors import UsageError
from counterspin.threats import Linf

EPS = EpsilonSchedule(final=0.15)


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def test_formula_at_given_points() -> None:
    model, (x, y) = linear_model(classes=3), linear_batch(classes=3)
    points = x + 0.1 * torch.randn(x.shape, generator=seeded(9), dtype=torch.float64)
    value = TRADES(threat=Linf(0.1), schedule=EPS, beta=4.0).value(model, x, points, y, step_at())
    weight, bias = (parameter.detach().numpy() for parameter in model.parameters())
    p, q = softmax(x.numpy() @ weight.T + bias), softmax(points.numpy() @ weight.T + bias)
    expected = -np.log(p[np.arange(12), y.numpy()]).mean() + 4.0 * (p * np.log(p / q)).sum(axis=1).mean()
    assert value.item() == pytest.approx(expected, abs=1e-12)


def test_points_of_two_linear_classes_are_local_maxima() -> None:
    """The divergence grows with the change of the margin: one of two corners, which one the random start decides."""
    model, (x, y) = linear_model(), linear_batch()
    points = TRADES(threat=Linf(0.1), schedule=EPS).points(model, x, y, step_at())
    direction = (model.weight[0] - model.weight[1]).detach().sign()
    signs = ((points - x) * direction).mean(dim=1).sign()[:, None]
    torch.testing.assert_close(points, x + 0.15 * signs * direction, atol=1e-12, rtol=0)
    assert set(signs[:, 0].tolist()) == {-1.0, 1.0}


def test_probabilities_of_some_outcomes_are_normalised() -> None:
    scores = torch.tensor([[0.2, 0.2], [0.1, 0.3]], dtype=torch.float64)
    clean = torch.tensor([[0.5, 0.5], [0.5, 0.5]], dtype=torch.float64).log()
    found = Divergence(clean=clean)(scores, torch.zeros(2, dtype=torch.int64), outputs="probabilities")
    expected = 0.5 * np.log(0.5 / 0.25) + 0.5 * np.log(0.5 / 0.75)
    assert found.tolist() == pytest.approx([0.0, expected], abs=1e-12)


def test_the_classification_loss_may_be_another() -> None:
    model, (x, y) = linear_model(), linear_batch()
    plain, smoothed = (
        TRADES(threat=Linf(0.1), schedule=EPS, **change).value(model, x, x, y, step_at())
        for change in ({}, {"loss": LabelSmoothing(amount=0.2)})
    )
    expected = LabelSmoothing(amount=0.2)(model, x, y)
    assert smoothed.item() == pytest.approx(expected.item(), abs=1e-12)
    assert abs(plain.item() - smoothed.item()) > 1e-3


def test_refusals() -> None:
    with pytest.raises(UsageError, match=r"beta is 0\.0"):
        TRADES(threat=Linf(0.1), schedule=EPS, beta=0.0)
