"""Mitigation inside a classifier: fitted to it, differentiable, sampled at the price of its shots, folded if linear."""

import pytest
import torch
from small_circuits import GATES, arguments, seeded

from counterspin.circuits import Linear, OutcomeGroups, PauliExpectations, amplitude_encoding, strongly_entangling
from counterspin.errors import ConditionsError, UsageError
from counterspin.mitigation.cdr import CDR
from counterspin.mitigation.registry import by_name
from counterspin.mitigation.zne import ZNE
from counterspin.models import FlipSolver, QuantumClassifier, SampledModel
from counterspin.models.mitigated import TrainedOn, mitigated
from counterspin.models.noisy import NoisyClassifier
from counterspin.noise import NoiseModel, amplitude_damping
from counterspin.noise.rules import GateRule
from counterspin.types import Box, Classifier, Differentiable, Sampled
from counterspin.validation import check_classifier_interface

NOISE = NoiseModel(rules=(GateRule(channel=amplitude_damping(0.02), targets="each"),), readout_flips=(0.02, 0.05))
X = torch.rand(12, 3, generator=seeded(0), dtype=torch.float64)


def angle_model(measurement=None, head=None):
    box, weights = Box.uniform(0.0, 1.0, features=3), arguments(GATES)[1]
    return QuantumClassifier(
        GATES, measurement or PauliExpectations.of("Z0", "Z1", "X0"), box, weights=weights, head=head
    )


def amplitude_model():
    circuit = amplitude_encoding(8) + strongly_entangling(3, 2)
    weights = torch.randn(circuit.weights, generator=seeded(1), dtype=torch.float64)
    groups = OutcomeGroups.first(qubits=1, classes=2)
    return QuantumClassifier(circuit, groups, Box.uniform(0.0, 1.0, features=8), weights=weights)


@pytest.mark.parametrize("name", ["zne", "cdr", "cdr:zne", "learned", "learned:kernel"])
def test_scores_come_closer_to_the_noiseless_ones(name):
    body = angle_model()
    noisy = NoisyClassifier(body, noise=NOISE)
    model = mitigated(noisy, name, X)
    assert isinstance(model, Classifier)
    assert isinstance(model, Differentiable)
    assert isinstance(model, Sampled)
    check_classifier_interface(model)
    before, after = ((m(X) - body(X)).square().mean().sqrt().item() for m in (noisy, model))
    assert after < 0.8 * before


def test_gradients_reach_inputs_and_weights():
    model = mitigated(angle_model(), "learned:kernel", X, noise=NOISE)
    x = X[:2].clone().requires_grad_()
    assert torch.autograd.gradcheck(model, (x,), atol=1e-5)
    model(x).sum().backward()
    assert bool((model.weights.grad != 0).any())


def test_a_head_comes_after_the_mitigation():
    head = Linear(torch.tensor([[2.0, 0.0, 1.0], [0.0, -1.0, 3.0]]).double(), torch.tensor([0.5, -0.5]).double())
    plain, headed = (mitigated(angle_model(head=h), ZNE(), X, noise=NOISE) for h in (None, head))
    torch.testing.assert_close(headed(X), plain(X) @ head.weight.T + head.bias, atol=1e-10, rtol=0)
    assert (plain.outputs, headed.outputs) == ("expectations", "logits")


def test_probabilities_become_expectations_and_may_be_negative():
    model = mitigated(amplitude_model(), "zne", torch.rand(4, 8, generator=seeded(1)), noise=NOISE)
    assert model.outputs == "expectations"
    assert angle_model(OutcomeGroups.first(qubits=1, classes=2)).outputs == "probabilities"


def test_finite_shots_average_to_the_scores_with_the_spread_of_the_overhead():
    model = mitigated(angle_model(), "zne", X, noise=NOISE).requires_grad_(False)
    shots, x = 3000, X[:1].repeat(400, 1)
    read = SampledModel(model, shots=shots, seed=3)
    assert read.shots_per_call == 2 * shots  # Z and X
    scores = read(x)
    spread = scores.std(dim=0)
    torch.testing.assert_close(scores.mean(dim=0), model(X[:1])[0], atol=4 * float(spread.max()) / 20, rtol=0)
    # Richardson on 1, 2, 3: three circuits share the shots, coefficients 3, -3, 1.
    noisy = NoisyClassifier(angle_model(), noise=NOISE)
    variance = (1 - noisy(X[:1])[0].square()) / shots
    assert bool((spread.square() / (57 * variance) < 1.3).all())
    assert bool((spread.square() / (57 * variance) > 0.7).all())


@pytest.mark.slow
def test_linear_mitigation_is_certified_exactly_and_other_refused():
    body, x = amplitude_model(), torch.rand(6, 8, generator=seeded(4), dtype=torch.float64)
    model = mitigated(body, CDR(variants=ZNE()), x, noise=NOISE).requires_grad_(False)
    torch.testing.assert_close(model.effective_observables().scores(x), model(x), atol=1e-10, rtol=0)
    labels = model(x).argmax(dim=1)
    flips = FlipSolver.of(model)(x, labels)
    assert bool(torch.isfinite(flips.upper).all())
    assert bool((flips.gap < 1e-6).all())
    # At the nearest flip the two scores tie, and half way there nothing is lost.
    found, between = model(flips.points), model(x + 0.5 * (flips.points - x))
    torch.testing.assert_close(found[:, 0], found[:, 1], atol=1e-6, rtol=0)
    assert torch.equal(between.argmax(dim=1), labels)
    for name in ("zne:exponential", "learned:mlp", "readout:least-squares"):
        with pytest.raises(ConditionsError):
            mitigated(body, name, x, noise=NOISE).effective_observables()
    with pytest.raises(ConditionsError):
        mitigated(angle_model(), "zne", X, noise=NOISE).effective_observables()


def test_it_prices_its_calls_and_tells_its_technique():
    model = mitigated(angle_model(), "zne", X, noise=NOISE)
    # Three scale factors, two settings.
    assert model.call_price(5).circuits == 30
    assert "zne" in repr(model)


def test_equal_seeds_give_equal_models():
    one, two = (mitigated(angle_model(), "cdr", X, noise=NOISE, shots=200, generator=seeded(2)) for _ in range(2))
    other = mitigated(angle_model(), "cdr", X, noise=NOISE, shots=200, generator=seeded(3))
    assert torch.equal(one(X), two(X))
    assert not torch.equal(one(X), other(X))


def test_refusals():
    noisy = NoisyClassifier(angle_model(), noise=NOISE)
    with pytest.raises(UsageError, match="of its own"):
        mitigated(noisy, "zne", X, noise=NOISE)
    with pytest.raises(UsageError, match=r"mitigated already \(zne"):
        mitigated(mitigated(noisy, "zne", X), "cdr", X)
    with pytest.raises(UsageError, match="mitigation 'luck' is unknown"):
        mitigated(noisy, "luck", X)
    with pytest.raises(UsageError, match="noise is None"):
        mitigated(angle_model(), by_name("zne"), X)


def test_a_technique_with_training_data_of_its_own_does_not_look_at_the_samples():
    train, noise = 0.5 * torch.rand(20, 3, generator=seeded(7), dtype=torch.float64), NOISE
    own = mitigated(angle_model(), TrainedOn(mitigation="cdr", x=train), X, noise=noise)
    same = mitigated(angle_model(), "cdr", train, noise=noise)
    other = mitigated(angle_model(), TrainedOn(mitigation=CDR(), x=train), X[:2].float(), noise=noise)
    assert torch.equal(own.mitigation.fitted.slope, same.mitigation.fitted.slope)
    torch.testing.assert_close(other.mitigation.fitted.slope, same.mitigation.fitted.slope, atol=1e-4, rtol=0)
    audited = mitigated(angle_model(), "cdr", X, noise=noise)
    assert not torch.equal(own.mitigation.fitted.slope, audited.mitigation.fitted.slope)
    assert TrainedOn(mitigation="cdr", x=train).name == TrainedOn(mitigation=CDR(), x=train).name == "cdr"
    with pytest.raises(UsageError, match=r"x of TrainedOn has shape \(0, 3\)"):
        TrainedOn(mitigation="cdr", x=train[:0])


def test_combinations_go_by_name():
    model = mitigated(angle_model(), "readout+zne", X, noise=NOISE)
    bare = mitigated(angle_model(), "zne", X, noise=NoiseModel(rules=NOISE.rules))
    torch.testing.assert_close(model(X), bare(X), atol=1e-10, rtol=0)
    assert model.call_price(2).circuits == 2 * 3 * 2
