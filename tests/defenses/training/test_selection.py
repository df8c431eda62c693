"""Robust validation accuracy: closed form, fixed randomness, and the choice of an epoch by it."""

import pytest
import torch

from counterspin.circuits import Circuit, OutcomeGroups, PauliExpectations, feature, reuploading
from counterspin.datasets import Split
from counterspin.defenses.training.selection import RobustAccuracy
from counterspin.errors import CapabilityError, UsageError
from counterspin.models import LogisticRegression, QuantumClassifier, SampledModel
from counterspin.threats import L0, L1, L2, Linf
from counterspin.training import CrossEntropyObjective, Selection, TrainingSettings, fit
from counterspin.types import Box


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def one_qubit():
    """The class is decided at x = 0.5."""
    circuit = Circuit(1).add("RY", 0, torch.pi * feature(0))
    return QuantumClassifier(circuit, OutcomeGroups((0,), ((0,), (1,))), Box.uniform(0.0, 1.0, 1))


X = torch.linspace(0.02, 0.98, 49, dtype=torch.float64)[:, None]
SPLIT = Split(X, (X[:, 0] > 0.5).long())


@pytest.mark.parametrize("threat", [Linf(0.05, 0.101, 0.3), L2(0.101), L1(0.101)], ids=lambda t: t.norm)
def test_closed_form_on_one_qubit(threat):
    expected = float(((X - 0.5).abs() > 0.101).double().mean())
    assert RobustAccuracy(threat=threat)(one_qubit(), SPLIT, seeded()) == pytest.approx(expected)


def test_wrong_samples_count_as_broken_and_l0_is_served():
    flipped = Split(SPLIT.x, 1 - SPLIT.y)
    assert RobustAccuracy(threat=Linf(0.01))(one_qubit(), flipped, seeded()) == 0.0
    assert RobustAccuracy(threat=L0(1))(one_qubit(), SPLIT, seeded()) == 0.0


def test_the_generator_given_is_left_alone_and_changes_nothing():
    own = QuantumClassifier(reuploading(2, 2), PauliExpectations.of("Z0", "Z1"), Box.uniform(0.0, 1.0, 2))
    x = torch.rand(40, 2, generator=seeded(1), dtype=torch.float64)
    split = Split(x, own(x).detach().argmax(dim=1))
    chosen = RobustAccuracy(threat=Linf(0.1), steps=2)
    generator = seeded(5)
    state = generator.get_state()
    assert chosen(own, split, generator) == chosen(own, split, seeded(9))
    assert torch.equal(generator.get_state(), state)
    assert own.weights.requires_grad


def test_fit_keeps_the_most_robust_epoch():
    box = Box.uniform(0.0, 1.0, features=2)
    x = torch.rand(60, 2, generator=seeded(1), dtype=torch.float64)
    train, validation = (Split(part, (part.sum(dim=1) > 1).long()) for part in (x[:40], x[40:]))
    own = LogisticRegression(box, classes=2)
    chosen = RobustAccuracy(threat=Linf(0.05))
    settings = TrainingSettings(epochs=6, batch_size=10)
    result = fit(own, CrossEntropyObjective(), train, validation, settings, generator=seeded(), selection=chosen)
    scores = [record.selection for record in result.history]
    assert result.best.selection == max(scores) == chosen(own, validation, seeded())
    assert min(scores) < max(scores)


def test_configuration():
    assert isinstance(RobustAccuracy(threat=Linf(0.1)), Selection)
    assert RobustAccuracy(threat=Linf(0.1), eps=0.3).to_json() == {
        "name": "robust",
        "norm": "linf",
        "eps": 0.3,
        "attack": "apgd-margin",
        "steps": 10,
        "restarts": 1,
        "seed": 0,
    }
    for options in ({"eps": -1.0}, {"eps": float("inf")}, {"steps": 0}, {"restarts": 0}):
        with pytest.raises(UsageError, match="give"):
            RobustAccuracy(threat=Linf(0.1), **options)


def test_stochastic_models_are_refused():
    RobustAccuracy(threat=Linf(0.1)).check(one_qubit())
    with pytest.raises(CapabilityError, match="stochastic"):
        RobustAccuracy(threat=Linf(0.1)).check(SampledModel(one_qubit(), shots=10, seed=0))
