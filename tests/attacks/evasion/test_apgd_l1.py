"""APGD in L1 on linear models, against the closed form with and without a box."""

import pytest
import torch

from counterspin.attacks import APGD
from counterspin.attacks.losses import Margin
from counterspin.threats import L1
from counterspin.types import Box


def largest_drop(w, x, eps, *, boxed):
    """Fractional knapsack: the features with the largest weights go to their bounds until the budget is spent."""
    room = torch.where(w > 0, x, 1 - x) if boxed else torch.full_like(x, eps)
    order = w.abs().argsort(descending=True)
    room = room[:, order].clamp(max=eps)
    taken = torch.minimum(room, (eps - (room.cumsum(dim=1) - room)).clamp_min(0.0))
    return (taken * w.abs()[order]).sum(dim=1)


@pytest.mark.one_fast
@pytest.mark.parametrize(
    ("features", "eps", "boxed"),
    [(8, 0.3, True), (8, 3.0, True), (30, 1.0, True), (30, 5.0, True), (8, 1.0, False), (30, 1.0, False)],
)
def test_it_reaches_the_optimum_of_a_linear_model(linear, features, eps, boxed):
    g = torch.Generator().manual_seed(features)
    w = torch.randn(features, generator=g, dtype=torch.float64)
    # A margin that no change in the ball overcomes, so that the best point is seen.
    model = linear(w, 200.0, bounds=Box.uniform(0.0, 1.0, features) if boxed else None)
    x = torch.rand(10, features, generator=g, dtype=torch.float64)
    attack = APGD(steps=100, restarts=3, loss=Margin())
    result = attack(model, x, model.labels(x), L1(eps))
    drop = model.margin(x) - result.budgets[0].best_margin
    best = largest_drop(w, x, eps, boxed=boxed)
    assert (drop <= best + 1e-9).all()
    assert (drop >= (1 - 1e-3) * best).all()
