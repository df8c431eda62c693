"""What calling a model shows: randomness, rounding, side effects, and models that do not stand still."""

import numpy as np
import pytest
import torch
from torch import nn

from counterspin.errors import ModelError
from counterspin.models.integrations.checks import behaviour

X = torch.rand(6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
SPANS = torch.ones(3, dtype=torch.float64)


def test_a_quiet_model():
    found = behaviour(lambda x: torch.sin(3 * x), X, SPANS)
    assert not found.stochastic
    assert found.remarks == ()
    assert found.noise < 1e-15


def test_rounding_of_single_precision_is_measured():
    noise = behaviour(lambda x: torch.sin(3 * x.float()).to(x), X, SPANS).noise
    # Uniform rounding of values around 1 and of inputs, with slopes up to 3: 2⁻²⁴/√3 to some of it.
    assert 1e-8 < noise < 2e-7


def test_randomness_is_noticed_and_its_source():
    own = torch.Generator().manual_seed(0)
    quiet = behaviour(lambda x: x + torch.randn(x.shape, generator=own, dtype=x.dtype), X, SPANS)
    assert quiet.stochastic
    assert quiet.remarks == ()
    for draw in (torch.rand, lambda *shape: torch.as_tensor(np.random.random(shape))):  # noqa: NPY002
        state = torch.get_rng_state()
        loud = behaviour(lambda x, draw=draw: x + draw(*x.shape), X, SPANS)
        torch.set_rng_state(state)
        assert loud.stochastic
        assert any("global random generator" in remark for remark in loud.remarks)


def test_writing_into_the_input_is_noticed_and_harmless():
    before = X.clone()
    found = behaviour(lambda x: x.mul_(2), X, SPANS)
    assert any("writes into its input" in remark for remark in found.remarks)
    assert torch.equal(X, before)


def test_weights_that_change_in_a_call_are_refused():
    layer = nn.Linear(3, 2).double()

    def step(x):
        with torch.no_grad():
            layer.bias.add_(1e-9)
        return layer(x)

    with pytest.raises(ModelError, match=r"changes its own weights when it is called \(bias\)"):
        behaviour(step, X, SPANS, lambda: dict(layer.named_parameters()))


def test_values_that_drift_are_refused_without_knowing_the_weights():
    calls = [0]

    def step(x):
        calls[0] += 1
        return x * (1 + 1e-6 * calls[0])

    with pytest.raises(ModelError, match="drift in one direction"):
        behaviour(step, X, SPANS)


@pytest.mark.parametrize("normalise", [True, False])
def test_values_that_depend_on_the_batch_are_refused(normalise):
    home = nn.BatchNorm1d(3).double() if normalise else (lambda x: x - x.mean(dim=0))
    with pytest.raises(ModelError, match="with the other samples of its batch; put the model in evaluation mode"):
        behaviour(lambda x: home(x), X, SPANS)


def test_values_that_depend_on_the_place_in_the_batch_are_refused():
    with pytest.raises(ModelError, match="other samples of its batch"):
        behaviour(lambda x: x + torch.arange(len(x))[:, None], X, SPANS)


def test_values_that_are_not_finite_are_refused():
    with pytest.raises(ModelError, match="NaN or infinite values"):
        behaviour(lambda x: x / 0, X, SPANS)
