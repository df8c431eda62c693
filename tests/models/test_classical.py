"""Classical baselines against plain matrix arithmetic."""

import numpy as np
import pytest
import torch

from counterspin.errors import UsageError
from counterspin.models import MLP, LogisticRegression
from counterspin.types import Box, Classifier, Differentiable

BOX = Box.uniform(-1.0, 2.0, features=5)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(params=["logistic", "mlp"])
def model(request: pytest.FixtureRequest) -> LogisticRegression | MLP:
    if request.param == "mlp":
        return MLP(BOX, classes=3, hidden=(4, 6), generator=seeded(1))
    model = LogisticRegression(BOX, classes=3)
    with torch.no_grad():
        model.weight.copy_(torch.randn(3, 5, generator=seeded(2)))
        model.bias.copy_(torch.randn(3, generator=seeded(3)))
    return model


def test_is_a_classifier(model: LogisticRegression | MLP) -> None:
    assert isinstance(model, Classifier)
    assert isinstance(model, Differentiable)
    assert (model.classes, model.outputs, model.stochastic, model.bounds) == (3, "logits", False, BOX)


def test_computes_what_numpy_computes(model: LogisticRegression | MLP) -> None:
    x = torch.randn(7, 5, generator=seeded(4), dtype=torch.float64)
    expected = x.numpy()
    if isinstance(model, LogisticRegression):
        layers = [(model.weight, model.bias)]
    else:
        layers = list(zip(model.matrices, model.biases, strict=True))
    for index, (matrix, bias) in enumerate(layers):
        inner = np.tanh(expected) if index else expected
        expected = inner @ matrix.detach().double().numpy().T + bias.detach().double().numpy()
    assert np.abs(model(x).detach().numpy() - expected).max() < 1e-14


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_scores_and_gradients_have_the_dtype_of_x(model: LogisticRegression | MLP, dtype: torch.dtype) -> None:
    x = torch.randn(2, 5, generator=seeded(5), dtype=dtype, requires_grad=True)
    scores = model(x)
    assert scores.dtype == dtype
    assert torch.autograd.grad(scores.sum(), x)[0].dtype == dtype
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())


def test_logistic_regression_starts_undecided() -> None:
    assert torch.equal(LogisticRegression(BOX, classes=2)(torch.ones(1, 5)), torch.zeros(1, 2))


def test_mlp_weights_follow_the_generator_and_their_bound() -> None:
    first, again, other = (MLP(BOX, classes=2, hidden=(300,), generator=seeded(s)) for s in (1, 1, 2))
    assert torch.equal(first.matrices[0], again.matrices[0])
    assert not torch.equal(first.matrices[0], other.matrices[0])
    for matrix, fan_in in zip(first.matrices, (5, 300), strict=True):
        limit = fan_in**-0.5
        # 600 and more uniform draws: the largest is within 2 % of the bound but for 6e-6 of all seeds
        assert 0.98 * limit < float(matrix.detach().abs().max()) <= limit


def test_initialisation_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    MLP(BOX, classes=2, hidden=(3,))
    LogisticRegression(BOX, classes=2)
    assert torch.equal(torch.get_rng_state(), before)


def test_config_rebuilds_the_shape(model: LogisticRegression | MLP) -> None:
    twin = type(model).from_config(model.config())
    assert {n: p.shape for n, p in twin.named_parameters()} == {n: p.shape for n, p in model.named_parameters()}
    assert twin.config() == model.config()


def test_refusals() -> None:
    with pytest.raises(UsageError, match="classes is 1"):
        LogisticRegression(BOX, classes=1)
    for hidden in ((), (3, 0)):
        with pytest.raises(UsageError, match="hidden is"):
            MLP(BOX, classes=2, hidden=hidden)


@pytest.mark.parametrize(
    ("activation", "function"),
    [("tanh", np.tanh), ("relu", lambda v: np.maximum(v, 0)), ("logistic", lambda v: 1 / (1 + np.exp(-v)))],
)
def test_activations(activation: str, function) -> None:
    model = MLP(BOX, classes=2, hidden=(7,), activation=activation, generator=seeded(6))
    x = torch.randn(9, 5, generator=seeded(7), dtype=torch.float64)
    (first, last), (shift, end) = ([p.detach().double().numpy() for p in ps] for ps in (model.matrices, model.biases))
    expected = function(x.numpy() @ first.T + shift) @ last.T + end
    assert np.abs(model(x).detach().numpy() - expected).max() < 1e-14
    again = MLP.from_config(model.config())
    again.load_state_dict(model.state_dict())
    assert torch.equal(again(x), model(x))


def test_models_saved_before_there_were_activations_are_tanh() -> None:
    config = MLP(BOX, classes=2, hidden=(3,)).config()
    del config["activation"]
    assert MLP.from_config(config).activation == "tanh"


def test_unknown_activations_are_refused() -> None:
    with pytest.raises(UsageError, match="activation is 'sin'; allowed: tanh, relu, logistic"):
        MLP(BOX, classes=2, hidden=(3,), activation="sin")
