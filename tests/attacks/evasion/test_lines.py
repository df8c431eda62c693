"""Intervals and directions of the line searches."""

import math

import pytest
import torch

from counterspin.attacks.ball import Ball
from counterspin.attacks.evasion.lines import free_directions, lines_of, room
from counterspin.attacks.oracle import Oracle
from counterspin.circuits import OutcomeGroups, angle_encoding
from counterspin.models import QuantumClassifier
from counterspin.threats import Constraints, Group
from counterspin.types import Box


def balls(norm, rows=40, features=4, constraints=None, seed=0):
    g = torch.Generator().manual_seed(seed)
    center = torch.rand(rows, features, generator=g, dtype=torch.float64)
    radius = torch.full((rows,), 2.0 if norm == "l0" else 0.4, dtype=torch.float64)
    ball = Ball.around(center, radius, norm, Box.uniform(0.0, 1.0, features), constraints)
    return ball, ball.random_point(center, g)


@pytest.mark.parametrize("norm", ["linf", "l2", "l1", "l0"])
@pytest.mark.parametrize(
    "constraints", [None, Constraints(tied=((1, 3),)), Constraints(mask=(True, True, False, False))]
)
def test_a_row_may_go_as_far_as_the_ball_and_no_farther(norm, constraints, cosine):
    ball, x = balls(norm, constraints=constraints)
    for line in lines_of(cosine(), ball, nodes=5):
        low, high = room(ball, x, line)
        assert ((low <= 0) & (high >= 0)).all()
        for end, beyond in ((low, low - 1e-4), (high, high + 1e-4)):
            assert ball.contains(x + end[:, None] * line.direction, tolerance=1e-9).all()
            assert not ball.contains(x + beyond[:, None] * line.direction).any()


@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_shares_of_the_budget_add_up(norm, cosine):
    ball, _ = balls(norm)
    x = ball.center
    lines = lines_of(cosine(), ball, nodes=5)
    for position, line in enumerate(lines):
        low, high = room(ball, x, line, sharing=len(lines) - position)
        step = torch.where(-low > high, low, high)
        x = x + step[:, None] * line.direction
        assert ball.contains(x, tolerance=1e-9).all()
    # Rows that met no wall have spent everything.
    free = ((x > 0) & (x < 1)).all(dim=1)
    assert free.any()
    assert torch.allclose(ball.size(x - ball.center)[free], ball.radius[free])


def test_discrete_and_masked_features_stay_and_tied_ones_go_together():
    listed = Group(features=(1,), values=((0.0,), (1.0,)))
    ball, _ = balls(
        "linf", features=5, constraints=Constraints(mask=(True,) * 4 + (False,), groups=(listed,), tied=((0, 3),))
    )
    assert free_directions(ball).tolist() == [[1, 0, 0, 1, 0], [0, 0, 1, 0, 0]]


class Noisy:
    """One qubit behind RX(x), probabilities with independent errors."""

    stochastic = True

    def __init__(self):
        box = Box.uniform(-4.0, 4.0, 1)
        self.model = QuantumClassifier(angle_encoding(1, axis="x"), OutcomeGroups.first(qubits=1, classes=2), box)
        self.model.requires_grad_(False)
        self.circuit, self.weights, self.readout = self.model.circuit, self.model.weights, self.model.readout
        self.bounds, self.classes, self.outputs = box, 2, "probabilities"
        self.circuit_inputs = self.model.circuit_inputs
        self.generator = torch.Generator().manual_seed(0)

    def __call__(self, x):
        scores = self.model(x)
        return scores + 0.01 * torch.randn(scores.shape, generator=self.generator, dtype=scores.dtype)


def test_noisy_answers_are_fitted_by_least_squares_from_three_times_as_many():
    model, x = Noisy(), torch.linspace(-0.5, 0.5, 50, dtype=torch.float64)[:, None]
    ball = Ball.around(x, torch.full((50,), 3.0, dtype=torch.float64), "linf", model.bounds)
    (line,) = lines_of(model, ball, nodes=5)
    oracle = Oracle(
        model, ball, torch.zeros(50).long(), best=x, best_margin=torch.full((50,), 5.0).double(), awake=True
    )
    low, high = room(ball, x, line)
    with oracle.unremembered():
        here = oracle.scores(x)
    step, value = line.search(oracle, x, here, low, high, oracle.y, None)
    assert oracle.cost.forwards == 50 * (1 + 3 * 2)
    # The margin is cos x: lowest at ±π where that is in reach. A fit to seven samples is good to about 0.01.
    reached = (x[:, 0] + step).abs()
    expected = torch.minimum(torch.tensor(math.pi), torch.maximum((x[:, 0] + high).abs(), (x[:, 0] + low).abs()))
    assert torch.allclose(reached.cos(), expected.cos(), atol=0.03)
    assert torch.allclose(value, expected.cos(), atol=0.06)
