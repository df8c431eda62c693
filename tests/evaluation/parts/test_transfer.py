"""Certificates of the inputs hold against points made anywhere."""

import pytest
import torch

from counterspin import recipes
from counterspin.attacks.quantum.encoding import Precision
from counterspin.attacks.transfer import Surrogate, Transfer
from counterspin.evaluation.parts.matched import matched
from counterspin.evaluation.parts.transfer import certified
from counterspin.models import LogisticRegression
from counterspin.types import Box


@pytest.mark.parametrize(
    ("name", "attack", "levels"),
    [
        ("cancer-angle", Transfer(norm="linf", queries=100, steps=10), (0.01, 0.1)),
        pytest.param(
            "digits-amplitude",
            Transfer(norm="l2", units="relative", queries=100, steps=10),
            (0.02, 0.15),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_what_is_proved_is_never_broken_on_recipes(name, attack, levels) -> None:
    recipe = recipes.get(name)
    model, test = recipe.model(), recipe.dataset().test
    x, y = test.x[:20], test.y[:20]
    result, proved = attack(model, x, y, levels), matched(attack, model, x, y, levels)
    assert proved is not None
    assert not bool((proved.holds & result.success).any())
    assert bool(proved.holds[0].any())
    assert bool((proved.holds[0] | ~proved.holds[1]).all())


class Untold:
    """A linear model that shows nothing but its scores, with a margin of x0."""

    bounds, classes, outputs, stochastic = Box.unbounded(1), 2, "logits", False

    def __call__(self, x):
        return torch.cat([x, torch.zeros_like(x)], dim=1)


def test_the_shares_of_an_exact_radius() -> None:
    """One qubit, cos(pi x): the boundary is at one half, and points made on the model itself reach it."""
    from counterspin.circuits import Circuit, OutcomeGroups, feature
    from counterspin.models import QuantumClassifier

    circuit = Circuit(1).add("RY", 0, torch.pi * feature(0)).end_layer()
    model = QuantumClassifier(circuit, OutcomeGroups((0,), ((0,), (1,))), Box.uniform(0.0, 1.0, 1))
    x, y = torch.tensor([[0.1], [0.3], [0.45]], dtype=torch.float64), torch.zeros(3, dtype=torch.long)
    attack = Transfer(surrogates=(), others=(Surrogate(name="mine", model=model),), steps=20)
    result, proved = attack(model, x, y, (0.1, 0.3)), certified(attack, model, x, y, (0.1, 0.3))
    assert proved is not None
    assert result.success.tolist() == [[False, False, True], [False, True, True]]
    assert proved.holds.tolist() == [[True, True, False], [True, False, False]]


def test_nothing_is_claimed_without_a_certificate_or_for_another_attack() -> None:
    x, y = torch.ones(2, 1, dtype=torch.float64), torch.zeros(2, dtype=torch.long)
    assert certified(Transfer(), Untold(), x, y, (0.1,)) is None
    assert certified(Precision(), LogisticRegression(Box.unbounded(1), classes=2), x, y, (0.1,)) is None
