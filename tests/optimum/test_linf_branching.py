"""Branch and bound on the margin over a ball."""

import torch

from counterspin.optimum.linf_branching import branched_radius, settle
from counterspin.optimum.linf_problem import pair_form, pair_shift, problem_of
from counterspin.types import Box

X = torch.tensor([[0.9, 0.3]], dtype=torch.float64)


def problem(form, x=X, box=None):
    pair = pair_form(form, torch.arange(len(form)), pair_shift(form))
    return problem_of(pair, x, Box.unbounded(len(form)) if box is None else box)


def test_branching_settles_either_way_or_admits_that_it_cannot():
    # z_0 z_1 >= 0 turns at the axes: 0.3 away from (0.9, 0.3), with a saddle the relaxation loses at.
    saddle = problem(torch.tensor([[0.0, 0.5], [0.5, 0.0]], dtype=torch.float64))
    for radius, proves, flips in ((0.299, True, False), (0.301, False, True)):
        proved, points = settle(saddle, torch.tensor([radius], dtype=torch.float64), accuracy=1e-6, nodes=500)
        assert proved.tolist() == [proves]
        assert torch.isfinite(points.radius).tolist() == [flips]
    # Relaxed once, the bound is not positive; one node allows no split.
    for nodes, proves in ((1, False), (500, True)):
        assert settle(saddle, torch.tensor([0.299], dtype=torch.float64), accuracy=1e-6, nodes=nodes)[0].tolist() == [
            proves
        ]


def test_bracket_is_raised_to_the_flip_and_no_further():
    saddle = problem(torch.tensor([[0.0, 0.5], [0.5, 0.0]], dtype=torch.float64))
    low, high = (torch.tensor([value], dtype=torch.float64) for value in (0.1, 0.8))
    raised = branched_radius(saddle, low, high, gap=1e-5, nodes=500)
    assert 0.3 * (1 - 2e-5) <= raised.lower.item() <= 0.3
    assert 0.3 <= raised.points.radius.item() <= 0.3 * (1 + 2e-5)
    assert saddle.margin(raised.points.steps).item() <= 0
    # Without a budget the certified radius stays what it was.
    assert branched_radius(saddle, low, high, gap=1e-5, nodes=1).lower.item() >= 0.1
