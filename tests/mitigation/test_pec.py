"""Probabilistic error cancellation: exact in the limit, unbiased with γ² times the variance when drawn."""

import math

import pytest
import torch

from counterspin.circuits import Circuit, OutcomeGroups, PauliExpectations, Readout, feature
from counterspin.errors import ConditionsError, UsageError
from counterspin.mitigation.pec import PEC
from counterspin.mitigation.values import mitigated_values, variant_values
from counterspin.noise import GateRule, NoiseModel, amplitude_damping, depolarizing
from counterspin.simulation import run
from tests.support.noisy_circuits import (
    AMPLITUDES,
    GATES,
    IDLE,
    NOISE,
    arguments,
    ideal_values,
    mitigated,
    noisy_values,
)

SMALL = Circuit(2).add("RY", 0, feature(0)).add("CNOT", (0, 1)).add("RX", 1, feature(1)).end_layer()
SMALL_NOISE = NoiseModel(
    rules=(GateRule(channel=depolarizing(0.05, 2)), GateRule(channel=amplitude_damping(0.03), targets="each")),
    global_depolarizing=0.05,
    qubit_depolarizing=0.02,
)
BITS = PauliExpectations.of("Z0", "Z0 Z1", "X1")


@pytest.mark.parametrize(("circuit", "noise"), [(GATES, NOISE), (AMPLITUDES, NOISE), (AMPLITUDES, IDLE)])
def test_the_limit_is_the_ideal_value(circuit: Circuit, noise: NoiseModel) -> None:
    x, w = arguments(circuit)
    ideal = ideal_values(circuit, x, w)
    assert float((noisy_values(circuit, x, w, noise) - ideal).abs().max()) > 0.02
    assert torch.allclose(mitigated(PEC(), circuit, x, w, noise), ideal, atol=1e-10)


def test_noise_by_layer_and_over_all_qubits_is_undone_too() -> None:
    x, w = arguments(SMALL)
    found = mitigated_values(PEC(), SMALL, x, w, BITS, SMALL_NOISE)
    assert torch.allclose(found, run(SMALL, x, w, Readout(BITS)), atol=1e-10)


def test_gradients_of_the_limit_are_those_without_noise() -> None:
    x, w = arguments(GATES)
    x, w = x.requires_grad_(), w.requires_grad_()
    found = torch.autograd.grad(mitigated(PEC(), GATES, x, w, NOISE).square().sum(), (x, w))
    expected = torch.autograd.grad(ideal_values(GATES, x, w).square().sum(), (x, w))
    assert all(torch.allclose(a, b, atol=1e-9) for a, b in zip(found, expected, strict=True))


def test_readout_errors_stay() -> None:
    x, w = arguments(GATES)
    flips = NoiseModel(readout_flips=(0.1, 0.02))
    both = NoiseModel(rules=NOISE.rules, readout_flips=(0.1, 0.02))
    assert torch.allclose(mitigated(PEC(), GATES, x, w, both), noisy_values(GATES, x, w, flips), atol=1e-10)


def test_one_norm_is_the_product_over_channels() -> None:
    circuit = Circuit(1).add("H", 0).add("X", 0)
    noise = NoiseModel(rules=(GateRule(channel=depolarizing(0.1)),), global_depolarizing=0.2)
    expected = ((1 + 0.05) / 0.9) ** 2 * (1 + 0.1) / 0.8
    assert PEC().one_norm(circuit, noise) == pytest.approx(expected)
    assert PEC().shot_factor(circuit, noise) == pytest.approx(expected**2)


@pytest.mark.slow
def test_sampled_circuits_are_unbiased_and_their_variance_is_that_of_the_one_norm() -> None:
    x, w = arguments(SMALL, batch=3)
    pec, count = PEC(samples=300, seed=1), 300
    one_norm = pec.one_norm(SMALL, SMALL_NOISE)
    variants = pec.construct(SMALL, SMALL_NOISE)
    assert {round(abs(v.coefficient) * count, 9) for v in variants} == {round(one_norm, 9)}
    values = count * torch.stack([variant_values(v, x, w, BITS) for v in variants])
    ideal = run(SMALL, x, w, Readout(BITS))
    errors = (values.mean(0) - ideal).abs() / (values.std(0) / math.sqrt(count))
    assert float(errors.max()) < 5
    # With one shot a circuit, every value is γ or -γ: variance γ² - ⟨E⟩².
    shots = torch.Generator().manual_seed(2)
    single = torch.stack([variant_values(v, x, w, BITS, shots=1, generator=shots) for v in variants]) * count
    assert torch.allclose(single.abs(), torch.full_like(single, one_norm))
    assert torch.allclose(single.var(0), one_norm**2 - ideal**2, rtol=0.3)
    assert float(((single.mean(0) - ideal).abs() / (single.std(0) / math.sqrt(count))).max()) < 5


def test_draws_belong_to_their_seed() -> None:
    def places(seed: int) -> list:
        variants = PEC(samples=20, seed=seed).construct(SMALL, SMALL_NOISE)
        return [[(p.after, p.qubits, p.channel.name) for p in v.noise.placed] for v in variants]

    assert places(3) == places(3)
    assert places(3) != places(4)


def test_drawn_circuits_have_gradients_and_groups() -> None:
    x, w = arguments(SMALL)
    x = x.requires_grad_()
    groups = OutcomeGroups.first(qubits=2, classes=4)
    found = mitigated_values(PEC(samples=5), SMALL, x, w, groups, SMALL_NOISE)
    assert found.shape == (5, 4)
    direction = torch.ones_like(x)
    (gradient,) = torch.autograd.grad(found[:, 1].sum(), x)
    with torch.no_grad():
        ends = [
            mitigated_values(PEC(samples=5), SMALL, x + s * direction, w, groups, SMALL_NOISE)[:, 1].sum()
            for s in (1e-5, -1e-5)
        ]
    assert float(gradient.sum()) == pytest.approx(float(ends[0] - ends[1]) / 2e-5, abs=1e-6)


def test_linear_map_is_what_combine_does() -> None:
    values = torch.randn(4, 5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    maps, offset = PEC(samples=4).linear_map(4, 3)
    assert torch.allclose(torch.einsum("ckj,cbj->bk", maps, values) + offset, PEC(samples=4).combine(values))


def test_float32() -> None:
    x, w = arguments(GATES)
    found = mitigated(PEC(), GATES, x.float(), w.float(), NOISE)
    assert found.dtype == torch.float32
    assert torch.allclose(found.double(), ideal_values(GATES, x, w), atol=1e-4)


def test_names() -> None:
    assert (PEC().name, PEC(samples=7).name) == ("pec", "pec (7 circuits)")


def test_overheads_beyond_the_limit_are_refused_with_advice() -> None:
    with pytest.raises(ConditionsError, match=r"γ² = .* beyond the limit of 2; use a shallower circuit"):
        PEC(limit=2.0).construct(GATES, NOISE)
    with pytest.raises(ConditionsError, match="global_depolarizing is 1"):
        PEC().construct(GATES, NoiseModel(global_depolarizing=1.0))
    wide = NoiseModel(rules=(GateRule(channel=depolarizing(0.01)),))
    with pytest.raises(ConditionsError, match="samples is None and the circuit has 9 qubits"):
        PEC().construct(Circuit(9).add("H", 0), wide)
    assert len(PEC(samples=3).construct(Circuit(9).add("H", 0), wide)) == 3
    with pytest.raises(ConditionsError, match="no usable inverse"):
        PEC().construct(GATES, NoiseModel(rules=(GateRule(channel=depolarizing(1.0), targets="each"),)))


@pytest.mark.parametrize(("options", "message"), [({"samples": 0}, "samples is 0"), ({"limit": 0.5}, "limit is 0.5")])
def test_bad_configurations_are_refused(options: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        PEC(**options)
