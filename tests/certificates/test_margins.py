"""Margin observables: spectra from tables against dense matrices, kernel machines, affine maps, channels."""

import numpy as np
import pytest
import torch
from angle_models import random_model
from random_circuits import random_groups, random_paulis

from counterspin.certificates.bernstein import BernsteinCertificate
from counterspin.certificates.bures import BuresCertificate
from counterspin.certificates.lipschitz import LipschitzCertificate
from counterspin.certificates.margins import (
    LevelObservables,
    MatrixObservables,
    channels_of,
    inputs_of,
    margins,
    noise_assumed,
    noise_of,
    observables_behind_data,
    rivals,
    score_observables,
)
from counterspin.circuits import Circuit, Linear, PauliExpectations, angle_encoding, feature, reuploading
from counterspin.errors import CapabilityError, ConditionsError
from counterspin.mitigation.zne import ZNE
from counterspin.models import QuantumClassifier
from counterspin.models.affine import AffineInputs
from counterspin.models.damped import DampedClassifier
from counterspin.models.kernel import KernelClassifier
from counterspin.models.noisy import NoisyClassifier
from counterspin.noise import NoiseModel
from counterspin.noise.channels import after_every_gate, depolarizing
from counterspin.optimum.affine_map import AffineMap
from counterspin.simulation.density import score_operators
from counterspin.threats import L2, Linf
from counterspin.types import Box


@pytest.mark.parametrize("seed", range(8))
def test_spectra_agree_with_matrices(seed):
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    measurement = random_groups(rng, 3) if seed % 2 else random_paulis(rng, 3, count=2)
    head = Linear(torch.randn(3, measurement.values, generator=generator), torch.randn(3, generator=generator))
    model = QuantumClassifier(reuploading(3, 1), measurement, Box.unbounded(3), head=head).requires_grad_(False)
    x = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    states, scores = model.states(x), model(x)
    observables = score_observables(model)
    dense = score_operators(model.readout, 3)
    low, high = observables.extremes
    for own, rival in ((0, 1), (2, 0)):
        exact = torch.linalg.eigvalsh(dense[own] - dense[rival])
        assert low[own, rival] <= exact[0] + 1e-12
        assert high[own, rival] >= exact[-1] - 1e-12
        assert low[own, rival].item() == pytest.approx(exact[0].item(), abs=1e-9)
        assert high[own, rival].item() == pytest.approx(exact[-1].item(), abs=1e-9)
        for chosen in (observables, MatrixObservables(matrices=dense)):
            eigenvalues, weights = chosen.spectrum(own, rival, chosen.seen(states))
            torch.testing.assert_close(weights.sum(dim=1), torch.ones(4).double())
            torch.testing.assert_close(weights @ eigenvalues, scores[:, own] - scores[:, rival])


def test_outcomes_that_score_alike_are_one_level():
    head = Linear(torch.eye(2)[:, :1], torch.zeros(2))
    wide = QuantumClassifier(angle_encoding(6), PauliExpectations.of("Z0"), Box.unbounded(6), head=head)
    observables = score_observables(wide)
    assert isinstance(observables, LevelObservables)
    assert observables.levels.shape == (2, 2)


def test_rivals_and_margins():
    scores = torch.tensor([[0.5, 0.2, 0.3], [0.1, 0.7, 0.2]])
    y, target = torch.tensor([0, 1]), torch.tensor([2, 0])
    assert rivals(y, None, 3).tolist() == [[False, True, True], [True, False, True]]
    assert rivals(y, target, 3).tolist() == [[False, False, True], [True, False, False]]
    torch.testing.assert_close(margins(scores, y, target)[0], torch.tensor([torch.inf, torch.inf, 0.2]))


def kernel_machine():
    generator = torch.Generator().manual_seed(0)
    x = 2 * torch.rand(30, 2, generator=generator, dtype=torch.float64)
    y = (x.sum(dim=1) > 2).long() + (x[:, 0] > 1.5).long()
    circuit = angle_encoding(2).add("CNOT", (0, 1)).add("RX", 1, 0.7 * feature(0) + feature(1))
    return KernelClassifier.fit(circuit, x, y, Box.uniform(0.0, 2.0, features=2)), x


@pytest.mark.parametrize("certificate", [LipschitzCertificate(), BuresCertificate(), BernsteinCertificate()])
def test_kernel_machines_on_angle_encodings(certificate):
    model, x = kernel_machine()
    y = model(x).argmax(dim=1)
    threat = L2(0.1, box="none")
    radius = certificate(model, x, y, threat).radius_lower
    steps = torch.randn(100, *x.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    steps = steps / steps.norm(dim=2, keepdim=True)
    moved = (x + steps * radius[:, None] * (1 - 1e-9)).reshape(-1, 2)
    assert torch.equal(model(moved).argmax(dim=1), y.repeat(100))
    assert bool((radius > 0).all())
    assert bool((BuresCertificate()(model, x, y, threat).radius_lower >= radius - 1e-9).all()) or (
        certificate.name == "bernstein"
    )


@pytest.mark.parametrize("certificate", [LipschitzCertificate(), BuresCertificate(), BernsteinCertificate()])
def test_affine_maps_scale_radii(certificate):
    body, x, y = random_model(2, plain=True)
    features = x.shape[1]
    model = AffineInputs(body, AffineMap(4 * torch.eye(features), torch.ones(features)), Box.unbounded(features))
    shifted = (x - 1) / 4
    torch.testing.assert_close(inputs_of(model, shifted), x)
    inner, outer = (certificate(m, z, y, Linf(0.1)).radius_lower for m, z in ((body, x), (model, shifted)))
    torch.testing.assert_close(4 * outer, inner, rtol=1e-9, atol=1e-12)


def test_channels_are_found_behind_maps_and_shrink_the_spread():
    circuit = reuploading(2, 1, trainable_scale=False)
    channels = after_every_gate(circuit, depolarizing(0.1))
    body = QuantumClassifier(circuit, PauliExpectations.of("Z0", "Z1"), Box.unbounded(2))
    noisy = NoisyClassifier(body, noise=NoiseModel(placed=channels))
    assert channels_of(noisy) == noisy.channels
    assert channels_of(body) == ()
    wide, narrow = score_observables(noisy).extremes[1], observables_behind_data(noisy, 1).extremes[1]
    assert float(narrow[0, 1]) < 0.9 * float(wide[0, 1])


def test_what_shows_no_circuit_or_too_many_bases_is_refused():
    rotation = Circuit(1).add("RX", 0, feature(0))
    body = QuantumClassifier(rotation, PauliExpectations.of("Z0", "X0"), Box.unbounded(1))
    damped = DampedClassifier(body, sigma=0.1)
    for certificate in (LipschitzCertificate(), BuresCertificate(), BernsteinCertificate()):
        with pytest.raises(CapabilityError, match="lacks"):
            certificate(damped, [[0.1]], [0], L2(0.1))
    large = QuantumClassifier(angle_encoding(11), PauliExpectations.of("Z0", "X0"), Box.unbounded(11))
    with pytest.raises(ConditionsError, match="2 bases on 11 qubits"):
        score_observables(large)


@pytest.mark.parametrize("measurement", [PauliExpectations.of("Z0", "Z1"), PauliExpectations.of("Z0", "X1 Z0", "X0")])
def test_readout_errors_and_global_depolarising_are_part_of_the_observables(measurement):
    circuit = reuploading(2, 1, trainable_scale=False)
    body = QuantumClassifier(circuit, measurement, Box.unbounded(2))
    noise = NoiseModel(global_depolarizing=0.2, readout_flips=(0.05, 0.2))
    noisy = NoisyClassifier(body, noise=noise)
    x = torch.rand(4, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    observables, states = score_observables(noisy), body.states(x)
    assert noise_of(noisy) is noise
    assert noise_of(body) is None
    assert [noise_assumed(model) for model in (noisy, body)] == ["modelled", "none"]
    assert [noise_assumed(model, otherwise="any") for model in (noisy, body)] == ["modelled", "any"]
    for certificate in (LipschitzCertificate(), BuresCertificate(), BernsteinCertificate()):
        result = certificate(noisy, x, torch.zeros(4, dtype=torch.int64), Linf(0.1))
        assert "the noise is as modelled" in result.assumptions.sentences
    scores = noisy(x).detach()
    eigenvalues, weights = observables.spectrum(0, 1, observables.seen(states))
    torch.testing.assert_close(weights @ eigenvalues, scores[:, 0] - scores[:, 1], atol=1e-6, rtol=0)
    assert float(observables.extremes[1][0, 1]) < 0.9 * float(score_observables(body).extremes[1][0, 1])
    mitigated = NoisyClassifier(body, noise=noise, mitigation=ZNE())
    with pytest.raises(ConditionsError, match="the scores are mitigated"):
        score_observables(mitigated)
