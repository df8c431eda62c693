"""Boundary and HopSkipJump against closed forms; what they may not look at changes nothing."""

from dataclasses import replace

import pytest
import torch

from counterspin.attacks.evasion.boundary import BoundaryAttack
from counterspin.attacks.evasion.hopskipjump import HopSkipJump
from counterspin.errors import ConditionsError, UsageError
from counterspin.threats import L1, L2, Linf
from counterspin.types import Box

BOTH = pytest.mark.parametrize("attack", [HopSkipJump(), BoundaryAttack(steps=400)], ids=lambda a: a.name)
NORMS = pytest.mark.parametrize("threat", [L2, Linf])


@pytest.mark.slow
@BOTH
@NORMS
@pytest.mark.parametrize("box", [None, Box.uniform(-3.0, 7.0, 8)])
def test_the_distance_to_a_linear_boundary_is_met(linear, attack, threat, box, seeded):
    model = linear(torch.randn(8, generator=seeded(), dtype=torch.float64), 0.2, bounds=box)
    x = torch.randn(20, 8, generator=seeded(1), dtype=torch.float64).clamp(-2.0, 6.0)
    norm = threat(1.0).norm
    x = x[model.distance(x, norm) > 1e-3]
    result = attack(model, x, model.labels(x), threat(20.0))
    ratio = result.distance[0] / model.distance(x, norm)
    assert result.success.all()
    assert ratio.min() >= 1 - 1e-9
    assert ratio.median() <= 1.01
    assert ratio.max() <= 1.1
    assert result.cost.forwards <= 3000 * len(x)


@pytest.mark.one_fast(3)
@BOTH
@NORMS
@pytest.mark.parametrize("classes", [2, 5])
def test_the_half_circles_of_one_qubit_are_met(cosine, attack, threat, classes):
    model = cosine(classes)
    x = torch.linspace(0.01, 0.99, 12, dtype=torch.float64)[:, None]
    result = replace(attack, steps=15)(model, x, model.labels(x), threat(1.0))
    ratio = result.distance[0] / model.distance(x)
    assert ratio.min() >= 1 - 1e-5
    assert ratio.max() <= 1.01


@pytest.mark.one_fast(1)
@BOTH
def test_only_the_winning_class_is_looked_at(linear, rows, attack, seeded):
    model = linear(torch.randn(4, generator=seeded(), dtype=torch.float64), 0.2)
    x = torch.randn(10, 4, generator=seeded(1), dtype=torch.float64)
    labels_only = rows(lambda z: torch.nn.functional.one_hot(model.labels(z), 2).to(z), features=4)
    labels_only.bounds = model.bounds
    attack = replace(attack, steps=10)
    seen, blind = (attack(m, x, model.labels(x), L2(9.0)) for m in (model, labels_only))
    assert torch.allclose(seen.x_adv, blind.x_adv, atol=1e-6)


@pytest.mark.one_fast(1)
@BOTH
def test_a_target_is_reached(cosine, attack):
    model = cosine(3)
    x = torch.tensor([[0.02], [0.2], [0.4]], dtype=torch.float64)
    result = replace(attack, steps=15)(model, x, model.labels(x), L2(1.0, target=2))
    # The third class begins at 3/4.
    assert result.distance[0].tolist() == pytest.approx((0.75 - x[:, 0]).tolist(), rel=1e-4)


@pytest.mark.one_fast(1)
@BOTH
def test_a_class_that_never_changes_is_never_broken(rows, attack):
    model = rows(lambda x: torch.cat([1 + 0 * x[:, :1], 0 * x[:, :1]], dim=1), features=2)
    result = replace(attack, steps=5)(model, torch.zeros(2, 2), [0, 0], L2(1.0))
    assert not result.success.any()
    assert torch.isinf(result.distance).all()


@BOTH
def test_other_norms_are_refused(linear, attack):
    with pytest.raises(ConditionsError, match="linf or l2"):
        attack(linear([1.0, 1.0]), torch.ones(1, 2), [0], L1(0.1))


def test_settings_that_make_no_attack_are_refused():
    with pytest.raises(UsageError, match="evaluations is 1"):
        HopSkipJump(evaluations=1)
    with pytest.raises(UsageError, match="steps is 0"):
        BoundaryAttack(steps=0)
