"""Any classifier behind an affine map: values, gradients, capabilities, exact radii through the map, storage."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from counterspin.circuits import OutcomeGroups, amplitude_encoding, strongly_entangling
from counterspin.errors import ModelError
from counterspin.models import (
    MLP,
    AffineInputs,
    FlipSolver,
    KernelClassifier,
    LogisticRegression,
    QuantumClassifier,
    SampledModel,
    load_model,
    save_model,
    unwrapped,
)
from counterspin.models.pipeline import Pipeline, behind_map
from counterspin.optimum.affine_map import AffineMap
from counterspin.types import (
    Box,
    Classifier,
    CountsShots,
    Differentiable,
    Freezable,
    HasAffineInputs,
    HasCircuit,
    HasEffectiveObservables,
    HasStates,
    HasTwin,
    Reseedable,
    Sampled,
)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def map_of(outputs: int, features: int, seed: int = 0) -> AffineMap:
    generator = seeded(seed)
    weight = torch.randn(outputs, features, generator=generator, dtype=torch.float64)
    return AffineMap(weight, torch.randn(outputs, generator=generator, dtype=torch.float64))


def perceptron() -> MLP:
    return MLP(Box.unbounded(3), classes=4, hidden=(5,), generator=seeded(1))


def amplitudes() -> QuantumClassifier:
    circuit = amplitude_encoding(4) + strongly_entangling(2, 2)
    bit = OutcomeGroups((0,), ((0,), (1,)))
    return QuantumClassifier(circuit, bit, Box.unbounded(4)).requires_grad_(False)


def kernel_machine() -> KernelClassifier:
    generator = seeded(2)
    x = torch.rand(20, 4, generator=generator, dtype=torch.float64)
    return KernelClassifier.fit(amplitude_encoding(4), x, (x[:, 0] > x[:, 1]).long(), Box.unbounded(4))


@pytest.fixture
def model() -> Pipeline:
    return Pipeline(perceptron(), map_of(3, 6), Box.uniform(-2, 2, features=6))


class Guess:
    """A stochastic classifier that is no torch module and says nothing of gradients."""

    bounds, classes, outputs, stochastic = Box.unbounded(3), 2, "logits", True

    def __call__(self, x: Tensor) -> Tensor:
        return x[:, :2].detach()


def test_scores_and_gradients_are_those_of_the_body_at_the_mapped_features(model: Pipeline) -> None:
    x = torch.linspace(-2, 2, 30, dtype=torch.float64).reshape(5, 6)
    matrix, shift = map_of(3, 6).weight, map_of(3, 6).bias
    torch.testing.assert_close(model(x), perceptron()(x @ matrix.T + shift), rtol=0, atol=1e-14)
    assert model(x.float()).dtype == torch.float32
    torch.autograd.gradcheck(model, x[:2].clone().requires_grad_())
    assert (model.classes, model.outputs, model.stochastic, model.differentiable) == (4, "logits", False, True)


@pytest.mark.parametrize("body", [perceptron, amplitudes, lambda: SampledModel(amplitudes(), shots=10)])
def test_promises_what_every_body_can_keep_and_no_more(body) -> None:
    body = body()
    model = Pipeline(body, map_of(body.bounds.features, 6), Box.unbounded(6))
    for protocol in (Classifier, Differentiable, HasAffineInputs):
        assert isinstance(model, protocol)
    absent = (HasCircuit, HasStates, HasEffectiveObservables, Sampled, Reseedable, Freezable, CountsShots, HasTwin)
    for protocol in absent:
        assert not isinstance(model, protocol)
        # From Python 3.12 on what the class has counts: a property that raises for some bodies would be a promise.
        assert not all(hasattr(Pipeline, name) for name in vars(protocol) if not name.startswith("_"))
    assert model.stochastic == body.stochastic
    assert model.differentiable == body.differentiable


def test_a_body_that_says_nothing_of_gradients_is_taken_to_have_one() -> None:
    model = Pipeline(Guess(), map_of(3, 5), Box.unbounded(5))
    assert model.stochastic
    assert model.differentiable
    assert model(torch.ones(2, 5)).shape == (2, 2)


def test_exact_radii_are_in_the_users_units() -> None:
    machine, x = kernel_machine(), torch.rand(6, 4, generator=seeded(3), dtype=torch.float64)
    y = machine(x).argmax(dim=1)
    own = FlipSolver.of(machine)(x, y).upper
    # Features in units five times as large: the same boundary is five times as near.
    scale = AffineMap(5 * torch.eye(4, dtype=torch.float64), torch.zeros(4, dtype=torch.float64))
    model = Pipeline(machine, scale, Box.unbounded(4))
    assert unwrapped(model)[0] is machine
    torch.testing.assert_close(FlipSolver.of(model)(x / 5, y).upper, own / 5, rtol=1e-9, atol=0)


def test_maps_in_front_of_maps_compose() -> None:
    inner = Pipeline(perceptron(), map_of(3, 4, seed=5), Box.unbounded(4))
    model = Pipeline(inner, map_of(4, 6, seed=6), Box.unbounded(6))
    body, whole = unwrapped(model)
    x = torch.randn(3, 6, generator=seeded(7), dtype=torch.float64)
    assert whole is not None
    torch.testing.assert_close(body(whole(x)), model(x), rtol=1e-12, atol=1e-12)


def test_a_circuit_stays_one_behind_a_map() -> None:
    box = Box.uniform(0, 1, features=6)
    assert type(behind_map(map_of(4, 6), amplitudes(), box)) is AffineInputs
    assert type(behind_map(map_of(4, 6), kernel_machine(), box)) is Pipeline


@pytest.mark.parametrize("body", [perceptron, amplitudes, kernel_machine])
def test_is_saved_with_its_body(body, tmp_path: Path) -> None:
    body = body()
    model = Pipeline(body, map_of(body.bounds.features, 6), Box.uniform(-1, 1, features=6)).requires_grad_(False)
    save_model(model, tmp_path / "model")
    again = load_model(tmp_path / "model")
    x = torch.randn(4, 6, generator=seeded(8), dtype=torch.float64)
    assert type(again) is Pipeline
    assert torch.equal(again(x), model(x))
    assert torch.equal(again.bounds.lower, model.bounds.lower)


def test_a_body_that_cannot_be_saved_is_named(tmp_path: Path) -> None:
    model = Pipeline(Guess(), map_of(3, 5), Box.unbounded(5))
    with pytest.raises(
        ModelError, match=r"behind the preprocessing is a Guess.*allowed kinds: logistic-regression, mlp"
    ):
        save_model(model, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_parts_that_do_not_fit_are_refused() -> None:
    body, box = LogisticRegression(Box.unbounded(3), classes=2), Box.unbounded(6)
    with pytest.raises(ModelError, match="the map gives 4 values; the body takes 3"):
        Pipeline(body, map_of(4, 6), box)
    with pytest.raises(ModelError, match="bounds cover 6 features; the map takes 5"):
        Pipeline(body, map_of(3, 5), box)
    with pytest.raises(ModelError, match=r"model \(function\) lacks bounds, classes"):
        Pipeline(seeded, map_of(3, 6), box)
