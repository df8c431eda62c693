import itertools

import pytest
import torch

from counterspin.attacks import Corners
from counterspin.errors import ConditionsError
from counterspin.threats import L2, Linf
from counterspin.types import Cost


def test_it_reaches_the_optimum_of_a_linear_model(linear_case):
    model, x, y = linear_case()
    distance = model.distance(x, "linf")
    for eps in (0.1, 0.5, 1.0):
        result = Corners()(model, x, y, Linf(eps))
        assert torch.equal(result.success[0], result.correct & (distance <= eps))


@pytest.mark.parametrize("features", [1, 2, 5])
def test_every_corner_is_asked_about_once(rows, features):
    seen = []

    def record(x: torch.Tensor) -> torch.Tensor:
        seen.append(x.clone())
        return torch.cat([1 + 0 * x[:, :1], 0 * x[:, :1]], dim=1)

    model = rows(record, features=features)
    x = torch.tensor([[0.5], [0.25], [0.1]], dtype=torch.float64).repeat(1, features)
    result = Corners()(model, x, [0, 0, 0], Linf(0.0625))
    assert result.cost == Cost(forwards=3 * 2**features, circuits=3 * 2**features)
    asked = torch.cat(seen)
    for center in x:
        for signs in itertools.product((-1.0, 1.0), repeat=features):
            corner = center + 0.0625 * torch.tensor(signs, dtype=torch.float64)
            assert ((asked - corner).abs() < 1e-12).all(dim=1).sum() == 1


def test_many_features_and_other_norms_are_refused(rows):
    wide = rows(lambda x: torch.cat([1 + 0 * x[:, :1], 0 * x[:, :1]], dim=1), features=11)
    with pytest.raises(ConditionsError, match="at most 2\\^10, and 11 features may change"):
        Corners()(wide, torch.zeros(1, 11), [0], Linf(0.1))
    assert "2^10" in str(Corners().refusal(wide, Linf(0.1)))
    narrow = rows(lambda x: torch.cat([1 + 0 * x, 0 * x], dim=1))
    assert Corners().refusal(narrow, Linf(0.1)) is None
    with pytest.raises(ConditionsError, match="norm linf"):
        Corners()(narrow, torch.zeros(1, 1), [0], L2(0.1))
