"""C1 at finite shots: below the certificate of the exact probabilities, near it for many shots, refused elsewhere."""

import pytest
import torch

from counterspin.certificates import GuanCertificate
from counterspin.certificates.guan_shots import FiniteShotGuanCertificate
from counterspin.circuits import OutcomeGroups, PauliExpectations, amplitude_encoding
from counterspin.errors import ConditionsError, UsageError
from counterspin.models import NoisyClassifier, QuantumClassifier, SampledModel
from counterspin.noise import NoiseModel
from counterspin.threats import L2, Linf
from counterspin.types import Box


@pytest.mark.parametrize("classes", [2, 3])
def test_below_the_exact_probabilities_and_close_with_many_shots(entangled, classes):
    model, x, y = entangled(0, classes, samples=40)
    exact = GuanCertificate()(model, x, y, L2(0.1)).radius_lower
    device, previous = SampledModel(model, shots=500), None
    clear = exact > exact.median()
    for shots, share in ((1_000, 0.6), (100_000, 0.95)):
        certificate, ratios = FiniteShotGuanCertificate(shots=shots), []
        for seed in range(5):
            found = certificate(device, x, y, L2(0.1), generator=torch.Generator().manual_seed(seed))
            # 40 statements of confidence 0.999 each; the seeds are fixed.
            assert bool((found.radius_lower <= exact).all())
            ratios.append(float((found.radius_lower / exact)[clear].median()))
        ratio = sum(ratios) / len(ratios)
        assert ratio > share
        assert previous is None or ratio > previous
        previous = ratio
    assert found.assumptions.shots == "finite"
    assert any("confidence 0.999, from 100000 shots" in note for note in found.assumptions.notes)


def test_a_certain_outcome_in_closed_form(bit):
    # All n shots say class 0, so p_0 >= α^(1/n), and the radius is that of this probability.
    x = 3 * torch.eye(4, dtype=torch.float64)[:1]
    low = 0.001 ** (1 / 200)
    expected = 3 * ((low**0.5 - (1 - low) ** 0.5) / 2**0.5)
    for model in (bit(), bit(7.0)):
        certificate = FiniteShotGuanCertificate(shots=200)
        found = certificate(SampledModel(model, shots=1), x, torch.tensor([0]), L2(0.1)).radius_lower.item()
        assert found == pytest.approx(expected, rel=1e-8)
        linf = certificate(SampledModel(model, shots=1), x, torch.tensor([0]), Linf(0.1)).radius_lower.item()
        assert linf == pytest.approx(expected / 2, rel=1e-8)


def test_the_generator_decides(entangled):
    model, x, y = entangled(1)
    certificate, device = FiniteShotGuanCertificate(shots=100), SampledModel(model, shots=10_000)
    one, two, three = (
        certificate(device, x, y, L2(0.1), generator=torch.Generator().manual_seed(seed)).radius_lower
        for seed in (0, 0, 1)
    )
    # The model is asked with its own shots only whether the label wins.
    both = (one > 0) & (two > 0)
    assert torch.equal(one[both], two[both])
    assert not torch.equal(one, three)


def test_readout_noise_is_part_of_what_is_measured(bit):
    # A symmetric flip q moves p_0 = 1 to 1 - q.
    noise = NoiseModel(readout_flips=(0.2, 0.2))
    device = SampledModel(bit(), shots=100, noise=noise)
    x = torch.eye(4, dtype=torch.float64)[:1]
    found = FiniteShotGuanCertificate(shots=200_000)(device, x, torch.tensor([0]), L2(0.1)).radius_lower.item()
    assert 0.98 < found / 0.1**0.5 <= 1


def test_refusals(bit, entangled):
    x, y = torch.eye(4).double(), torch.tensor([0, 0, 1, 1])
    certificate = FiniteShotGuanCertificate()
    with pytest.raises(ConditionsError, match="wrap it in SampledModel"):
        certificate(bit(), x, y, L2(0.1))
    noise = NoiseModel(qubit_depolarizing=0.1)
    wide = QuantumClassifier(
        amplitude_encoding(4, qubits=9).end_layer(), OutcomeGroups((0,), ((0,), (1,))), Box.uniform(-5, 5, features=4)
    )
    for model in (
        SampledModel(wide, shots=5, noise=noise),
        SampledModel(NoisyClassifier(wide, noise=noise), shots=5),
    ):
        with pytest.raises(ConditionsError, match="independent shots, and noise on 9 qubits is simulated by traj"):
            certificate(model, x, y, L2(0.1))
    assert certificate.refusal(SampledModel(bit(), shots=5, noise=noise), L2(0.1)) is None
    measurement = PauliExpectations.of("Z0", "Z1")
    other = QuantumClassifier(amplitude_encoding(4), measurement, Box.uniform(-5, 5, features=4))
    assert "expectation values" in (certificate.refusal(SampledModel(other, shots=5), L2(0.1)) or "")
    assert certificate.refusal(SampledModel(bit(), shots=5), L2(0.1)) is None
    with pytest.raises(UsageError, match="shots is 0"):
        FiniteShotGuanCertificate(shots=0)
    with pytest.raises(UsageError, match="confidence is 1"):
        FiniteShotGuanCertificate(confidence=1.0)


def test_incomplete_groups_use_the_correction():
    # Half of the outcomes count for no class: two bounds that fail apart.
    groups = OutcomeGroups((0, 1), ((0,), (1,)))
    model = QuantumClassifier(amplitude_encoding(4), groups, Box.uniform(-5, 5, features=4)).requires_grad_(False)
    x = torch.eye(4, dtype=torch.float64)[:1]
    found = FiniteShotGuanCertificate(shots=200)(SampledModel(model, shots=50), x, torch.tensor([0]), L2(0.1))
    low = 0.0005 ** (1 / 200)
    assert found.radius_lower.item() == pytest.approx((low**0.5 - (1 - low) ** 0.5) / 2**0.5, rel=1e-8)
