"""The hybrid classifier: front, circuit and head in one graph."""

import json
from pathlib import Path

import pytest
import torch
from compiled_engine import ENGINES, each_engine

from counterspin.circuits import Linear, PauliExpectations, Readout, Scale, reuploading
from counterspin.errors import ModelError
from counterspin.models import MLP, LogisticRegression
from counterspin.models.hybrid import HybridClassifier
from counterspin.models.quantum import QuantumClassifier
from counterspin.simulation import run, shift_jacobian
from counterspin.types import Box, Classifier, Differentiable, HasCircuit, HasStates, Sampled

BOX = Box.uniform(0.0, 1.0, 5)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def body() -> QuantumClassifier:
    head = Linear(torch.randn(3, 2, generator=seeded(0)), torch.randn(3, generator=seeded(1)))
    box = Box.uniform(-1, 1, 2)
    return QuantumClassifier(reuploading(2, 2, scale=2.0), PauliExpectations.of("Z0", "Z1"), box, head=head)


def hybrid(kind: str) -> HybridClassifier:
    if kind == "mlp":
        return HybridClassifier(MLP(BOX, classes=2, hidden=(4,), generator=seeded(2)), body())
    front = LogisticRegression(BOX, classes=2)
    with torch.no_grad():
        front.weight.copy_(torch.randn(2, 5, generator=seeded(3)))
    return HybridClassifier(front, body())


X = torch.rand(4, 5, dtype=torch.float64, generator=seeded(4))


@pytest.mark.parametrize("kind", ["logistic", "mlp"])
def test_scores_are_the_circuits_of_the_squashed_front(kind: str) -> None:
    model = hybrid(kind)
    u = torch.tanh(model.front(X))
    assert torch.equal(model.circuit_inputs(X), u)
    assert torch.equal(model(X), run(model.circuit, u, model.weights, model.readout))
    assert torch.equal(model.states(X), model.body.states(u))
    assert (model.classes, model.outputs, model.bounds) == (3, "logits", BOX)
    for protocol in (Classifier, Differentiable, HasCircuit, HasStates, Sampled):
        assert isinstance(model, protocol)


def test_gradients_reach_inputs_and_every_parameter() -> None:
    model = hybrid("mlp").double()
    parameters = dict(model.named_parameters())
    x = X[:2].clone().requires_grad_()

    def scores(x: torch.Tensor, *values: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(model, dict(zip(parameters, values, strict=True)), (x,))

    assert torch.autograd.gradcheck(scores, (x, *parameters.values()), fast_mode=True)
    model(x).square().sum().backward()
    assert all(p.grad is not None and float(p.grad.abs().max()) > 0 for p in parameters.values())


def test_parameter_shift_goes_through_the_circuit_inputs() -> None:
    model = hybrid("mlp")
    x = X.clone().requires_grad_()
    u = model.circuit_inputs(x)
    _, jacobian, _ = shift_jacobian(model.circuit, u.detach(), model.weights, model.readout)
    for k in range(3):
        (shifted,) = torch.autograd.grad(u, x, jacobian[:, k], retain_graph=True)
        (direct,) = torch.autograd.grad(model(x)[:, k].sum(), x)
        assert torch.allclose(shifted, direct, atol=1e-10, rtol=0)


def test_sampling() -> None:
    model = hybrid("mlp")
    assert torch.equal(model.sample(X, shots=None, generator=seeded(0)), model(X).detach())
    first, second = (model.sample(X, shots=50, generator=seeded(5)) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, model(X).detach())


@pytest.mark.parametrize("kind", ["logistic", "mlp"])
def test_configuration_round_trip(kind: str, tmp_path: Path) -> None:
    model = hybrid(kind)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(model.config()))
    again = HybridClassifier.from_config(json.loads(path.read_text()))
    again.load_state_dict(model.state_dict())
    assert torch.equal(again(X), model(X))
    assert again.config() == model.config()
    assert type(again.front) is type(model.front)


def test_single_precision_is_close_to_double() -> None:
    model = hybrid("mlp")
    assert model(X.float()).dtype == torch.float32
    assert torch.allclose(model(X.float()).double(), model(X), atol=1e-5)


def test_fronts_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ModelError, match="front gives 3 values; the circuit takes 2 inputs"):
        HybridClassifier(MLP(BOX, classes=3, hidden=(4,)), body())


def test_a_head_without_linear_map_is_kept() -> None:
    quantum = QuantumClassifier(
        reuploading(2, 1), PauliExpectations.of("Z0", "Z1"), Box.uniform(-1, 1, 2), head=Scale(torch.tensor(5.0))
    )
    model = HybridClassifier(LogisticRegression(BOX, classes=2), quantum)
    # A fresh logistic regression gives zeros.
    values = run(quantum.circuit, torch.zeros(4, 2).double(), quantum.weights, Readout(quantum.measurement))
    assert torch.allclose(model(X), 5 * values)


def test_engines_agree_through_the_front() -> None:
    found = []
    for engine in ENGINES:
        model = hybrid("mlp").double()
        model.engine = engine
        assert model.body.engine == model.engine == engine
        x = X.clone().requires_grad_()
        scores = model(x)
        found.append([scores, *torch.autograd.grad(scores.square().sum(), [x, *model.parameters()])])
    for other in found[1:]:
        for theirs, ours in zip(found[0], other, strict=True):
            assert torch.allclose(ours, theirs, atol=1e-12 * max(1.0, float(theirs.detach().abs().max())), rtol=0)


@each_engine
def test_every_engine_samples(engine: str) -> None:
    model = hybrid("mlp")
    model.engine = engine
    sampled = model.sample(X, shots=4000, generator=seeded(5))
    # A linear head of the two expectations: five standard errors.
    reach = 5 / 4000**0.5 * model.body.head_weight.detach().abs().sum(1)
    assert bool(((sampled - model(X).detach()).abs() < reach).all())


def test_the_engine_is_not_saved() -> None:
    model = hybrid("mlp")
    model.engine = "torch"
    assert "engine" not in json.dumps(model.config())
    assert HybridClassifier.from_config(model.config()).engine == "auto"
