import torch

from counterspin.attacks.ball import Ball
from counterspin.attacks.memory import Memory


def start(nearest, samples=2):
    center = torch.zeros(samples, 1, dtype=torch.float64)
    ball = Ball.around(center, torch.ones(samples, dtype=torch.float64), "l2", None)
    return Memory.starting(center, torch.ones(samples, dtype=torch.float64), nearest=nearest), ball


def see(memory, ball, sample, x, margin):
    margin = torch.tensor(margin, dtype=torch.float64)
    scores = torch.stack([margin, torch.zeros_like(margin)], dim=1)
    memory.remember(torch.tensor(sample), torch.tensor(x, dtype=torch.float64)[:, None], ball, scores, margin)


def test_the_lowest_margin_wins_and_breaks_at_zero():
    memory, ball = start(nearest=False)
    see(memory, ball, [0, 1, 0], [0.1, 0.2, 0.3], [0.5, 0.0, 0.2])
    assert memory.best[:, 0].tolist() == [0.3, 0.2]
    assert memory.broken.tolist() == [False, True]
    see(memory, ball, [0], [0.4], [0.3])
    assert memory.best[0].item() == 0.3


def test_the_nearest_break_wins_once_there_is_one():
    memory, ball = start(nearest=True)
    see(memory, ball, [0, 0], [0.9, 0.8], [-1.0, 0.4])
    assert memory.best[0].item() == 0.9
    see(memory, ball, [0, 0, 0], [0.95, 0.5, 0.7], [-9.0, -0.1, -0.2])
    assert memory.best[0].item() == 0.5
    assert memory.distance.tolist() == [0.5, torch.inf]
    # A better margin does not replace a nearer break.
    see(memory, ball, [0], [0.6], [-5.0])
    see(memory, ball, [0], [0.1], [0.01])
    assert memory.best[0].item() == 0.5
    assert memory.margin[0].item() == -0.1


def test_points_outside_the_ball_are_not_remembered():
    for nearest in (False, True):
        memory, ball = start(nearest=nearest)
        see(memory, ball, [0, 1], [1.1, 1.0 + 1e-9], [-1.0, -1.0])
        assert memory.broken.tolist() == [False, True]


def test_float32_breaks_only_beyond_its_rounding():
    memory, ball = start(nearest=True)
    scores = torch.tensor([[1.0, 1.0], [1.0, 1.0 + 1e-5]])
    margin = torch.tensor([0.0, -1e-5])
    memory.remember(torch.tensor([0, 1]), torch.full((2, 1), 0.5), ball, scores, margin)
    assert memory.broken.tolist() == [False, True]
