"""What views of a step share: weights, mode, what they show, and how they compose with the other defences."""

import pytest
import torch

from counterspin.circuits import Linear, OutcomeGroups, PauliExpectations, amplitude_encoding, reuploading
from counterspin.defenses.training.circuit_views import CircuitView, ReadoutView, bare, check_circuit, engine_of
from counterspin.defenses.training.compose import compose
from counterspin.defenses.training.registry import by_name, names, parse
from counterspin.errors import CapabilityError, ConditionsError
from counterspin.models import MLP, QuantumClassifier
from counterspin.models.modes import frozen
from counterspin.models.noisy import NoisyClassifier
from counterspin.noise import NoiseModel
from counterspin.threats import Linf
from counterspin.training import CrossEntropyObjective, Step
from counterspin.types import Box, Classifier, HasChannels, HasCircuit

THREAT = Linf(0.05, 0.1)
NOISE = "depolarizing:0.05/gate"


def model():
    generator = torch.Generator().manual_seed(0)
    return QuantumClassifier(
        reuploading(2, 2, scale=torch.pi),
        PauliExpectations.of("Z0", "Z1"),
        Box.uniform(0.0, 1.0, features=2),
        head=Linear(torch.randn(2, 2, generator=generator), torch.zeros(2)),
        generator=generator,
    )


def step(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return Step(epoch=1, progress=0.9, rows=torch.arange(6), generator=generator, memory={})


def batch():
    x = torch.rand(6, 2, generator=torch.Generator().manual_seed(1))
    return x, (x[:, 0] > 0.5).long()


def test_views_are_classifiers_of_the_same_parameters_and_mode():
    own = model().train()
    for view in (
        CircuitView(own, own.circuit, lambda w: w),
        ReadoutView(own, lambda body, x: body(x)),
    ):
        assert isinstance(view, Classifier)
        assert view.training
        assert [id(p) for p in view.parameters()] == [id(p) for p in own.parameters()]
        assert bare(view) is own
        assert not view.stochastic
        torch.testing.assert_close(view(batch()[0]), own(batch()[0]))
        with frozen(view):
            assert not own.training
            assert not own.weights.requires_grad
        assert own.training
        assert own.weights.requires_grad
    assert isinstance(CircuitView(own, own.circuit, lambda w: w), HasCircuit)
    assert not isinstance(ReadoutView(own, lambda body, x: body(x)), HasCircuit)


def test_weights_are_asked_for_in_every_call():
    own = model()
    turned = CircuitView(own, own.circuit, lambda w: 2 * w)
    x = batch()[0]
    first = turned(x).detach()
    with torch.no_grad():
        own.weights.mul_(0.5)
    torch.testing.assert_close(turned(x).detach(), own(x).detach() * 0 + turned(x).detach())
    assert not torch.allclose(turned(x).detach(), first)
    torch.testing.assert_close(turned.weights, 2 * own.weights)


def test_observables_are_those_of_the_step():
    own = QuantumClassifier(
        amplitude_encoding(2).add("RY", 0, 0.7), OutcomeGroups((0,), ((0,), (1,))), Box.uniform(0.1, 1.0, 2)
    )
    turned = CircuitView(own, amplitude_encoding(2).add("RY", 0, 0.2), lambda w: w)
    x = torch.tensor([[0.6, 0.8]], dtype=torch.float64)
    forms = turned.effective_observables().matrices
    expected = torch.stack([(x[0] @ form.real @ x[0]) for form in forms])
    torch.testing.assert_close(turned(x)[0], expected)
    with pytest.raises(ConditionsError):
        CircuitView(model(), model().circuit, lambda w: w).effective_observables()


def test_checks_and_engines():
    own = model()
    check_circuit(own, "noise")
    noisy = NoisyClassifier(own, noise=NoiseModel(qubit_depolarizing=0.1))
    assert isinstance(noisy, HasChannels)
    with pytest.raises(CapabilityError, match="noise of its own"):
        check_circuit(noisy, "noise")
    with pytest.raises(CapabilityError, match="shows no circuit"):
        check_circuit(MLP(Box.uniform(0.0, 1.0, 2), classes=2, hidden=(2,)), "noise")
    own.engine = "torch"
    assert engine_of(CircuitView(own, own.circuit, lambda w: w)) == engine_of(own) == "torch"
    assert engine_of(object()) == "auto"


def test_every_defence_of_this_family_is_listed():
    assert {"noise", "angle-noise", "shot-noise", "parameter-norm", "prune"} <= set(names())
    assert by_name("noise:ibm:manila+ibm:lima*0.5-2", THREAT).to_json()["sources"] == ["ibm:manila", "ibm:lima"]
    parts = parse("noise:bit_flip:0.1/gate+readout:0.01,0.02,angle-noise:0.1,prune:0.2", THREAT, model())
    assert [part.name for part in parts] == ["noise", "angle-noise", "prune"]
    assert parts[0].to_json()["sources"] == ["bit_flip:0.1/gate+readout:0.01,0.02"]


@pytest.mark.parametrize(
    "text", [f"pgd-at:eps=0.05,noise:{NOISE}", f"shot-noise:500,noise:{NOISE},angle-noise:0.05,parameter-norm:0.01"]
)
def test_objectives_compose_with_views(text):
    own = model()
    objective = compose(parse(text, THREAT, own))
    x, y = batch()
    value = objective(own, x, y, step())
    value.backward()
    assert bool(own.weights.grad.isfinite().all())
    assert float(own.weights.grad.abs().max()) > 1e-4
    assert float(value.detach()) == pytest.approx(float(objective(own, x, y, step()).detach()), abs=0)
    clean = float(CrossEntropyObjective()(own, x, y).detach())
    assert abs(float(value.detach()) - clean) > 1e-4
    assert own.weights.requires_grad
