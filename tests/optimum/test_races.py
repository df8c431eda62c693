"""Which differences of scores decide a prediction."""

import torch

from counterspin.optimum.races import race_of

SCORES = torch.tensor([[3.0, 1.0, 2.0], [0.0, 5.0, 4.0]])


def test_untargeted_margin_is_the_lead_over_the_best_rival():
    race = race_of(torch.tensor([0, 2]), None, 3)
    assert race.rule == "min"
    assert race.losers.tolist() == [[1, 2], [0, 1]]
    assert race.margin(SCORES).tolist() == [1.0, -1.0]


def test_targeted_margin_falls_only_when_the_target_beats_all():
    race = race_of(torch.tensor([0, 1]), torch.tensor([1, 2]), 3)
    assert race.rule == "max"
    assert race.margin(SCORES).tolist() == [2.0, 1.0]
    assert race.take(torch.tensor([1])).margin(SCORES[1:]).tolist() == [1.0]
