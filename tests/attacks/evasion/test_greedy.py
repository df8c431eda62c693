import pytest
import torch

from counterspin.attacks.evasion.exhaustive import Exhaustive
from counterspin.attacks.evasion.greedy import Greedy
from counterspin.errors import ConditionsError, UsageError
from counterspin.threats import L0, L2, Group, Linf
from counterspin.types import Box

BITS = tuple(Group(features=(i,), values=((0.0,), (0.5,), (1.0,))) for i in range(8))


class Wavy:
    """Two classes on a random periodic surface."""

    classes = 2
    stochastic = False
    outputs = "logits"

    def __init__(self, features=8, seed=0):
        g = torch.Generator().manual_seed(seed)
        self.bounds = Box.uniform(0.0, 1.0, features)
        self.w = 0.7 * torch.randn(features, 12, generator=g, dtype=torch.float64)
        self.v = torch.randn(12, 2, generator=g, dtype=torch.float64)

    def __call__(self, x):
        return torch.cos(x @ self.w.to(x)) @ self.v.to(x)


def samples(features=8, rows=30):
    return torch.randint(3, (rows, features), generator=torch.Generator().manual_seed(1)).double() / 2


@pytest.mark.parametrize("count", [1, 2, 4])
def test_it_reaches_the_best_vertex_of_a_linear_model(linear, count):
    """Closed form: the features that gain most, each at its better bound."""
    g = torch.Generator().manual_seed(0)
    w = torch.randn(10, generator=g, dtype=torch.float64)
    model = linear(w, 8.0, bounds=Box.uniform(0.0, 1.0, 10))
    x = torch.rand(15, 10, generator=g, dtype=torch.float64)
    y = model.labels(x)
    assert (y == 0).all()
    gains = (w.abs() * torch.where(w > 0, x, 1 - x)).topk(count, dim=1).values.sum(dim=1)
    result = Greedy()(model, x, y, L0(count))
    assert torch.allclose(result.budgets[0].best_margin, (model.margin(x) - gains), atol=1e-12)


@pytest.mark.one_fast
@pytest.mark.parametrize("threat", [L0(1, groups=BITS), L0(3, groups=BITS), L2(0.8, groups=BITS)])
def test_with_restarts_it_finds_nearly_all_that_there_is_to_find(threat):
    model, x = Wavy(), samples()
    y = model(x).argmax(dim=1)
    # 3**8 points are more than the exhaustive attack takes in L2: ask about each feature subset there instead.
    narrow = threat if threat.norm == "l0" else L2(0.8, groups=BITS, mask=(True,) * 7 + (False,))
    exact = Exhaustive()(model, x, y, narrow).success[0]
    found = Greedy(restarts=5)(model, x, y, narrow).success[0]
    assert (found & ~exact).sum() == 0
    assert (exact & ~found).sum() <= 1
    assert exact.any()
    assert not exact.all()


def test_full_budgets_are_exchanged():
    """The best single flip is no part of the best pair: only an exchange finds it."""

    class Trap:
        classes, stochastic, outputs = 2, False, "logits"
        bounds = Box.uniform(0.0, 1.0, 3)

        def __call__(self, x):
            margin = 3 - 2 * x[:, 0] - 1.5 * (x[:, 1] + x[:, 2]) + 1.2 * x[:, 0] * (x[:, 1] + x[:, 2])
            return torch.stack([margin, 0 * margin], dim=1)

    groups = tuple(Group(features=(i,), values=((0.0,), (1.0,))) for i in range(3))
    result = Greedy()(Trap(), torch.zeros(1, 3, dtype=torch.float64), [0], L0(2, groups=groups))
    assert result.x_adv[0].tolist() == [[0.0, 1.0, 1.0]]
    assert result.success.all()


def test_masks_and_ties_are_kept():
    model = Wavy()
    x = samples()
    y = model(x).argmax(dim=1)
    threat = L0(2, mask=(True,) * 6 + (False,) * 2, tied=((0, 1),))
    result = Greedy(restarts=3)(model, x, y, threat)
    step = result.x_adv[0] - x
    assert (step[:, 6:] == 0).all()
    assert torch.allclose(step[:, 0], step[:, 1], atol=1e-12)
    assert (threat.size(step) <= 2).all()
    assert result.success.any()


def test_continuous_features_are_for_l0(rows):
    model = rows(lambda x: torch.cat([1 + 0 * x[:, :1], 0 * x[:, :1]], dim=1), features=3)
    with pytest.raises(ConditionsError, match="every changeable feature to be discrete"):
        Greedy()(model, torch.zeros(1, 3), [0], Linf(0.1))
    assert Greedy().refusal(model, L0(1)) is None
    with pytest.raises(UsageError, match="levels is 1"):
        Greedy(levels=1)
