import pytest
import torch

from counterspin.evaluation.sanity.probing import Contrast, cosine, probe_beside_samples, spans_of
from counterspin.threats import L0, L2, Linf
from counterspin.types import Box, Cost


def probe_of(helpers, threat, **changes):
    model = helpers.Function(helpers.linear)
    for name, value in changes.items():
        setattr(model, name, value)
    return probe_beside_samples(helpers.build(model, threat=threat, suite=()), "test", 16)


def test_a_contrast_is_the_margin_at_the_clean_scores_and_linear_elsewhere(helpers):
    scores = helpers.linear(helpers.samples())
    contrast = Contrast.of(scores, scores.argmax(dim=1))
    top = scores.topk(2, dim=1).values
    assert torch.equal(contrast(scores), top[:, 0] - top[:, 1])
    torch.testing.assert_close(
        contrast(torch.cat([scores, 3 * scores])),
        torch.cat([contrast(scores)] * 2) * torch.cat([torch.ones(40), 3 * torch.ones(40)]),
    )


@pytest.mark.parametrize("threat", [Linf(0.05, 0.15), L2(0.05, 0.15), Linf(1e-4), Linf(10.0)])
def test_points_lie_beside_the_samples_and_off_the_walls(helpers, threat):
    probe = probe_of(helpers, threat)
    clean = helpers.samples()[probe.rows]
    near = min(0.1 * threat.eps[0], 0.1)
    assert torch.equal(probe.near, torch.full_like(clean, near))
    assert torch.equal(probe.far, torch.full_like(clean, min(threat.eps[-1], 0.5)))
    assert float((probe.x - clean).abs().max()) <= 2 * near + 1e-12
    assert float(probe.x.min()) >= near - 1e-12
    assert float(probe.x.max()) <= 1 - near + 1e-12


def test_budgets_that_count_features_do_not_shorten_the_steps(helpers):
    assert set(probe_of(helpers, L0(1)).near.flatten().tolist()) == {0.1}


def test_slopes_are_derivatives_and_moves_are_movements(helpers):
    probe = probe_of(helpers, Linf(0.1))
    steps = 1e-3 * torch.eye(4, dtype=torch.float64)[:, None].expand(-1, len(probe.rows), -1)
    corners = torch.eye(4, dtype=torch.float64)
    weight = (helpers.linear(corners) - helpers.linear(torch.zeros(1, 4, dtype=torch.float64))).T
    exact = (weight[probe.loss.own] - weight[probe.loss.rival]).T
    torch.testing.assert_close(probe.slopes(steps), 1e-3 * exact, rtol=1e-9, atol=1e-12)
    assert torch.equal(probe.moves(steps), exact.abs() > 0)
    assert not probe.moves(0 * steps).any()


def test_what_is_asked_is_counted(helpers):
    probe = probe_of(helpers, Linf(0.1))
    before = probe.context.tally.spent
    probe.slopes(torch.zeros(3, 1, 4, dtype=torch.float64))
    assert probe.context.tally.spent == before + Cost(forwards=6 * 16, circuits=6 * 16)


def test_spans_are_widths_or_sizes():
    box = Box(torch.tensor([0.0, -torch.inf]), torch.tensor([2.0, torch.inf]), torch.zeros(2, dtype=torch.bool))
    assert spans_of(box, torch.tensor([[1.0, -7.0], [0.5, 3.0]])).tolist() == [2.0, 7.0]


def test_the_cosine_of_nothing_with_nothing_is_one_and_with_something_zero():
    a = torch.tensor([[0.0, 0.0, 1.0, 1e-200], [0.0, 0.0, 0.0, 0.0]], dtype=torch.float64)
    b = torch.tensor([[0.0, 1.0, -2.0, 0.0], [0.0, 0.0, 0.0, 1.0]], dtype=torch.float64)
    assert cosine(a, b).tolist() == [1.0, 0.0, -1.0, 0.0]


def test_without_a_correct_sample_there_is_no_probe(helpers):
    wrong = (helpers.linear(helpers.samples()).argmax(dim=1) + 1) % 3
    assert probe_beside_samples(helpers.build(helpers.Function(helpers.linear), y=wrong, suite=()), "t", 4) is None
