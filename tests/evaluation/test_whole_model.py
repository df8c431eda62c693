"""Facts about the whole model: K*, and which class pairs global depolarising noise moves."""

import pytest
import torch

from counterspin import recipes
from counterspin.circuits import OutcomeGroups, PauliExpectations, amplitude_encoding, reuploading, strongly_entangling
from counterspin.evaluation.whole_model import whole_model
from counterspin.models import LogisticRegression, NoisyClassifier, QuantumClassifier
from counterspin.noise import NoiseModel, after_every_gate, depolarizing
from counterspin.types import Box


def model(groups, qubits=3):
    circuit = amplitude_encoding(2**qubits) + strongly_entangling(qubits, 2)
    return QuantumClassifier(circuit, groups, Box.uniform(0, 1, 2**qubits)).requires_grad_(False)


def test_a_noiseless_projective_measurement_tells_everything_apart():
    found = whole_model(model(OutcomeGroups.first(qubits=2, classes=4)))
    assert found.global_bound.lower == pytest.approx(1.0, abs=1e-9)
    assert found.global_bound.upper == pytest.approx(1.0, abs=1e-9)
    assert found.depolarizing_balanced
    assert found.unbalanced_pairs == []


def test_unequal_groups_are_named():
    # Traces 6, 1 and 1 of 8.
    groups = OutcomeGroups((0, 1, 2), (tuple(range(6)), (6,), (7,)))
    found = whole_model(model(groups))
    assert not found.depolarizing_balanced
    assert found.unbalanced_pairs == [[0, 1], [0, 2]]


def test_noise_in_the_circuit_lowers_the_bound():
    circuit = amplitude_encoding(4) + strongly_entangling(2, 1)
    channels = after_every_gate(circuit, depolarizing(0.05))
    body = QuantumClassifier(circuit, OutcomeGroups((0,), ((0,), (1,))), Box.uniform(0, 1, 4))
    found = whole_model(NoisyClassifier(body, noise=NoiseModel(placed=channels)).requires_grad_(False))
    assert 0.3 < found.global_bound.upper < 0.95
    assert found.global_bound.lower == pytest.approx(found.global_bound.upper, abs=1e-9)


def test_expectation_values_have_no_outcome_distribution():
    found = whole_model(
        QuantumClassifier(amplitude_encoding(4), PauliExpectations.of("Z0", "Z1"), Box.uniform(0, 1, 4)).requires_grad_(
            False
        )
    )
    assert found.global_bound is None


def test_other_models_have_no_such_facts():
    box = Box.uniform(0, 1, features=2)
    assert whole_model(LogisticRegression(box, classes=2)) is None
    angles = QuantumClassifier(reuploading(2, 1), PauliExpectations.of("Z0", "Z1"), box)
    assert whole_model(angles.requires_grad_(False)) is None


def test_the_logit_scale_of_a_recipe_is_taken_out():
    found = whole_model(recipes.get("digits-amplitude").model())
    assert found.global_bound.upper == pytest.approx(1.0, abs=1e-9)
    assert torch.isfinite(torch.tensor(found.global_bound.lower))
