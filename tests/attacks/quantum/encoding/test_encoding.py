"""Attacks on the encoding: what they deliver gives their scores, hand-made cases, and random tampering as rival."""

import itertools
import math

import pytest
import torch

from counterspin import recipes
from counterspin.attacks.quantum.encoding import (
    ATTACKS,
    EncodingScale,
    OutOfRange,
    Precision,
    WrongWires,
)
from counterspin.attacks.quantum.encoding.inputs import input_box, scores_of_inputs
from counterspin.attacks.quantum.encoding.mismatch import rescaled
from counterspin.attacks.quantum.encoding.precision import truncated
from counterspin.attacks.quantum.encoding.scaling import tampered_inputs
from counterspin.circuits import Circuit, PauliExpectations, feature, reuploading
from counterspin.errors import CapabilityError, UsageError
from counterspin.models import NoisyClassifier, QuantumClassifier
from counterspin.models.classical import MLP
from counterspin.noise.text import parse
from counterspin.types import Box

BOX = Box.uniform(0.0, 1.0, 3)


def model(box=BOX):
    generator = torch.Generator().manual_seed(4)
    values = PauliExpectations.of("Z0", "Z1", "Z2")
    return QuantumClassifier(reuploading(3, 2), values, box, generator=generator).double()


def cosine():
    """Two classes: cos(pi x), -cos(pi x); the boundary is at x = 1/2 and again at 3/2."""
    circuit = Circuit(2).add("RY", 0, math.pi * feature(0)).add("RY", 1, math.pi * feature(0)).add("X", 1)
    return QuantumClassifier(circuit, PauliExpectations.of("Z0", "Z1"), Box.uniform(0.0, 1.0, 1)).double()


def samples(classifier, count=60, features=3):
    x = torch.rand(count, features, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    return x, classifier(x).argmax(dim=1)


def broken(classifier, z, y):
    return int((scores_of_inputs(classifier, z).argmax(dim=1) != y).sum())


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
@pytest.mark.parametrize("noise", [None, "depolarizing:0.01/gate+readout:0.02"])
def test_everything_is_counted_under_what_was_done(attack, noise):
    classifier = model() if noise is None else NoisyClassifier(model(), noise=parse(noise))
    x, y = samples(classifier, 30)
    result = attack(classifier, x, y)
    for budget in result.budgets:
        wrong = budget.manipulation.scores.argmax(dim=1) != y
        assert bool((wrong <= budget.success).all())
        assert bool((budget.spent[budget.success] <= budget.budget + 1e-12).all())
    assert result.success.sum(dim=1).tolist() == sorted(result.success.sum(dim=1).tolist())


def test_gains_and_offsets_within_the_budget_give_the_scores_and_beat_random_ones():
    classifier = model()
    x, y = samples(classifier)
    result = EncodingScale()(classifier, x, y, (0.03, 0.1))
    width = torch.ones(3, dtype=torch.float64)
    generator = torch.Generator().manual_seed(6)
    for budget in result.budgets:
        change = budget.manipulation.what
        assert float(change.abs().max()) <= budget.budget + 1e-12
        torch.testing.assert_close(
            scores_of_inputs(classifier, tampered_inputs(x, width, change)), budget.manipulation.scores
        )
        found = int(budget.success.sum())
        for _ in range(200):
            rival = budget.budget * (2 * torch.rand(2, 3, generator=generator, dtype=torch.float64) - 1)
            assert broken(classifier, tampered_inputs(x, width, rival), y) <= found


@pytest.mark.slow
def test_gains_and_offsets_come_near_the_best_corner():
    classifier = model()
    x, y = samples(classifier)
    width = torch.ones(3, dtype=torch.float64)
    corners = [
        broken(classifier, tampered_inputs(x, width, 0.1 * torch.tensor(signs, dtype=torch.float64).reshape(2, 3)), y)
        for signs in itertools.product((-1.0, 0.0, 1.0), repeat=6)
    ]
    assert int(EncodingScale()(classifier, x, y, (0.1,)).success.sum()) >= max(corners) - 1


def test_one_swap_is_the_worst_of_all_swaps():
    classifier = model()
    x, y = samples(classifier)
    result = WrongWires()(classifier, x, y, (1, 3))
    every = []
    for i, j in itertools.combinations(range(3), 2):
        order = list(range(3))
        order[i], order[j] = order[j], order[i]
        every.append(broken(classifier, x[:, order], y))
    assert int(result.success[0].sum()) == max(every)
    (i, j), *_ = result.budgets[0].manipulation.what
    order = list(range(3))
    order[i], order[j] = order[j], order[i]
    torch.testing.assert_close(scores_of_inputs(classifier, x[:, order]), result.budgets[0].manipulation.scores)


@pytest.mark.slow
def test_promising_pairs_of_many_hold_the_worst_swap():
    recipe = recipes.get("digits-amplitude")
    classifier, test = recipe.model(), recipe.dataset().test
    x, y = test.x[:60].double(), test.y[:60]
    correct = classifier(x).argmax(dim=1) == y
    found = int(WrongWires()(classifier, x, y, (1,)).success.sum())
    every = []
    for i, j in itertools.combinations(range(64), 2):
        order = torch.arange(64)
        order[[i, j]] = order[[j, i]]
        every.append(int(((classifier(x[:, order]).argmax(dim=1) != y) & correct).sum()))
    assert found == max(every)


def test_beyond_the_box_the_cosine_turns_back():
    classifier = cosine()
    x = torch.tensor([[0.2], [0.8]], dtype=torch.float64)
    y = torch.tensor([0, 1])
    result = OutOfRange(points=50)(classifier, x, y, (0.4, 0.6))
    # cos(pi x) is negative just above 1 and positive just below 0.
    assert result.success.tolist() == [[True, True], [True, True]]
    above, below = result.budgets[0].manipulation.what[:, 0].tolist()
    assert 1.0 < above <= 1.4
    assert -0.4 <= below < 0.0
    assert result.budgets[0].spent.tolist() == pytest.approx([above - 1, -below])


def test_truncation_goes_down_to_the_grid_and_leaves_grid_points():
    box = Box.uniform(-1.0, 1.0, 2)
    z = torch.tensor([[-0.9, 0.74], [0.5, -1.0]], dtype=torch.float64)
    assert truncated(z, box, 0.125).tolist() == [[-1.0, 0.5], [0.5, -1.0]]
    result = Precision()(model(), *samples(model()), (1 / 64, 1 / 2))
    assert [budget.manipulation.evidence["bits"] for budget in result.budgets] == [6.0, 1.0]


def test_an_image_that_truncates_to_nothing_stays_a_state():
    recipe = recipes.get("digits-amplitude")
    test = recipe.dataset().test
    result = Precision()(recipe.model(), test.x[:20], test.y[:20], (1.0,))
    assert bool(torch.isfinite(result.budgets[0].manipulation.scores).all())


def test_a_scaler_without_spread_changes_nothing():
    z = torch.tensor([[0.3, 0.0], [0.3, 1.0], [0.3, 0.5]], dtype=torch.float64)
    found = rescaled(z, Box.uniform(0.0, 1.0, 2), 0.1)
    assert found[:, 0].tolist() == [0.3, 0.3, 0.3]
    assert found[:, 1].tolist() == pytest.approx([0.0, 1.0, 0.5])


def test_the_box_behind_a_front_is_that_of_the_circuit():
    recipe = recipes.get("digits-hybrid")
    classifier = recipe.model()
    z = classifier.circuit_inputs(recipe.dataset().test.x[:20].double())
    box = input_box(classifier, z)
    assert box.features == z.shape[1] == classifier.circuit.inputs
    assert bool(box.contains(z).all())
    torch.testing.assert_close(scores_of_inputs(classifier, z), classifier(recipe.dataset().test.x[:20].double()))


def test_models_without_a_circuit_and_settings_that_are_none():
    with pytest.raises(CapabilityError, match=r"MLP\) shows no plain circuit"):
        EncodingScale()(MLP(BOX, classes=2, hidden=(3,)), torch.rand(2, 3), torch.tensor([0, 1]))
    with pytest.raises(CapabilityError, match="one input; there are no two to be swapped"):
        WrongWires()(cosine(), torch.rand(2, 1), torch.tensor([0, 1]))
    with pytest.raises(UsageError, match="steps is 0 and restarts 3"):
        EncodingScale(steps=0)
    with pytest.raises(UsageError, match="points is 1; give a whole number of at least 2"):
        OutOfRange(points=1)
    with pytest.raises(UsageError, match="give whole numbers in swaps"):
        WrongWires().checked_budgets((1.5,))
