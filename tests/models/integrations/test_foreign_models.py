"""Torch modules and plain callables: how they are called, what their values are taken for, what stays untouched."""

import numpy as np
import pytest
import torch
from torch import nn

from counterspin.errors import ModelError
from counterspin.models.integrations import callables, torch_modules
from counterspin.models.integrations.reading import Options
from counterspin.models.integrations.value_kinds import guessed_values

X = torch.rand(8, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
WEIGHT = np.random.default_rng(0).normal(size=(4, 3))


def _read(function, **options):
    return callables.read(function, Options(x=X, **options))


def _module(last=3, *tail):
    generator = torch.Generator().manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Tanh(), nn.Linear(8, last), *tail)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return net


# --- callables -------------------------------------------------------------------------------------------------------


def _torch_only(x):
    return torch.tanh(x @ torch.as_tensor(WEIGHT).to(x))


def _numpy_only(x):
    assert isinstance(x, np.ndarray)
    return np.tanh(x @ WEIGHT)


def _float32(x):
    return torch.tanh(x @ torch.as_tensor(WEIGHT, dtype=torch.float32))


def _one_torch(row):
    assert row.ndim == 1
    return torch.tanh(row @ torch.as_tensor(WEIGHT).to(row))


def _one_numpy(row):
    return [float(np.tanh(row[0] - row[3])), 0.0 if row[1] > 2 else float(row[2])]


@pytest.mark.parametrize(
    ("function", "arrays", "batched", "dtype", "attached"),
    [
        (_torch_only, False, True, torch.float64, True),
        (_numpy_only, True, True, torch.float64, False),
        (_float32, False, True, torch.float32, True),
        (_one_torch, False, False, torch.float64, True),
        (_one_numpy, True, False, torch.float64, False),
        (lambda x: [float(row.sum()) for row in x.clone()], False, True, torch.float64, False),
    ],
)
def test_how_a_callable_wants_to_be_called_is_found(function, arrays, batched, dtype, attached):
    found = _read(function)
    home = found.home
    assert (home.arrays, home.batched, home.dtype) == (arrays, batched, dtype)
    assert found.home_differentiable is attached
    assert found.values == "logits"
    single = torch.stack([torch.atleast_1d(home(row[None])[0]) for row in X])
    torch.testing.assert_close(single, home(X).reshape(len(X), -1), rtol=1e-6, atol=1e-7)
    assert home(X.float()).dtype == torch.float32
    assert str(home) in found.reason
    assert any("one sample at a time" in repair for repair in found.repairs) is not batched
    assert any("float32" in repair for repair in found.repairs) is (dtype == torch.float32)


def test_black_boxes_carry_no_gradient():
    assert not _read(_torch_only, gradient="none").home_differentiable


@pytest.mark.parametrize(
    ("function", "values"),
    [
        (lambda x: (x @ WEIGHT).argmax(axis=1), "labels"),
        (lambda x: (x @ WEIGHT).argmax(axis=1).astype(float), "labels"),
        (lambda x: x[:, 0] > 0.5, "labels"),
        (lambda x: 1 / (1 + np.exp(-(x @ WEIGHT[:, 0]))), "probabilities"),
        (lambda x: 0.5 + 0.1 * (x[:, 0] - 0.5), "logits"),  # within [0, 1] on the samples alone
        (lambda x: torch.softmax(torch.as_tensor(x @ WEIGHT), dim=1).numpy(), "probabilities"),
        (lambda x: np.abs(np.cos(x)) / 4, "logits"),
        (lambda x: x @ WEIGHT, "logits"),
    ],
)
def test_what_values_are_taken_for(function, values):
    assert _read(function).values == values


def test_far_points_may_be_refused():
    def picky(x):
        if float(x.abs().max()) > 2:
            raise ValueError("outside")
        return x[:, 0]

    assert guessed_values(picky, X) == "probabilities"


def test_callables_that_do_not_answer():
    with pytest.raises(ModelError, match=r"does not answer \(batch, 4\) or \(4,\).*ValueError: no"):
        _read(_raises)
    with pytest.raises(ModelError, match=r"returned .*'cat'.*return class scores or class numbers"):
        _read(lambda x: np.array(["cat"] * len(x)))
    with pytest.raises(ModelError, match="does not answer"):
        _read(lambda x: np.zeros((2, 2, 2)))


def _raises(x):
    raise ValueError("no")


# --- torch modules ---------------------------------------------------------------------------------------------------


def test_the_users_module_stays_as_it_is():
    net = _module()
    net[0].weight.requires_grad_(False)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    found = torch_modules.read(net, Options(x=X))
    leaf = X.clone().requires_grad_()
    found.home(leaf).sum().backward()
    assert net.training
    assert [p.requires_grad for p in net.parameters()] == [False] + 5 * [True]
    assert all(p.grad is None for p in net.parameters())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert net[0].weight.dtype == torch.float32


def test_a_module_is_run_in_evaluation_mode_and_double_precision():
    net = _module()
    found = torch_modules.read(net, Options(x=X))
    expected = net.double().eval()(X)
    torch.testing.assert_close(found.home(X), expected, rtol=1e-12, atol=1e-12)
    assert found.home(X.float()).dtype == torch.float32
    assert found.home_differentiable
    assert [repair.split(",")[0] for repair in found.repairs] == ["it was in training mode", "it computes in float32"]
    # What was read is a copy: training goes on at home without it.
    with torch.no_grad():
        net[4].bias.add_(1.0)
    torch.testing.assert_close(found.home(X), expected, rtol=1e-12, atol=1e-12)


class Uncopied(nn.Module):
    """A module that cannot be copied, as those that hold a device often cannot; it counts its calls."""

    def __init__(self):
        super().__init__()
        self.inner = _module()
        self.register_buffer("calls", torch.zeros(()))

    def __deepcopy__(self, memo):
        raise TypeError("holds a device")

    def forward(self, x):
        self.calls += 1
        return self.inner(x)


def test_a_module_that_cannot_be_copied_is_borrowed():
    net = Uncopied()
    found = torch_modules.read(net, Options(x=X))
    leaf = X.clone().requires_grad_()
    values = found.home(leaf)
    torch.autograd.grad(values.sum(), leaf)
    assert values.dtype == torch.float64
    assert all(module.training for module in net.modules())
    assert all(p.requires_grad and p.grad is None for p in net.parameters())
    assert float(net.calls) == 0
    assert any("where features are rounded" in repair for repair in found.repairs)
    assert list(found.home.parameters()) == []


@pytest.mark.parametrize(
    ("net", "values", "count"),
    [
        (_module(1), "logits", 1),
        (_module(1, nn.Sigmoid()), "probabilities", 1),
        (_module(1, nn.Flatten(0)), "logits", 1),
        (_module(3, nn.Softmax(dim=1)), "probabilities", 3),
        (_module(3, nn.LogSoftmax(dim=1)), "logits", 3),
    ],
)
def test_heads_of_modules(net, values, count):
    found = torch_modules.read(net, Options(x=X))
    assert found.values == values
    assert found.home(X).reshape(len(X), -1).shape == (len(X), count)


class Cut(nn.Module):
    """No gradient reaches the input."""

    def __init__(self):
        super().__init__()
        self.inner = _module()

    def forward(self, x):
        return self.inner(x.detach())


class Picky(torch.autograd.Function):
    """Differentiates correctly only where its weight asks for a gradient, as some simulators do."""

    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(weight)
        return x @ weight

    @staticmethod
    def backward(ctx, gradient):
        (weight,) = ctx.saved_tensors
        right = ctx.needs_input_grad[1]
        return (gradient @ weight.T) * (1.0 if right else 0.0), None


class FrozenTrap(nn.Module):
    """Zero gradients for frozen weights."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.as_tensor(WEIGHT).clone())

    def forward(self, x):
        return Picky.apply(x, self.weight)


def test_a_module_cut_off_from_its_input_is_refused_or_a_black_box():
    with pytest.raises(ModelError, match=r"carry no gradient to its input.*gradient='none'"):
        torch_modules.read(Cut(), Options(x=X))
    assert not torch_modules.read(Cut(), Options(x=X, gradient="none")).home_differentiable


def test_weights_may_stay_trainable_in_calls():
    found = torch_modules.read(FrozenTrap(), Options(x=X))
    leaf = X.clone().requires_grad_()
    assert not bool(torch.autograd.grad(found.home(leaf).sum(), leaf)[0].any())
    assert "stay trainable" in found.mend()
    (slope,) = torch.autograd.grad(found.home(leaf).sum(), leaf)
    torch.testing.assert_close(slope[0], torch.as_tensor(WEIGHT.sum(axis=1)), rtol=1e-12, atol=0)


def test_modules_that_raise_or_return_something_else():
    with pytest.raises(ModelError, match="raised an error for x of shape"):
        torch_modules.read(nn.Linear(3, 2), Options(x=X))

    class Pair(nn.Module):
        def forward(self, x):
            return x, x

    with pytest.raises(ModelError, match="model returned tuple"):
        torch_modules.read(Pair(), Options(x=X))


def test_complex_values_are_refused():
    class Complex(nn.Module):
        def forward(self, x):
            return torch.complex(x, x)

    with pytest.raises(ModelError, match=r"returned torch\.complex128; return a tensor of real scores"):
        torch_modules.read(Complex(), Options(x=X))
