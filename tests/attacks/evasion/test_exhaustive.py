import itertools

import pytest
import torch

from counterspin.attacks.evasion.exhaustive import Exhaustive, admissible_points
from counterspin.errors import ConditionsError
from counterspin.threats import L0, L1, L2, Group, Linf
from counterspin.types import Box

# 9 features like those of a form: five levels of three, two bits, and a one-hot pair.
GROUPS = (
    *(Group(features=(i,), values=((0.0,), (0.5,), (1.0,))) for i in range(5)),
    *(Group(features=(i,), values=((0.0,), (1.0,))) for i in (5, 6)),
    Group(features=(7, 8), values=((1.0, 0.0), (0.0, 1.0))),
)
FACTORIES = {"linf": Linf, "l2": L2, "l1": L1, "l0": L0}
SIZES = {
    "linf": lambda d: d.abs().amax(dim=1),
    "l2": lambda d: d.norm(dim=1),
    "l1": lambda d: d.abs().sum(dim=1),
    "l0": lambda d: (d[:, :8] != 0).sum(dim=1),
}


class Wavy:
    """Three classes on a random periodic surface over the nine features."""

    classes = 3
    stochastic = False
    outputs = "logits"
    bounds = Box.uniform(0.0, 1.0, 9)

    def __init__(self, seed=0):
        g = torch.Generator().manual_seed(seed)
        self.w = 0.6 * torch.randn(9, 12, generator=g, dtype=torch.float64)
        self.v = torch.randn(12, 3, generator=g, dtype=torch.float64)

    def __call__(self, x):
        return torch.cos(x @ self.w.to(x)) @ self.v.to(x)


def samples(rows=12, seed=1):
    g = torch.Generator().manual_seed(seed)
    x = torch.randint(3, (rows, 9), generator=g).double() / 2
    x[:, 5:7] = x[:, 5:7].round()
    x[:, 8] = 1 - x[:, 7].round()
    x[:, 7] = x[:, 7].round()
    x[0, 0] = 0.25  # a clean value off its list
    return x


def every_value(x):
    """Points with every joint value around one sample, `(points, 9)`."""
    choices = [{*group.values, tuple(x[list(group.features)].tolist())} for group in GROUPS]
    return torch.tensor([sum(chosen, ()) for chosen in itertools.product(*choices)], dtype=torch.float64)


@pytest.mark.one_fast
@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.5), ("l0", 1), ("l0", 2), ("l1", 1.0), ("l2", 1.0)])
def test_it_agrees_with_brute_force(norm, eps):
    model, x = Wavy(), samples()
    y = model(x).argmax(dim=1)
    threat = FACTORIES[norm](eps, groups=GROUPS, mask=(True,) * 7 + (norm == "l0",) * 2)
    result = Exhaustive()(model, x, y, threat)
    for row in range(len(x)):
        points = every_value(x[row])
        inside = SIZES[norm](points - x[row]) <= eps + 1e-12
        if norm != "l0":
            inside &= (points[:, 7:] == x[row, 7:]).all(dim=1)
        scores = model(points[inside])
        rival = scores.clone()
        rival[:, y[row]] = -torch.inf
        margin = scores[:, y[row]] - rival.amax(dim=1)
        broken = bool((margin <= 0).any())
        assert bool(result.success[0, row]) == broken
        if not broken:
            assert result.budgets[0].best_margin[row].item() == pytest.approx(margin.min().item(), abs=1e-12)
    assert result.success.any()
    assert norm == "linf" or not result.success.all()


def test_every_point_is_asked_about_once_where_all_samples_have_as_many(rows):
    seen = []

    def record(x: torch.Tensor) -> torch.Tensor:
        seen.append(x.clone())
        return torch.cat([1 + 0 * x[:, :1], 0 * x[:, :1]], dim=1)

    model = rows(record, features=3)
    groups = tuple(Group(features=(i,), values=((0.0,), (0.5,), (1.0,))) for i in range(3))
    result = Exhaustive(precision="float64")(model, torch.zeros(2, 3), [0, 0], L0(2, groups=groups))
    assert admissible_points(L0(2, groups=groups), 3) == 19
    assert result.cost.forwards == 2 * 19
    assert len(torch.unique(torch.cat(seen), dim=0)) == 19


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_points_of_a_threat_are_counted(norm):
    threat = FACTORIES[norm](1.0, groups=GROUPS)
    assert admissible_points(threat, 9) == 3**5 * 2**3
    assert admissible_points(FACTORIES[norm](1.0, groups=GROUPS, mask=(True,) * 3 + (False,) * 6), 9) == 27
    assert admissible_points(FACTORIES[norm](1.0), 9) is None
    assert admissible_points(FACTORIES[norm](1.0, groups=GROUPS[:5]), 9) is None


def test_l0_counts_choices_of_changes():
    assert admissible_points(L0(1, groups=GROUPS), 9) == 1 + 5 * 2 + 3
    assert admissible_points(L0(8, groups=GROUPS), 9) == 3**5 * 2**3


def test_threats_with_continuous_features_or_too_many_points_are_refused(rows):
    model = rows(lambda x: torch.cat([1 + 0 * x[:, :1], 0 * x[:, :1]], dim=1), features=13)
    with pytest.raises(ConditionsError, match="every changeable feature to be discrete"):
        Exhaustive()(model, torch.zeros(1, 13), [0], L0(1))
    bits = tuple(Group(features=(i,), values=((0.0,), (1.0,))) for i in range(13))
    with pytest.raises(ConditionsError, match="at most 4096; the threat allows 8192"):
        Exhaustive()(model, torch.zeros(1, 13), [0], Linf(1.0, groups=bits))
    assert Exhaustive().refusal(model, L0(2, groups=bits)) is None
