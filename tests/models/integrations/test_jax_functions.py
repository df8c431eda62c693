"""JAX functions: values and gradients against JAX's own, in float64, without a flag left changed."""

from functools import partial

import numpy as np
import pytest
import torch

from counterspin.errors import ModelError
from counterspin.models.integrations.adopt import adopt
from counterspin.models.integrations.jax_functions import claims, is_jax, read
from counterspin.models.integrations.reading import Options

pytestmark = pytest.mark.slow  # importing and compiling takes seconds

jax = pytest.importorskip("jax")
jnp = jax.numpy

MATRIX = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
X = torch.rand(7, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def batch(x):
    return jnp.tanh(x @ MATRIX)


def one(x):
    return jnp.stack([jnp.sin(x[0] * x[1]), x[2] ** 2])


def expected(x: np.ndarray) -> np.ndarray:
    return np.tanh(x @ MATRIX.astype(np.float64))


@pytest.mark.parametrize("function", [batch, jax.jit(batch)], ids=["plain", "jit"])
def test_values_and_gradients_are_float64(function) -> None:
    found = read(function, Options(x=X))
    assert (found.values, found.home_differentiable, found.imported, found.repairs) == ("logits", True, None, ())
    x = X.clone().requires_grad_()
    values = found.home(x)
    np.testing.assert_allclose(values.detach().numpy(), expected(X.numpy()), rtol=0, atol=1e-15)
    (gradient,) = torch.autograd.grad(values.sum(), x)
    slope = (1 - expected(X.numpy()) ** 2) @ MATRIX.astype(np.float64).T
    np.testing.assert_allclose(gradient.numpy(), slope, rtol=0, atol=1e-14)
    torch.autograd.gradcheck(found.home, x)
    assert not jax.config.jax_enable_x64
    assert jnp.ones(1).dtype == jnp.float32  # the process is as it was


def test_float32_stays_float32() -> None:
    home = read(batch, Options(x=X)).home
    x = X.float().requires_grad_()
    values = home(x)
    assert values.dtype == torch.float32
    assert torch.autograd.grad(values.sum(), x)[0].dtype == torch.float32


def test_a_function_of_one_sample_is_mapped() -> None:
    found = read(jax.jit(one), Options(x=X))
    assert "mapped over batches with jax.vmap" in found.repairs[0]
    rows = X.numpy()
    np.testing.assert_allclose(
        found.home(X).numpy(), np.stack([np.sin(rows[:, 0] * rows[:, 1]), rows[:, 2] ** 2], axis=1), atol=1e-15
    )
    torch.autograd.gradcheck(found.home, X.clone().requires_grad_())


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 8])
def test_every_batch_gives_its_own_rows(rows: int) -> None:
    home = read(batch, Options(x=X)).home
    x = torch.rand(rows, 4, generator=torch.Generator().manual_seed(rows), dtype=torch.float64).requires_grad_()
    values = home(x)
    np.testing.assert_allclose(values.detach().numpy(), expected(x.detach().numpy()), rtol=0, atol=1e-15)
    weights = torch.arange(3.0 * rows, dtype=torch.float64).reshape(rows, 3)
    (gradient,) = torch.autograd.grad((weights * values).sum(), x)
    slope = (weights.numpy() * (1 - values.detach().numpy() ** 2)) @ MATRIX.T
    np.testing.assert_allclose(gradient.numpy(), slope, rtol=0, atol=1e-13)


def test_what_comes_back_may_be_written_to() -> None:
    home = read(lambda x: x, Options(x=X)).home
    before = X.clone()
    home(X).zero_()
    assert torch.equal(X, before)


def test_labels_and_probabilities() -> None:
    labels = read(jax.jit(lambda x: jnp.argmax(x @ MATRIX, axis=1)), Options(x=X))
    assert (labels.values, labels.home_differentiable) == ("labels", False)
    assert "its values are labels" in labels.reason
    np.testing.assert_array_equal(labels.home(X).numpy(), expected(X.numpy()).argmax(axis=1))
    assert read(lambda x: jax.nn.softmax(x @ MATRIX), Options(x=X)).values == "probabilities"


def test_parameters_and_the_name_of_the_input() -> None:
    def function(params, features):
        return features @ params["matrix"] + params["shift"]

    said = {"params": {"matrix": MATRIX, "shift": np.float32(0.5)}}
    found = read(jax.jit(function), Options(x=X, weights=said, inputs="features"))
    np.testing.assert_allclose(found.home(X).numpy(), X.numpy() @ MATRIX.astype(float) + 0.5, atol=1e-15)


def test_what_has_no_gradient_is_a_black_box() -> None:
    def called_back(x):
        shape = jax.ShapeDtypeStruct((len(x), 3), x.dtype)
        return jax.pure_callback(lambda rows: np.tanh(np.asarray(rows) @ MATRIX).astype(rows.dtype), shape, x)

    found = read(jax.jit(called_back), Options(x=X))
    assert not found.home_differentiable
    assert "it has no gradient" in found.reason
    np.testing.assert_allclose(found.home(X).numpy(), expected(X.numpy()), atol=1e-15)
    asked = read(batch, Options(x=X, gradient="none"))
    assert not asked.home_differentiable
    assert not asked.home(X.clone().requires_grad_()).requires_grad


def test_what_jax_cannot_trace_is_refused() -> None:
    with pytest.raises(ModelError, match=r"no function of a batch \(AttributeError.*nor of one sample \(Attribute"):
        read(lambda x: x.nothing, Options(x=X))
    with pytest.raises(ModelError, match=r"3 samples gave shape \(2, 2\)"):
        read(lambda x: jnp.ones((2, 2)), Options(x=X))


def test_recognised_by_what_they_are_or_return() -> None:
    assert claims(jax.jit(batch))
    assert not claims(batch)
    assert not claims(partial(batch))
    assert is_jax(batch(np.ones((2, 4))))
    assert not is_jax(np.ones(2))
    assert not is_jax(torch.ones(2))


@pytest.mark.parametrize("function", [batch, jax.jit(batch), jax.jit(one)], ids=["plain", "batch", "one"])
def test_adopted_with_its_gradient_checked(function) -> None:
    found = adopt(function, X, bounds=(0, 1))
    assert (found.route.kind, found.route.route) == ("jax", "wrapped")
    assert found.route.gradient_check is not None
    assert found.route.gradient_check.passed


def test_a_gradient_that_is_wrong_is_noticed() -> None:
    @jax.custom_vjp
    def dishonest(x):
        return batch(x)

    dishonest.defvjp(lambda x: (batch(x), x), lambda x, g: (jnp.roll(x, 1, axis=1) * g.sum(),))
    with pytest.raises(ModelError, match="gradient='none' to treat it as a black box"):
        adopt(jax.jit(dishonest), X)
