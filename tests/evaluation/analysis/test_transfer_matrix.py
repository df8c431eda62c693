"""The transfer matrix: closed forms between linear models, both directions paired, and what is refused."""

import pytest
import torch

from counterspin.attacks.transfer import Surrogate
from counterspin.errors import CapabilityError, ConditionsError, UsageError
from counterspin.evaluation.analysis.transfer_matrix import transfer_matrix
from counterspin.models import LogisticRegression
from counterspin.threats import L2, Linf
from counterspin.types import Box


def named(name, w, b=0.0):
    w = torch.as_tensor(w, dtype=torch.float64)
    model = LogisticRegression(Box.unbounded(len(w)), classes=2).double()
    model.weight.data = torch.stack([w / 2, -w / 2])
    model.bias.data = torch.tensor([b / 2, -b / 2], dtype=torch.float64)
    return Surrogate(name=name, model=model.requires_grad_(False))


def broken(w, v, x, side, eps):
    """Samples whose margin under v a step of length ε along w takes to 0 or beyond."""
    w, v = (torch.as_tensor(u, dtype=torch.float64) for u in (w, v))
    return side * (x @ v) - eps * float(v @ w) / float(torch.linalg.vector_norm(w)) <= 0


@pytest.fixture(scope="module")
def matrix():
    """Two directions 60 degrees apart, one twice as long: unlike where it counts, in the distance to the boundary."""
    w, v = [1.0, 0.0], [0.5, 0.866]
    x = torch.randn(400, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = (x[:, 0] < 0).long()
    return w, v, x, y, transfer_matrix([named("w", w), named("v", v)], x, y, L2(0.4, 0.8), steps=25, draws=1)


def test_shares_are_those_of_inner_products(matrix) -> None:
    w, v, x, y, found = matrix
    side = 1 - 2 * y.double()
    right = {"w": torch.ones(400, dtype=torch.bool), "v": side * (x @ torch.tensor(v, dtype=torch.float64)) > 0}
    weights = {"w": w, "v": v}
    for cell in found.cells:
        both = right[cell.source] & right[cell.target]
        expected = broken(weights[cell.source], weights[cell.target], x, side, cell.eps) & both
        assert cell.samples == int(both.sum())
        assert cell.broken is not None
        assert cell.broken.value == pytest.approx(float(expected.sum() / both.sum()), abs=0.01)
        assert cell.broken.low < cell.broken.value < cell.broken.high
        assert cell.fidelity is None
    expected = [cell.broken.value for cell in found.cells[4:] if cell.broken]
    assert found.shares(0.8).flatten().tolist() == expected


def test_a_step_along_ones_own_normal_breaks_most(matrix) -> None:
    *_, found = matrix
    own = [finding for finding in found.findings if finding.about.startswith("attacks on")]
    assert [finding.significant for finding in own] == [True, True]
    for eps in (0.4, 0.8):
        shares = found.shares(eps)
        assert bool((shares.diagonal() > torch.stack([shares[1, 0], shares[0, 1]])).all())


def test_both_directions_are_paired(matrix) -> None:
    w, v, x, y, found = matrix
    side = 1 - 2 * y.double()
    both = side * (x @ torch.tensor(v, dtype=torch.float64)) > 0
    for pair in found.directions:
        there, back = broken(w, v, x, side, pair.eps)[both], broken(v, w, x, side, pair.eps)[both]
        assert abs(pair.paired.only_first - int((there & ~back).sum())) <= 2
        assert abs(pair.paired.only_second - int((back & ~there).sum())) <= 2
        assert pair.paired.p_holm is not None
        assert pair.paired.p_value <= pair.paired.p_holm <= 2 * pair.paired.p_value + 1e-12


def test_a_one_way_street() -> None:
    """v has a bias: its samples lie far from its boundary, and points made on it break w, not the reverse."""
    x = torch.linspace(0.05, 1.0, 40, dtype=torch.float64)[:, None].repeat(1, 2)
    y = torch.zeros(40, dtype=torch.long)
    found = transfer_matrix([named("near", [1.0, 0.0]), named("far", [1.0, 0.0], 5.0)], x, y, Linf(0.5), steps=20)
    shares = found.shares(0.5)
    assert float(shares[0, 1]) == float(shares[1, 1]) == 0.0
    assert float(shares[1, 0]) == pytest.approx(float(shares[0, 0]))
    assert float(shares[0, 0]) == pytest.approx(float((x[:, 0] <= 0.5).double().mean()), abs=0.03)
    asymmetry = found.findings[0]
    assert asymmetry.about == "directions"
    assert asymmetry.significant
    assert "0% from near to far, " in asymmetry.found


def test_models_without_a_common_sample() -> None:
    x, y = torch.ones(4, 1, dtype=torch.float64), torch.tensor([0, 0, 0, 0])
    found = transfer_matrix([named("right", [1.0]), named("wrong", [-1.0])], x, y, Linf(0.5), steps=3)
    assert found.directions == ()
    assert [cell.broken is None for cell in found.cells] == [False, True, True, True]
    assert bool(found.shares(0.5).isnan()[0, 1])


def test_refusals() -> None:
    x, y, one = torch.ones(2, 1, dtype=torch.float64), torch.tensor([0, 0]), named("a", [1.0])
    with pytest.raises(UsageError, match="models are a; give at least two"):
        transfer_matrix([one], x, y, Linf(0.1))
    with pytest.raises(UsageError, match="each name once"):
        transfer_matrix([one, one], x, y, Linf(0.1))
    with pytest.raises(CapabilityError, match="'b' has 2 features and 2 classes, the model 1 and 2"):
        transfer_matrix([one, named("b", [1.0, 1.0])], x, y, Linf(0.1))
    for threat in (Linf(0.1, target=1), Linf(0.1, mask=(True,))):
        with pytest.raises(ConditionsError, match="untargeted"):
            transfer_matrix([one, named("b", [2.0])], x, y, threat)
