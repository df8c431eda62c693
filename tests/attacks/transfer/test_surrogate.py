"""Surrogates learn the target from its answers alone, within their budget of queries."""

import pytest
import torch
from state_models import amplitude_classes, seeded, uploads

from counterspin.attacks.transfer.architectures import ARCHITECTURES, other_encoding, same
from counterspin.attacks.transfer.surrogate import (
    Imitation,
    Surrogate,
    ask,
    check_alike,
    check_kind,
    trained_surrogate,
    twin_of,
)
from counterspin.circuits import PauliExpectations, amplitude_encoding, strongly_entangling
from counterspin.errors import CapabilityError, ConditionsError, UsageError
from counterspin.models import (
    MLP,
    AffineInputs,
    HybridClassifier,
    LogisticRegression,
    NoisyClassifier,
    Pipeline,
    QuantumClassifier,
)
from counterspin.noise import NoiseModel
from counterspin.optimum.affine_map import AffineMap
from counterspin.training import Step
from counterspin.types import Box


class Counted:
    """A linear target of two classes that counts its queries."""

    outputs, classes, stochastic = "logits", 2, False

    def __init__(self, features=3):
        self.bounds, self.asked = Box.uniform(0.0, 1.0, features), []
        self.w = torch.linspace(-2.0, 3.0, features, dtype=torch.float64)

    def __call__(self, x):
        self.asked.append(x)
        margin = 4 * (x @ self.w.to(x) - self.w.sum().to(x) / 2)
        return torch.stack([margin, -margin], dim=1)


@pytest.fixture
def seeds():
    return torch.rand(20, 3, generator=seeded(0), dtype=torch.float64)


@pytest.mark.parametrize("queries", [1, 7, 20, 90])
def test_the_budget_of_queries_is_kept(queries, seeds) -> None:
    target = Counted()
    found = ask(target, seeds, queries=queries, answers="scores", generator=seeded(1))
    assert sum(len(part) for part in target.asked) == queries
    assert found.cost.circuits == found.cost.forwards == queries
    assert found.x.shape == (queries, 3)
    assert bool(target.bounds.contains(found.x).all())
    assert bool((~found.held_out).any())


def test_own_inputs_come_first_and_held_out_ones_are_never_leaned_on() -> None:
    """With unit vectors as inputs, components say who leans on whom."""
    target = Counted(features=10)
    found = ask(target, torch.eye(10).double(), queries=400, answers="scores", generator=seeded(1))
    assert bool((found.x[:10].sum(dim=1) == 1).all())
    assert found.x[:10].sum(dim=0).tolist() == [1.0] * 10
    assert int(found.held_out[:10].sum()) == 2
    assert found.held_out.double().mean() == pytest.approx(0.2)
    apart = found.x[:10][found.held_out[:10]].sum(dim=0) > 0
    assert float(found.x[~found.held_out][:, apart].max()) < 0.2
    assert float(found.x[found.held_out][:, ~apart].max()) < 0.2
    seconds = found.x[~found.held_out][:, ~apart].topk(2, dim=1).values[:, 1]
    assert float(seconds.max()) > 0.4


def test_answers(seeds) -> None:
    target = Counted()
    scores = ask(target, seeds, queries=30, answers="scores", generator=seeded(1))
    labels = ask(target, seeds, queries=30, answers="labels", generator=seeded(1))
    assert torch.allclose(scores.answers, torch.softmax(target(scores.x), dim=1))
    assert torch.equal(labels.answers.sum(dim=1), torch.ones(30, dtype=torch.float64))
    assert torch.equal(labels.answers.argmax(dim=1), target(labels.x).argmax(dim=1))
    assert set(labels.answers.unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("outputs", ["logits", "probabilities", "expectations"])
def test_the_loss_is_smallest_at_the_answers_themselves(outputs) -> None:
    """Gibbs: the cross-entropy of p with q exceeds the entropy of p unless q is p."""
    p = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]], dtype=torch.float64)
    entropy = -(p * p.log()).sum(dim=1).mean()
    given = {"logits": p.log(), "probabilities": p, "expectations": 0.1 * p.log()}[outputs]

    class Model(Counted):
        classes = 3

        def __call__(self, x):
            return given

    model = Model()
    model.outputs = outputs
    step = Step(epoch=1, progress=0.0, rows=torch.arange(2), generator=seeded(0), memory={})
    assert float(Imitation(p)(model, p, p, step)) == pytest.approx(float(entropy), abs=1e-6)
    other = Step(epoch=1, progress=0.0, rows=torch.tensor([1, 0]), generator=seeded(0), memory={})
    assert float(Imitation(p)(model, p, p, other)) > float(entropy) + 0.1


@pytest.mark.parametrize("kind", ["mlp", "logistic", "other-encoding"])
@pytest.mark.parametrize("answers", ["scores", "labels"])
def test_a_surrogate_agrees_with_a_linear_target(kind, answers, seeds) -> None:
    target = Counted()
    found = ask(target, seeds, queries=200, answers=answers, generator=seeded(1))
    before = len(target.asked)
    surrogate = trained_surrogate(kind, target, found, generator=seeded(2))
    # Training asks the target nothing.
    assert len(target.asked) == before
    assert surrogate.name == kind
    agreed = found.agreement(surrogate.model)
    assert agreed is not None
    assert agreed >= 0.8
    with torch.no_grad():
        fresh = torch.rand(300, 3, generator=seeded(5), dtype=torch.float64)
        alike = surrogate.model(fresh).argmax(dim=1) == target(fresh).argmax(dim=1)
    assert float(alike.double().mean()) >= 0.85


def test_the_same_architecture_learns_the_target_and_not_its_weights() -> None:
    target = uploads()
    x = torch.rand(30, target.bounds.features, generator=seeded(0), dtype=torch.float64)
    found = ask(target, x, queries=200, answers="scores", generator=seeded(1))
    surrogate = trained_surrogate("same", target, found, generator=seeded(2)).model
    assert surrogate.circuit == target.circuit
    assert not torch.allclose(surrogate.weights, target.weights, atol=0.05)
    agreed = found.agreement(surrogate)
    assert agreed is not None
    assert agreed >= 0.85


class TestArchitectures:
    def test_other_encodings(self) -> None:
        x = torch.rand(40, 8, generator=seeded(0), dtype=torch.float64)
        angles = other_encoding(amplitude_classes(), x, seeded(0))
        assert isinstance(angles, AffineInputs)
        assert angles.circuit.amplitudes is None
        mapped = angles.circuit_inputs(x)
        assert mapped.shape == (40, 6)
        assert torch.allclose(mapped.amin(dim=0), torch.zeros(6, dtype=torch.float64), atol=1e-9)
        assert torch.allclose(mapped.amax(dim=0), torch.ones(6, dtype=torch.float64), atol=1e-9)
        amplitudes = other_encoding(uploads(), x[:, :2], seeded(0))
        assert isinstance(amplitudes, AffineInputs)
        assert amplitudes.circuit.amplitudes is not None
        assert torch.allclose(amplitudes.circuit_inputs(x[:, :2])[:, -1], torch.ones(40, dtype=torch.float64))
        assert amplitudes(x[:, :2]).shape == (40, 3)

    @pytest.mark.parametrize("kind", sorted(ARCHITECTURES))
    def test_all_have_the_shape_of_the_target(self, kind) -> None:
        target = amplitude_classes()
        x = torch.rand(9, 8, generator=seeded(0), dtype=torch.float64)
        surrogate = ARCHITECTURES[kind](target, x, seeded(0))
        assert surrogate(x).shape == (9, 4)
        assert surrogate.bounds is target.bounds

    def test_same_for_every_known_model(self) -> None:
        box, x = Box.uniform(0.0, 1.0, 2), torch.rand(5, 2, generator=seeded(0))
        front, body = MLP(box, classes=2, hidden=(3,)), uploads()
        standard = AffineMap.standardisation(torch.zeros(2), torch.ones(2))
        noise = NoiseModel(readout_flips=(0.02, 0.01))
        for model in (
            HybridClassifier(front, body),
            AffineInputs(body, standard, box),
            Pipeline(front, standard, box),
            LogisticRegression(box, classes=2),
            front,
        ):
            found = same(model, x, seeded(0))
            assert type(found) is type(model)
            assert found(x).shape == model(x).shape
        assert type(same(NoisyClassifier(body, noise=noise), x, seeded(0))) is type(body)

    def test_an_unknown_one_is_refused(self) -> None:
        with pytest.raises(CapabilityError, match=r"Counted.*mlp, logistic or other-encoding"):
            same(Counted(), torch.rand(2, 3), seeded(0))


class TestRefusals:
    def test_kinds(self) -> None:
        with pytest.raises(UsageError, match="'cnn'; allowed: same, mlp"):
            check_kind("cnn")

    def test_another_task(self) -> None:
        other = Surrogate(name="mine", model=LogisticRegression(Box.uniform(0.0, 1.0, 3), classes=5))
        with pytest.raises(CapabilityError, match="'mine' has 3 features and 5 classes, the model 3 and 2"):
            check_alike(other, Counted())

    def test_a_stochastic_surrogate(self) -> None:
        other = Counted()
        other.stochastic = True
        with pytest.raises(CapabilityError, match="'mine' is stochastic"):
            check_alike(Surrogate(name="mine", model=other), Counted())

    def test_a_twin_of_nothing(self) -> None:
        with pytest.raises(ConditionsError, match="neither noise nor a defence"):
            twin_of(Counted())


def test_the_twin_of_a_noisy_circuit_is_the_circuit() -> None:
    circuit = amplitude_encoding(4) + strongly_entangling(2, 2)
    body = QuantumClassifier(circuit, PauliExpectations.of("Z0", "Z1"), Box.uniform(0.0, 1.0, 4))
    assert twin_of(NoisyClassifier(body, noise=NoiseModel(readout_flips=(0.02, 0.01)))) is body
