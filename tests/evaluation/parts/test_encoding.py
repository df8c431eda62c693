"""What is proved against attacks on the encoding is never broken; what cannot be proved is said."""

import pytest
import torch

from counterspin import recipes
from counterspin.attacks.quantum.encoding import ATTACKS, EncodingScale, Precision, WrongWires
from counterspin.evaluation.parts.encoding import certified


@pytest.mark.parametrize("name", ["cancer-angle", pytest.param("digits-amplitude", marks=pytest.mark.slow)])
@pytest.mark.parametrize("attack", [EncodingScale(steps=15), Precision()], ids=lambda attack: attack.name)
def test_what_is_proved_is_never_broken(name, attack):
    recipe = recipes.get(name)
    model, test = recipe.model(), recipe.dataset().test
    x, y = test.x[:40].double(), test.y[:40]
    levels = (0.0005, 0.003, 0.01, 0.03, 0.1)
    result, proved = attack(model, x, y, levels), certified(attack, model, x, y, levels)
    assert proved is not None
    assert not bool((proved.holds & result.success).any())
    assert bool(proved.holds[0].any())
    assert proved.holds.sum(dim=1).tolist() == sorted(proved.holds.sum(dim=1).tolist(), reverse=True)


def test_a_gain_and_an_offset_move_a_cosine_by_what_is_stated():
    """One qubit, cos(pi x): proved where 1/2 - x exceeds the largest move, broken where it does not."""
    import math

    from counterspin.circuits import Circuit, PauliExpectations, feature
    from counterspin.models import QuantumClassifier
    from counterspin.types import Box

    circuit = Circuit(2).add("RY", 0, math.pi * feature(0)).add("RY", 1, math.pi * feature(0)).add("X", 1)
    model = QuantumClassifier(circuit, PauliExpectations.of("Z0", "Z1"), Box.uniform(0.0, 1.0, 1)).double()
    x = torch.linspace(0.05, 0.45, 9, dtype=torch.float64)[:, None]
    y = torch.zeros(9, dtype=torch.long)
    level = 0.07
    attack = EncodingScale()
    result, proved = attack(model, x, y, (level,)), certified(attack, model, x, y, (level,))
    moved = x[:, 0] + level * (x[:, 0] + 1)
    assert result.success[0].tolist() == (moved >= 0.5).tolist()
    assert proved is not None
    # Two qubits turn by one feature: the bound adds their slopes and is up to twice too careful.
    assert bool((proved.holds[0] <= (moved < 0.5)).all())
    assert bool(proved.holds[0].any())


def test_nothing_is_claimed_behind_a_front_or_for_swaps():
    recipe = recipes.get("digits-hybrid")
    x, y = recipe.dataset().test.x[:5].double(), recipe.dataset().test.y[:5]
    assert certified(EncodingScale(), recipe.model(), x, y, (0.1,)) is None
    angle = recipes.get("cancer-angle")
    x, y = angle.dataset().test.x[:5].double(), angle.dataset().test.y[:5]
    assert certified(WrongWires(), angle.model(), x, y, (1.0,)) is None
    assert {attack.name for attack in ATTACKS} >= {"encoding-scale", "precision"}
