"""Attacks on the measurement against linear programmes, hand-made cases and random tampering."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import linprog

from counterspin import recipes
from counterspin.attacks.quantum.measurement import (
    ATTACKS,
    CalibrationTampering,
    ConfusionTampering,
    CorrelatedReadout,
    PostSelection,
    ReadoutShift,
    ResultTampering,
    WithheldShots,
)
from counterspin.attacks.quantum.measurement.calibration import corrected
from counterspin.attacks.quantum.measurement.outcomes import outcomes
from counterspin.attacks.quantum.measurement.shift import moved_to_smallest
from counterspin.attacks.quantum.results import Situation
from counterspin.circuits import Linear, OutcomeGroups, PauliExpectations, Scale, reuploading
from counterspin.errors import CapabilityError, UsageError
from counterspin.models import NoisyClassifier, QuantumClassifier, SampledModel
from counterspin.models.classical import MLP
from counterspin.noise.text import parse
from counterspin.types import Box

BOX = Box.uniform(0.0, 1.0, 3)


def small(measurement, head=None):
    generator = torch.Generator().manual_seed(1)
    return QuantumClassifier(reuploading(3, 2), measurement, BOX, head=head, generator=generator).double()


def grouped():
    """Three classes of three qubits, one outcome in no class."""
    return small(OutcomeGroups((0, 1, 2), ((0, 3), (1, 4, 6), (2, 5))), Scale(torch.tensor(5.0)))


def linear():
    """Three classes by a linear head of values in two bases: two settings."""
    weight = torch.tensor([[1.0, -0.4, 0.3], [-0.2, 0.9, 0.1], [-0.5, -0.3, 0.8]])
    return small(PauliExpectations.of("Z0", "Z1 Z2", "X0"), Linear(weight, torch.tensor([0.05, -0.02, 0.0])))


def samples(model, count=40):
    x = torch.rand(count, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    return x, model(x).argmax(dim=1)


def worst_margin(found, row, y, budget, polytope):
    """Least margin over the rivals of sample `row`, by a linear programme per rival; settings are independent."""
    margins = []
    for rival in range(len(found.bias)):
        if rival == y:
            continue
        total = float(found.bias[y] - found.bias[rival])
        for distribution, table in zip(found.distributions, found.tables, strict=True):
            total += polytope(distribution[row].numpy(), (table[:, y] - table[:, rival]).numpy(), budget)
        margins.append(total)
    return min(margins)


def shifted(p, gap, t):
    """min g·(p + u - v), 0 <= v <= p, u >= 0, sum u = sum v <= t."""
    n = len(p)
    found = linprog(
        np.concatenate([gap, -gap]),
        A_ub=[np.concatenate([np.zeros(n), np.ones(n)])],
        b_ub=[t],
        A_eq=[np.concatenate([np.ones(n), -np.ones(n)])],
        b_eq=[0.0],
        bounds=[(0, None)] * n + [(0, v) for v in p],
        method="highs",
    )
    return float(p @ gap + found.fun)


def selected(p, gap, r):
    """min g·q over conditional distributions q of p given an event of probability at least 1 - r."""
    found = linprog(gap, A_eq=[np.ones(len(p))], b_eq=[1.0], bounds=[(0, v / (1 - r)) for v in p], method="highs")
    return float(found.fun)


@pytest.mark.parametrize("model", [grouped(), linear()], ids=["groups", "linear head"])
@pytest.mark.parametrize(
    ("attack", "polytope"),
    [
        (ReadoutShift(), shifted),
        (PostSelection(), selected),
        (ResultTampering(), lambda p, gap, r: (1 - r) * p @ gap + r * gap.min()),
        (ConfusionTampering(), lambda p, gap, t: sum(p[o] * shifted(np.eye(len(p))[o], gap, t) for o in range(len(p)))),
    ],
    ids=["shift", "post-selection", "replaced", "confusion"],
)
def test_no_tampering_is_worse(model, attack, polytope):
    x, y = samples(model, 6)
    found = outcomes(model, x)
    for budget in (0.03, 0.2):
        result = attack(model, x, y, (budget,)).budgets[0]
        scores = result.manipulation.scores
        own = scores.gather(1, y[:, None])[:, 0]
        margin = own - scores.scatter(1, y[:, None], -math.inf).amax(dim=1)
        for row in range(len(x)):
            expected = worst_margin(found, row, int(y[row]), budget, polytope)
            assert margin[row].item() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("attack", [ReadoutShift(), PostSelection(), ConfusionTampering(), ResultTampering()])
def test_what_is_delivered_is_a_distribution_and_gives_the_scores(attack):
    model = linear()
    x, y = samples(model)
    found = outcomes(model, x)
    (budget,) = attack(model, x, y, (0.1,)).budgets
    for before, after in zip(found.distributions, budget.manipulation.what, strict=True):
        assert after.sum(dim=1).tolist() == pytest.approx([1.0] * len(x))
        assert float(after.min()) >= 0
        # Of all of these a share of 0.1 is the total variation too.
        assert float((before - after).abs().sum(dim=1).max()) / 2 <= 0.1 + 1e-12
    torch.testing.assert_close(found.scores(budget.manipulation.what), budget.manipulation.scores)


def test_groups_fall_at_half_their_margin():
    model = grouped()
    x, y = samples(model)
    p = outcomes(model, x).scores() / 5.0
    own = p.gather(1, y[:, None])[:, 0]
    margin = own - p.scatter(1, y[:, None], -math.inf).amax(dim=1)
    t = float(margin.median()) / 2
    result = ReadoutShift()(model, x, y, (t,))
    assert result.success[0].tolist() == (margin <= 2 * t + 1e-12).tolist()


def test_a_tampered_confusion_matrix_around_that_of_a_device():
    model = NoisyClassifier(grouped(), noise=parse("depolarizing:0.02/gate+readout:0.03,0.08"))
    x, y = samples(model, 4)
    before = outcomes(model, x, noise=parse("depolarizing:0.02/gate"))
    flip = np.array([[0.97, 0.08], [0.03, 0.92]])
    columns = np.kron(np.kron(flip, flip), flip).T
    scores = ConfusionTampering()(model, x, y, (0.05,)).budgets[0].manipulation.scores
    own = scores.gather(1, y[:, None])[:, 0]
    margin = own - scores.scatter(1, y[:, None], -math.inf).amax(dim=1)
    for row in range(len(x)):
        expected = worst_margin(
            before, row, int(y[row]), 0.05, lambda p, gap, t: sum(p[o] * shifted(columns[o], gap, t) for o in range(8))
        )
        assert margin[row].item() == pytest.approx(expected, abs=1e-9)


def test_a_target_is_reached_by_pushing_the_winner_below_it():
    model = grouped()
    x, y = samples(model)
    rows = y != 2
    attack = ReadoutShift(target=2)
    result = attack(model, x, y, (0.3,))
    scores = result.budgets[0].manipulation.scores
    won = scores.argmax(dim=1) == 2
    assert bool((result.success[0] <= won).all())
    assert int(result.success[0].sum()) > 0
    # Not before the untargeted attack breaks the sample.
    free = ReadoutShift()(model, x[rows], y[rows], (0.3,))
    assert bool((result.success[0][rows] <= free.success[0]).all())


def test_correlated_flips_by_hand():
    model = small(PauliExpectations.of("Z0", "Z1"))
    x, y = samples(model)
    found = outcomes(model, x)
    z = found.scores()
    result = CorrelatedReadout()(model, x, y, (0.6,))
    # A bit that flips with probability q leaves 1 - 2q of its expectation value.
    first, second = torch.stack([-0.2 * z[:, 0], z[:, 1]], 1), torch.stack([z[:, 0], -0.2 * z[:, 1]], 1)
    broken = [int((scores.argmax(dim=1) != y).sum()) for scores in (first, second, -0.2 * z)]
    evidence = result.budgets[0].manipulation.evidence
    assert evidence["broken"] == max(broken) == len(x)
    assert evidence["alone"] == max(broken[:2]) < len(x)
    assert set(evidence["bits"]) >= {0, 1}


def test_withheld_shots_grow_the_error():
    model = grouped()
    x, y = samples(model, 300)
    attack = WithheldShots(shots=400)
    result = attack(model, x, y, (0.75, 0.99))
    few, fewest = (budget.manipulation for budget in result.budgets)
    assert (few.evidence["shots_run"], fewest.evidence["shots_run"]) == (100, 4)
    exact = outcomes(model, x)
    spread = [float((m.what[0] - exact.distributions[0]).square().sum(dim=1).mean()) for m in (few, fewest)]
    expected = float((1 - exact.distributions[0].square().sum(dim=1)).mean())
    # Mean squared error (1 - sum p²) / shots; 300 samples tell it to about 7 %.
    assert spread[0] * 100 == pytest.approx(expected, rel=0.25)
    assert spread[1] * 4 == pytest.approx(expected, rel=0.25)
    with pytest.raises(UsageError, match="a share of 1 of the shots is withheld; give shares below 1"):
        attack(model, x, y, (0.5, 1.0))
    with pytest.raises(UsageError, match="shots is 0; give the whole number"):
        WithheldShots(shots=0)


def test_a_correction_inverts_what_it_believes():
    rates = torch.tensor([[0.1, 0.2], [0.0, 0.3]], dtype=torch.float64)
    seen = torch.tensor([[0.4, 0.3, 0.2, 0.1]], dtype=torch.float64)
    first, second = (torch.tensor([[1 - a, b], [a, 1 - b]], dtype=torch.float64) for a, b in rates.tolist())
    expected = torch.linalg.solve(torch.kron(first, second), seen[0])
    torch.testing.assert_close(corrected(seen, rates)[0], expected)


def test_the_calibration_found_is_the_worst_corner_and_beats_random_rates():
    model = grouped()
    x, y = samples(model, 60)
    found = outcomes(model, x)
    result = CalibrationTampering()(model, x, y, (0.1, 0.2))
    generator = torch.Generator().manual_seed(3)
    for budget, broken in zip((0.1, 0.2), result.success.sum(dim=1).tolist(), strict=True):
        for _ in range(300):
            rates = budget * torch.rand(3, 2, generator=generator, dtype=torch.float64)
            scores = found.scores(tuple(corrected(d, rates) for d in found.distributions))
            assert int((scores.argmax(dim=1) != y).sum()) <= broken
    torch.testing.assert_close(
        found.scores(tuple(corrected(d, result.budgets[1].manipulation.what) for d in found.distributions)),
        result.budgets[1].manipulation.scores,
    )


@pytest.mark.slow
def test_climbing_corners_meets_the_best_of_all_corners(monkeypatch):
    model = grouped()
    x, y = samples(model, 60)
    every = CalibrationTampering()(model, x, y, (0.1, 0.2))
    monkeypatch.setattr("counterspin.attacks.quantum.measurement.calibration._CORNERS", 1)
    climbed = CalibrationTampering()(model, x, y, (0.1, 0.2))
    assert climbed.success.sum(dim=1).tolist() == every.success.sum(dim=1).tolist()


def test_moving_mass_leaves_what_cannot_get_worse():
    p, gap = torch.tensor([[0.0, 0.4, 0.6]]), torch.tensor([[1.0, -1.0, -1.0]])
    assert moved_to_smallest(p, gap, 0.5).tolist() == p.tolist()


def test_outcomes_of_every_recipe_give_its_scores():
    for name in ("cancer-angle", "digits-amplitude"):
        recipe = recipes.get(name)
        model, x = recipe.model(), recipe.dataset().test.x[:10].double()
        torch.testing.assert_close(outcomes(model, x).scores(), model(x), atol=1e-10, rtol=0)


def test_models_without_outcomes_are_refused():
    classical = MLP(BOX, classes=2, hidden=(3,))
    mitigated = NoisyClassifier(
        small(PauliExpectations.of("Z0", "Z1")), noise=parse("depolarizing:0.01/gate"), mitigation=_zne()
    )
    for attack in ATTACKS:
        assert "shows no circuit with its readout" in str(attack.refusal(classical))
        assert "mitigated" in str(attack.refusal(mitigated))
        assert "stochastic" in str(attack.refusal(SampledModel(grouped(), shots=10)))
    with pytest.raises(CapabilityError, match=r"MLP\) shows no circuit"):
        ReadoutShift()(classical, torch.rand(2, 3), torch.tensor([0, 1]))


def test_a_share_above_one_is_no_share():
    with pytest.raises(UsageError, match="the largest in total variation is 1"):
        ReadoutShift().checked_budgets((0.5, 1.5))


def _zne():
    from counterspin.mitigation.zne import ZNE

    return ZNE()


def test_a_situation_without_a_target_counts_ties():
    situation = Situation(
        model=grouped(),
        x=torch.zeros(1, 3),
        y=torch.tensor([0]),
        target=None,
        correct=torch.tensor([True]),
        scores=torch.zeros(1, 3),
        generator=torch.Generator(),
    )
    assert situation.margin(torch.tensor([[0.5, 0.5, 0.1]])).item() == 0
