"""The state behind the data and the observables of the rest give back the model's own scores, for every encoding."""

import pytest
import torch

from counterspin import recipes
from counterspin.attacks.quantum.states.site import check_site, mixed_site, state_site
from counterspin.circuits import Circuit, PauliExpectations, angle_encoding, feature, weight
from counterspin.errors import CapabilityError, ConditionsError
from counterspin.mitigation.registry import by_name
from counterspin.models import AffineInputs, HybridClassifier, KernelClassifier, NoisyClassifier, QuantumClassifier
from counterspin.models.classical import MLP
from counterspin.models.mapped_kernel import MappedKernelClassifier
from counterspin.models.mitigated import mitigated
from counterspin.noise import NoiseModel
from counterspin.noise.channels import after_every_gate, amplitude_damping, depolarizing
from counterspin.optimum import AffineMap
from counterspin.types import Box
from tests.support.state_models import ENCODINGS, amplitude_bit, amplitude_classes, samples, seeded, uploads


def agrees(model, x):
    site = state_site(model, x)
    torch.testing.assert_close(site.scores(site.states), model(x).double(), rtol=0, atol=1e-10)
    return site


@pytest.mark.parametrize("build", ENCODINGS)
def test_scores_of_the_clean_states_are_the_model_s(build):
    model = build()
    x, _ = samples(model)
    site = agrees(model, x)
    assert not site.mixed
    assert site.qubits == model.circuit.qubits


@pytest.mark.parametrize("build", ENCODINGS)
@pytest.mark.parametrize("channel", [depolarizing(0.05), amplitude_damping(0.1)])
def test_noise_before_the_cut_is_in_the_state_and_behind_it_in_the_observables(build, channel):
    body = build().requires_grad_(False)
    noise = NoiseModel(
        placed=after_every_gate(body.circuit, channel), global_depolarizing=0.1, readout_flips=(0.02, 0.05)
    )
    model = NoisyClassifier(body, noise=noise)
    x, _ = samples(body)
    site = agrees(model, x)
    # Ideal preparation of amplitudes leaves pure states; uploads pass noisy gates first.
    assert site.mixed == mixed_site(model) == (build is uploads)


def test_amplitudes_are_attacked_before_the_first_gate():
    model = amplitude_bit()
    x, _ = samples(model)
    unit = x / x.norm(dim=1, keepdim=True)
    torch.testing.assert_close(state_site(model, x).states, unit.to(torch.complex128))


def test_the_cut_lies_behind_the_last_gate_that_holds_data():
    # RY(x) then RX(w): the state is that of RY(x) alone, and Z behind RX(w) is cos(w) Z + sin(w) Y.
    circuit = Circuit(1).add("RY", 0, feature(0)).add("RX", 0, weight(0))
    model = QuantumClassifier(
        circuit, PauliExpectations.of("Z0", "X0"), Box.uniform(0.0, 3.0, 1), weights=torch.tensor([0.7])
    )
    site = state_site(model, torch.tensor([[1.0]], dtype=torch.float64))
    half = torch.tensor([[0.5]]).double()
    torch.testing.assert_close(site.states, torch.cat([half.cos(), half.sin()], dim=1).to(torch.complex128))
    w = torch.tensor(0.7, dtype=torch.float32).double()
    z = torch.stack([torch.stack([w.cos(), -1j * w.sin()]), torch.stack([1j * w.sin(), -w.cos()])])
    torch.testing.assert_close(site.observables[0], z, rtol=0, atol=1e-12)


def test_fronts_maps_and_kernels():
    body = uploads().requires_grad_(False)
    x = torch.rand(5, 2, generator=seeded(1), dtype=torch.float64)
    shift = AffineMap(torch.tensor([[1.0, 0.5], [-0.5, 1.0]]).double(), torch.tensor([0.1, 0.2]).double())
    mapped = AffineInputs(body, shift, Box.uniform(0.0, 1.0, 2))
    agrees(mapped, x)
    agrees(NoisyClassifier(mapped, noise=NoiseModel(global_depolarizing=0.2)), x)
    front = MLP(Box.uniform(0.0, 1.0, 2), classes=2, hidden=(3,), generator=seeded(2))
    agrees(HybridClassifier(front, body).requires_grad_(False), x)
    kernel = KernelClassifier.fit(angle_encoding(2), x, [0, 1, 0, 1, 1], Box.uniform(0.0, 1.0, 2))
    agrees(kernel, x)
    agrees(MappedKernelClassifier(shift, kernel, Box.uniform(0.0, 1.0, 2)), x)


def test_linear_mitigation_of_amplitudes_is_part_of_the_observables_and_other_is_refused():
    body = amplitude_bit().requires_grad_(False)
    x, _ = samples(body)
    noise = NoiseModel(placed=after_every_gate(body.circuit, depolarizing(0.02)))
    agrees(mitigated(body, "zne", x, noise=noise), x)
    angles = uploads().requires_grad_(False)
    u, _ = samples(angles)
    on_angles = mitigated(
        angles, "zne", u, noise=NoiseModel(placed=after_every_gate(angles.circuit, depolarizing(0.02)))
    )
    with pytest.raises(ConditionsError, match="mitigated"):
        check_site(on_angles)
    assert by_name("zne").linear


def test_what_has_no_state_is_refused():
    with pytest.raises(CapabilityError, match="shows no circuit"):
        check_site(recipes.get("cancer-angle-classical").model())
    wide = QuantumClassifier(angle_encoding(11), PauliExpectations.of("Z0", "Z1"), Box.uniform(0.0, 1.0, 11))
    with pytest.raises(ConditionsError, match="11 qubits"):
        check_site(wide)
    nine = QuantumClassifier(angle_encoding(9), PauliExpectations.of("Z0", "Z1"), Box.uniform(0.0, 1.0, 9))
    noise = NoiseModel(placed=after_every_gate(nine.circuit, depolarizing(0.01)))
    with pytest.raises(CapabilityError, match="drawn errors"):
        check_site(NoisyClassifier(nine.requires_grad_(False), noise=noise))
    # Readout noise alone needs no channels, whatever the size.
    check_site(NoisyClassifier(nine, noise=NoiseModel(global_depolarizing=0.1)))


def test_more_classes_than_qubits():
    model = amplitude_classes()
    x, _ = samples(model)
    assert state_site(model, x).observables.shape == (4, 8, 8)
