"""What a model becomes under a device, noise, shots and mitigation; and what is refused, in one sentence."""

import pytest
import torch

from counterspin.circuits import OutcomeGroups, PauliExpectations, amplitude_encoding, reuploading, strongly_entangling
from counterspin.errors import CapabilityError, UsageError
from counterspin.models import LogisticRegression, NoisyClassifier, QuantumClassifier, SampledModel
from counterspin.models.conditioned import conditioned
from counterspin.models.conditions import Conditions
from counterspin.noise import NoiseModel
from counterspin.types import Box


def model() -> QuantumClassifier:
    box = Box.uniform(0.0, 1.0, features=2)
    return QuantumClassifier(reuploading(2, 2), PauliExpectations.of("Z0", "Z1"), box).requires_grad_(False)


def inputs(features: int = 2) -> torch.Tensor:
    return torch.rand(6, features, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def names(found) -> list[str]:
    return [variant.name for variant in found.variants]


def test_noise_alone_gives_two_variants():
    noise = NoiseModel(global_depolarizing=0.25)
    found = conditioned(model(), Conditions(noise=noise), inputs())
    assert names(found) == ["ideal", "noisy"]
    # Expectation values of traceless observables shrink by 1 - p.
    assert torch.allclose(found.model(inputs()), 0.75 * found.ideal(inputs()), atol=1e-12)


def test_a_text_of_noise_is_the_noise_it_says():
    found = conditioned(model(), Conditions(noise="depolarizing:0.25"), inputs())
    assert torch.allclose(found.model(inputs()), 0.75 * found.ideal(inputs()), atol=1e-12)
    assert found.asked["noise"] == "depolarizing:0.25"


def test_everything_together_in_its_order():
    asked = Conditions(noise="depolarizing:0.01/gate+readout:0.02,0.05", shots=300, mitigation="zne")
    found = conditioned(model(), asked, inputs())
    assert names(found) == ["ideal", "noisy", "mitigated", "shots"]
    assert isinstance(found.model, SampledModel)
    assert found.model.shots == 300
    ideal, noisy, mitigated = (variant.model(inputs()) for variant in found.variants[:3])
    # Richardson extrapolation removes the gate noise to third order; readout errors stay.
    assert found.asked["circuits_per_sample"] == 3
    assert not torch.allclose(noisy, ideal, atol=0.02)
    assert float((mitigated - noisy).abs().max()) > 0.01


def test_shots_alone_need_no_noise():
    found = conditioned(model(), Conditions(shots=10), inputs())
    assert names(found) == ["ideal", "shots"]
    assert found.model.twin is found.ideal


def test_amplitude_encodings_say_that_preparation_is_ideal():
    circuit = amplitude_encoding(4) + strongly_entangling(2, 1)
    body = QuantumClassifier(circuit, OutcomeGroups.first(qubits=1, classes=2), Box.uniform(0.0, 1.0, features=4))
    found = conditioned(body, Conditions(noise="depolarizing:0.1"), inputs(4))
    assert "preparation ideal" in found.notes[0]
    assert conditioned(model(), Conditions(noise="depolarizing:0.1"), inputs()).notes == ()


def test_what_a_fitted_mitigation_learned_from_is_said():
    found = conditioned(model(), Conditions(noise="depolarizing:0.02/gate", mitigation="cdr"), inputs())
    assert "cdr was fitted once, before any attack, on circuits made of the first" in found.notes[-1]
    assert found.asked["fitting_circuits"] > 0
    assert found.asked["shots"] is None


def test_models_that_cannot_be_run_so():
    classical = LogisticRegression(Box.uniform(0.0, 1.0, features=2), classes=2)
    with pytest.raises(CapabilityError, match="shows no circuit"):
        conditioned(classical, Conditions(noise="depolarizing:0.1"), inputs())
    with pytest.raises(CapabilityError, match="cannot be read with finite shots"):
        conditioned(classical, Conditions(shots=10), inputs())
    noisy = NoisyClassifier(model(), noise=NoiseModel(global_depolarizing=0.1))
    for already in (noisy, SampledModel(model(), shots=10)):
        with pytest.raises(CapabilityError, match="of its own"):
            conditioned(already, Conditions(shots=10), inputs())


def test_unknown_names_are_said():
    with pytest.raises(UsageError, match="unknown"):
        conditioned(model(), Conditions(noise="cosmic:0.1"), inputs())
    with pytest.raises(UsageError, match="mitigation 'prayer' is unknown"):
        conditioned(model(), Conditions(noise="depolarizing:0.1", mitigation="prayer"), inputs())
