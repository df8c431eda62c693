"""Smoothing training: the deviation of its noise, its loss, and the consistency in numpy."""

import numpy as np
import pytest
import torch
from linear_training import linear_batch, linear_model, step_at
from torch.nn.functional import cross_entropy

from counterspin.defenses.training.smoothing import SmoothingTraining, sized_like
from counterspin.errors import UsageError
from counterspin.threats import L0, L2, Linf


def watched(objective, rows: int = 400, features: int = 6):
    model = linear_model(features)
    x, y = linear_batch(rows, features)
    seen: list[torch.Tensor] = []
    model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    value = objective(model, x, y, step_at(rows=rows))
    return model, x, y, seen[0], value


@pytest.mark.parametrize("units", ["feature", "relative"])
def test_noise_has_the_deviation_asked_for(units: str) -> None:
    threat = L2(0.5, units=units)
    _, x, _, seen, _ = watched(SmoothingTraining(threat=threat, sigma=0.3, draws=3))
    noise = (seen.unflatten(0, (3, -1)) - x) / threat.scale(x)[:, None]
    assert noise.std().item() == pytest.approx(0.3, rel=0.03)  # 7200 draws: 0.8 % standard error
    assert abs(noise.mean().item()) < 0.015
    assert abs(float((noise[0] * noise[1]).mean())) < 0.01


def test_the_default_is_as_long_as_the_middle_budget() -> None:
    _, x, _, seen, _ = watched(SmoothingTraining(threat=L2(0.1, 0.4, 0.9)), features=6)
    lengths = (seen.unflatten(0, (2, -1)) - x).square().sum(dim=2).mean().sqrt()
    assert lengths.item() == pytest.approx(0.4, rel=0.03)
    assert sized_like(0.1, "linf", 25) == 0.1
    assert sized_like(0.5, "l1", 25) == 0.1


def test_masked_features_get_no_noise() -> None:
    threat = Linf(0.1, mask=(True, False, True, True, True, True))
    _, x, _, seen, _ = watched(SmoothingTraining(threat=threat, sigma=0.3))
    moved = (seen.unflatten(0, (2, -1)) != x).any(dim=1).any(dim=0)
    assert moved.tolist() == [True, False, True, True, True, True]


def test_loss_and_consistency_by_hand() -> None:
    model, _, y, seen, value = watched(SmoothingTraining(threat=L2(0.5), sigma=0.3, draws=3, consistency=2.0), rows=12)
    logits = model(seen).detach()
    p = np.exp(torch.log_softmax(logits, dim=1).numpy()).reshape(3, 12, 2)
    mean = p.mean(axis=0)
    consistency = (mean * np.log(mean / p)).sum(axis=2).mean()
    expected = cross_entropy(logits, y.repeat(3)).item() + 2.0 * consistency
    assert value.item() == pytest.approx(expected, abs=1e-12)
    assert consistency > 1e-3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sigma": 0.0}, r"sigma is 0\.0"),
        ({"draws": 0}, "draws is 0"),
        ({"consistency": -1.0}, r"consistency is -1\.0"),
        ({"consistency": 1.0, "draws": 1}, "consistency compares draws"),
    ],
)
def test_refusals(change: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        SmoothingTraining(threat=L2(0.1), **change)


def test_discrete_features_are_refused() -> None:
    from counterspin.types import Box

    model = linear_model(box=Box.uniform(0.0, 1.0, features=6))
    with pytest.raises(UsageError, match="discrete features cannot take"):
        SmoothingTraining(threat=L0(1)).check(model, L0(1))
