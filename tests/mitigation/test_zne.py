"""Zero-noise extrapolation: closed forms, gradients, precision, folding into observables."""

import math

import pytest
import torch

from counterspin.circuits import Circuit, OutcomeGroups, PauliExpectations, Readout, feature
from counterspin.errors import ConditionsError, UsageError
from counterspin.mitigation.extrapolation import Exponential, Extrapolation, Polynomial, Richardson
from counterspin.mitigation.values import mitigated_values
from counterspin.mitigation.zne import ZNE
from counterspin.noise import GateRule, NoiseModel, amplitude_damping, depolarizing
from counterspin.simulation import run
from tests.support.noisy_circuits import (
    AMPLITUDES,
    DISSIPATIVE,
    GATES,
    MEASUREMENT,
    NOISE,
    arguments,
    ideal_values,
    mitigated,
    noisy_values,
)

GLOBAL = NoiseModel(global_depolarizing=0.2)
FITS: list[Extrapolation] = [Richardson(), Polynomial(), Exponential(), Exponential(asymptote=0.0)]


@pytest.mark.parametrize("amplification", ["noise", "global"])
@pytest.mark.parametrize("fit", [Exponential(), Exponential(asymptote=0.0)])
def test_exponential_extrapolation_of_global_depolarising_is_exact(fit: Extrapolation, amplification: str) -> None:
    x, w = arguments(GATES)
    zne = ZNE(scale_factors=(1.0, 3.0, 5.0), extrapolation=fit, amplification=amplification)
    assert torch.allclose(mitigated(zne, GATES, x, w, GLOBAL), ideal_values(GATES, x, w), atol=1e-9)


def test_richardson_of_global_depolarising_is_the_sum_over_factors() -> None:
    x, w = arguments(GATES)
    share = 3 * 0.8 - 3 * 0.8**2 + 0.8**3
    assert share == pytest.approx(1 - 0.2**3, abs=1e-12)  # the error of order p to the number of factors
    found = mitigated(ZNE(), GATES, x, w, GLOBAL)
    assert torch.allclose(found, share * ideal_values(GATES, x, w), atol=1e-10)


@pytest.mark.parametrize("amplification", ["global", "local"])
def test_folding_of_depolarised_single_qubit_gates_by_its_closed_form(amplification: str) -> None:
    circuit = Circuit(1).add("RY", 0, feature(0)).add("RX", 0, 0.3).add("RY", 0, 0.1)
    noise = NoiseModel(rules=(GateRule(channel=depolarizing(0.05)),))
    x, w = torch.linspace(-2, 2, 7, dtype=torch.float64)[:, None], torch.zeros(0)
    measurement = PauliExpectations.of("Z0")
    zne = ZNE(scale_factors=(1.0, 3.0, 5.0), amplification=amplification)
    values = [0.95 ** (3 * factor) for factor in (1, 3, 5)]
    share = 15 / 8 * values[0] - 5 / 4 * values[1] + 3 / 8 * values[2]
    expected = share * run(circuit, x, w, Readout(measurement))
    assert torch.allclose(mitigated_values(zne, circuit, x, w, measurement, noise), expected, atol=1e-10)


@pytest.mark.parametrize("amplification", ["noise", "global", "local"])
@pytest.mark.parametrize("fit", FITS, ids=lambda fit: fit.name)
def test_every_kind_brings_noisy_values_nearer_to_the_ideal(amplification: str, fit: Extrapolation) -> None:
    # Dissipative noise: a coherent error would turn back in the inverse of its gate, which no channel knows.
    x, w = arguments(GATES, batch=32)
    ideal = ideal_values(GATES, x, w)
    before = (noisy_values(GATES, x, w, DISSIPATIVE) - ideal).abs().mean()
    factors = (1.0, 1.5, 2.0) if amplification == "noise" else (1.0, 3.0, 5.0)
    zne = ZNE(scale_factors=factors, extrapolation=fit, amplification=amplification)
    after = (mitigated(zne, GATES, x, w, DISSIPATIVE) - ideal).abs().mean()
    assert float(after) < 0.5 * float(before)


@pytest.mark.parametrize("amplification", ["noise", "global", "local"])
@pytest.mark.parametrize("fit", [Richardson(), Polynomial(), Exponential(), Exponential(asymptote=-1.5)])
def test_gradients_match_central_differences(amplification: str, fit: Extrapolation) -> None:
    x, w = arguments(GATES, batch=2)
    zne = ZNE(extrapolation=fit, amplification=amplification)
    direction = torch.randn(x.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    turn = torch.randn(w.shape, generator=torch.Generator().manual_seed(4), dtype=torch.float64)

    def value(step: float) -> torch.Tensor:
        at = mitigated_values(zne, GATES, x + step * direction, w + step * turn, MEASUREMENT, NOISE)
        return at.square().sum()

    x, w = x.requires_grad_(), w.requires_grad_()
    grad_x, grad_w = torch.autograd.grad(value(0.0), (x, w))
    with torch.no_grad():
        difference = (value(1e-6) - value(-1e-6)) / 2e-6
    slope = (grad_x * direction).sum() + (grad_w * turn).sum()
    assert float(slope) == pytest.approx(float(difference), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("fit", FITS, ids=lambda fit: fit.name)
def test_float32_agrees_with_float64(fit: Extrapolation) -> None:
    x, w = arguments(GATES)
    zne = ZNE(scale_factors=(1.0, 2.0, 3.0), extrapolation=fit)
    double, single = mitigated(zne, GATES, x, w, NOISE), mitigated(zne, GATES, x.float(), w.float(), NOISE)
    assert single.dtype == torch.float32
    line = zne.fallbacks(torch.stack([noisy_values(GATES, x, w, NOISE.scaled(f)) for f in zne.scale_factors]))
    assert torch.allclose(single.double()[~line], double[~line], atol=2e-3)


def test_probabilities_of_groups_keep_their_sum() -> None:
    groups = OutcomeGroups.first(qubits=2, classes=4)
    x, w = arguments(GATES)
    found = mitigated_values(ZNE(), GATES, x, w, groups, NOISE)
    assert found.shape == (5, 4)
    assert torch.allclose(found.sum(1), torch.ones(5, dtype=torch.float64), atol=1e-10)


def test_values_beyond_the_range_stay_as_they_are() -> None:
    values = torch.tensor([[[0.9]], [[0.5]]])
    zne = ZNE(scale_factors=(1.0, 2.0), extrapolation=Polynomial())
    assert float(zne.combine(values)) == pytest.approx(1.3, abs=1e-6)


def test_where_exponentials_give_up_is_told() -> None:
    values = torch.tensor([[[0.9, 0.5]], [[0.5, 0.6]], [[0.3, 0.4]]])
    assert ZNE(extrapolation=Exponential()).fallbacks(values).tolist() == [[False, True]]
    assert not bool(ZNE().fallbacks(values).any())


def test_readout_errors_are_left_alone() -> None:
    x, w = arguments(GATES)
    noise = NoiseModel(readout_flips=(0.02, 0.02))
    assert torch.allclose(mitigated(ZNE(), GATES, x, w, noise), noisy_values(GATES, x, w, noise), atol=1e-12)


def test_linear_map_is_what_combine_does() -> None:
    zne = ZNE(scale_factors=(1.0, 1.5, 2.0, 3.0), extrapolation=Polynomial(order=2))
    values = torch.randn(4, 5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    maps, offset = zne.linear_map(4, 3)
    assert torch.allclose(torch.einsum("ckj,cbj->bk", maps, values) + offset, zne.combine(values), atol=1e-12)
    with pytest.raises(UsageError, match="variants is 3"):
        zne.linear_map(3, 3)
    with pytest.raises(ConditionsError, match="not linear"):
        ZNE(extrapolation=Exponential()).linear_map(3, 3)


def test_shot_factor_is_the_variance_of_the_combination() -> None:
    assert ZNE().shot_factor(GATES, NOISE) == pytest.approx(3 * (9 + 9 + 1))
    draws = torch.randn(3, 200_000, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert 3 * float(ZNE().combine(draws).var()) == pytest.approx(57, rel=0.02)


def test_channels_without_the_power_are_named() -> None:
    noise = NoiseModel(rules=(GateRule(channel=amplitude_damping(0.1), targets="each"),))
    x, w = arguments(AMPLITUDES)
    assert math.isfinite(float(mitigated(ZNE(scale_factors=(1.0, 1.5)), AMPLITUDES, x, w, noise).sum()))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale_factors": (1.0, 1.0)}, "distinct"),
        ({"scale_factors": (0.5, 2.0)}, "from 1"),
        ({"scale_factors": (1.0, math.inf)}, "finite"),
        ({"scale_factors": (1.0, 3.0), "extrapolation": Exponential()}, "at least 3"),
        ({"scale_factors": (1.0, 3.0), "extrapolation": Polynomial(order=2)}, "at least 3"),
        ({"amplification": "pulse"}, "amplification is 'pulse'"),
    ],
)
def test_bad_configurations_are_refused(options: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ZNE(**options)
