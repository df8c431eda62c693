"""Polynomial maps: values and gradients against the formula written out, their quadratic form, refusals."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterspin.errors import ConditionsError, ModelError
from counterspin.models import PolynomialMap

EXPONENTS = [[0, 0, 0], [1, 0, 0], [0, 2, 0], [1, 0, 1], [2, 1, 3]]


def _random(exponents, outputs, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return PolynomialMap(exponents, torch.randn(outputs, len(exponents), generator=generator, dtype=torch.float64))


def _by_hand(front, x):
    monomials = [torch.stack([x[:, i] ** power for i, power in enumerate(row)]).prod(dim=0) for row in front.exponents]
    return torch.stack(monomials, dim=1) @ front.coefficients.T


def test_values_are_those_of_the_formula():
    front = _random(EXPONENTS, 2)
    x = torch.linspace(-2, 2, 12, dtype=torch.float64).reshape(4, 3)
    torch.testing.assert_close(front(x), _by_hand(front, x), rtol=1e-13, atol=1e-13)
    assert (front.features, front.outputs, front.degree) == (3, 2, 6)
    assert front(x.float()).dtype == torch.float32


def test_gradients_hold_at_zeros_too():
    front = _random(EXPONENTS, 2)
    x = torch.tensor([[0.0, 0.0, 0.0], [0.3, 0.0, -1.0]], dtype=torch.float64, requires_grad=True)
    torch.autograd.gradcheck(front, x)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), features=st.integers(1, 5))
def test_quadratic_form_is_the_map(seed, features):
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randint(0, 2, (6, features), generator=generator)
    rows = [row for row in rows.tolist() if sum(row) <= 2] + [[2] + [0] * (features - 1), [0] * features]
    front = _random(rows, 3, seed)
    constant, linear, hessian = front.quadratic()
    x = torch.randn(7, features, generator=generator, dtype=torch.float64)
    expected = constant + x @ linear.T + torch.einsum("bi,oij,bj->bo", x, hessian, x) / 2
    torch.testing.assert_close(front(x), expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(hessian, hessian.mT, rtol=0, atol=0)


def test_configuration_and_state_make_the_same_map():
    front = _random(EXPONENTS, 2)
    other = PolynomialMap.from_config(front.config())
    other.load_state_dict(front.state_dict())
    x = torch.ones(1, 3, dtype=torch.float64)
    assert torch.equal(other(x), front(x))
    assert list(front.state_dict()) == ["coefficients"]


def test_refusals():
    with pytest.raises(ConditionsError, match="degree 6"):
        _random(EXPONENTS, 1).quadratic()
    for rows in ([], [[]], [[1], [1, 2]], [[-1]]):
        with pytest.raises(ModelError, match="exponents must be rows"):
            PolynomialMap(rows, torch.ones(1, len(rows)))
    with pytest.raises(ModelError, match=r"2 monomials need real \(outputs, 2\)"):
        PolynomialMap([[0], [1]], torch.ones(1, 3))
