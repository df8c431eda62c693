"""Pauli twirling: the mean over all Paulis, exactly and drawn."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from counterspin.circuits import GATES, Circuit, PauliExpectations, Readout, feature
from counterspin.errors import ConditionsError, UsageError
from counterspin.mitigation.pec import PEC
from counterspin.mitigation.twirling import Twirling, twirled_gates, word_behind
from counterspin.mitigation.values import mitigated_values, variant_values
from counterspin.noise import (
    Channel,
    GateRule,
    NoiseModel,
    Placed,
    amplitude_damping,
    depolarizing,
    overrotation,
    zz_crosstalk,
)
from counterspin.noise.pauli import pauli_operators
from counterspin.simulation import run
from tests.support.noisy_circuits import AMPLITUDES, IDLE, NOISE, arguments, ideal_values, mitigated, noisy_values
from tests.support.noisy_circuits import GATES as MODEL
from tests.support.random_channels import applied, random_channel

CLIFFORDS = ["CNOT", "CZ", "SWAP", "ECR"]
BITS = PauliExpectations.of("Z0", "X0 Y1", "Z1")


def pair_circuit(kind: str, qubits: tuple[int, int] = (0, 1)) -> Circuit:
    circuit = Circuit(2).add("RY", 0, feature(0)).add("RX", 1, feature(1) + 0.3).add("RZ", 0, 0.4)
    return circuit.add(kind, qubits).add("RY", 1, 0.7)


@pytest.mark.parametrize("kind", CLIFFORDS)
def test_words_behind_a_gate_are_what_it_turns_words_into(kind: str) -> None:
    words, unitary = pauli_operators(2), GATES[kind].matrix(torch.zeros(0, dtype=torch.complex128))
    for word in itertools.product(range(4), repeat=2):
        a, b = word_behind(kind, word)
        moved = unitary @ words[4 * word[0] + word[1]] @ unitary.mH
        assert torch.allclose(torch.einsum("ab,ba->", words[4 * a + b], moved).abs(), torch.tensor(4.0).double())


@pytest.mark.parametrize("qubits", [(0, 1), (1, 0)])
def test_the_limit_is_the_mean_over_all_words(qubits: tuple[int, int]) -> None:
    circuit, channel = pair_circuit("CNOT", qubits), random_channel(2, 3, seed=1, strength=0.2)
    noise = NoiseModel(placed=(Placed(after=3, qubits=(0, 1), channel=channel),))
    (variant,) = Twirling().construct(circuit, noise)
    (placed,) = variant.noise.placed
    assert placed.qubits == qubits
    twirl = placed.channel
    assert isinstance(twirl, Channel)
    order = (0, 1) if qubits == (0, 1) else (1, 0)
    words = pauli_operators(2).reshape(4, 4, 4, 4).permute(*order, 2, 3).reshape(16, 4, 4)

    def swapped(rho: Tensor) -> Tensor:
        axes = (0, 1, 2, 3) if qubits == (0, 1) else (1, 0, 3, 2)
        return rho.reshape(2, 2, 2, 2).permute(axes).reshape(4, 4)

    rho = torch.randn(4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.complex128)
    mean = torch.stack([p @ applied(channel, p @ rho @ p) @ p for p in words]).mean(0)
    assert torch.allclose(swapped(applied(twirl, swapped(rho))), mean, atol=1e-12)


def test_channels_of_one_gate_are_twirled_together() -> None:
    # Two rotations by 0.1 add up before the twirl: cos 0.2, not cos² 0.1.
    circuit = Circuit(2).add("CZ", (0, 1))
    turn = Placed(after=0, qubits=(1,), channel=overrotation("X", 0.1))
    (variant,) = Twirling().construct(circuit, NoiseModel(placed=(turn, turn)))
    (placed,) = variant.noise.placed
    assert float(placed.channel.transfer[3, 3]) == pytest.approx(math.cos(0.2), abs=1e-12)


@pytest.mark.parametrize("kind", CLIFFORDS)
@pytest.mark.parametrize("qubits", [(0, 1), (1, 0)])
def test_drawn_circuits_average_to_the_limit(kind: str, qubits: tuple[int, int]) -> None:
    circuit, x, w = pair_circuit(kind, qubits), torch.randn(3, 2, dtype=torch.float64), torch.zeros(0)
    noise = NoiseModel(
        rules=(
            GateRule(channel=zz_crosstalk(0.3), kinds=(kind,)),
            GateRule(channel=overrotation("X", 0.2), targets="each"),
            GateRule(channel=amplitude_damping(0.05), targets="each"),
        )
    )
    # One representative of each of the 16 words makes the mean exact.
    words = {
        tuple((p.after, p.qubits, p.channel.name) for p in v.noise.placed): v
        for v in Twirling(samples=150).construct(circuit, noise)
    }
    assert len(words) == 16
    values = torch.stack([variant_values(v, x, w, BITS) for v in words.values()])
    assert float(values.std(0).max()) > 0.01
    expected = mitigated_values(Twirling(), circuit, x, w, BITS, noise)
    assert torch.allclose(values.mean(0), expected, atol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize(("circuit", "noise"), [(MODEL, NOISE), (AMPLITUDES, IDLE)])
def test_drawn_circuits_of_a_whole_model_average_to_the_limit(circuit: Circuit, noise: NoiseModel) -> None:
    x, w = arguments(circuit, batch=2)
    variants = Twirling(samples=64, seed=2).construct(circuit, noise)
    values = torch.stack([variant_values(v, x, w, BITS) for v in variants])
    expected = mitigated_values(Twirling(), circuit, x, w, BITS, noise)
    errors = (values.mean(0) - expected).abs() / (values.std(0) / 8)
    assert float(errors.max()) < 5
    assert float((mitigated_values(Twirling(), circuit, x, w, BITS, NoiseModel()) - expected).abs().max()) > 1e-3


def test_without_noise_paulis_cancel() -> None:
    x, w = arguments(MODEL)
    found = mitigated(Twirling(samples=3), MODEL, x, w, NoiseModel())
    assert torch.allclose(found, ideal_values(MODEL, x, w), atol=1e-12)


def test_pauli_noise_is_left_as_it_is() -> None:
    x, w = arguments(MODEL)
    noise = NoiseModel(rules=(GateRule(channel=depolarizing(0.05, 2)), GateRule(channel=depolarizing(0.02))))
    expected = noisy_values(MODEL, x, w, noise)
    assert torch.allclose(mitigated(Twirling(), MODEL, x, w, noise), expected, atol=1e-12)
    assert torch.allclose(mitigated(Twirling(samples=2), MODEL, x, w, noise), expected, atol=1e-10)


def test_channels_to_other_qubits_stay_and_end_what_is_twirled() -> None:
    circuit = Circuit(3).add("CZ", (0, 1))
    outside = Placed(after=0, qubits=(1, 2), channel=zz_crosstalk(0.1))
    own = Placed(after=0, qubits=(0,), channel=overrotation("X", 0.1))
    other = Placed(after=0, qubits=(2,), channel=overrotation("X", 0.1))
    (variant,) = Twirling().construct(circuit, NoiseModel(placed=(own, other, outside, own)))
    names = [p.channel.name.split(" ")[0] for p in variant.noise.placed]
    assert names[0] == "twirled"
    assert list(variant.noise.placed[1:]) == [other, outside, own]


def test_gradients_match_central_differences() -> None:
    x, w = arguments(MODEL, batch=2)
    x = x.requires_grad_()
    for twirling in (Twirling(), Twirling(samples=3)):
        (gradient,) = torch.autograd.grad(mitigated(twirling, MODEL, x, w, NOISE).square().sum(), x)
        with torch.no_grad():
            ends = [mitigated(twirling, MODEL, x + s, w, NOISE).square().sum() for s in (1e-5, -1e-5)]
        assert float(gradient.sum()) == pytest.approx(float(ends[0] - ends[1]) / 2e-5, abs=1e-6)


def test_gates_that_are_twirled() -> None:
    circuit = Circuit(3).add("CRX", (0, 1), 0.1).add("ECR", (0, 2)).add("MCZ", (0, 1)).add("SWAP", (1, 2))
    assert twirled_gates(circuit) == (1, 3)


def test_linear_map_is_what_combine_does() -> None:
    values = torch.randn(4, 5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    twirling = Twirling(samples=4)
    maps, offset = twirling.linear_map(4, 3)
    assert torch.allclose(torch.einsum("ckj,cbj->bk", maps, values) + offset, twirling.combine(values))
    assert twirling.shot_factor(MODEL, NOISE) == 1.0
    assert (twirling.name, Twirling().name) == ("twirling (4 circuits)", "twirling")


def test_bad_input_is_refused() -> None:
    with pytest.raises(UsageError, match="samples is 0"):
        Twirling(samples=0)
    (undone,) = PEC().construct(MODEL, NOISE)
    with pytest.raises(ConditionsError, match="no channel, so that it cannot be twirled"):
        Twirling().construct(MODEL, undone.noise)


def test_twirling_shrinks_the_error_of_a_coherent_crosstalk_that_adds_up() -> None:
    circuit = Circuit(2).add("H", 0).add("H", 1)
    for _ in range(6):
        circuit = circuit.add("CZ", (0, 1))
    circuit = circuit.add("H", 0).add("H", 1)
    noise = NoiseModel(rules=(GateRule(channel=zz_crosstalk(0.1), kinds=("CZ",)),))
    x, w, readout = torch.zeros(1, 0, dtype=torch.float64), torch.zeros(0), Readout(PauliExpectations.of("Z0"))
    # Six angles of 0.1 in phase, against six probabilities of a flip.
    assert float(run(circuit, x, w, readout, noise=noise)) == pytest.approx(math.cos(0.6), abs=1e-10)
    twirled = mitigated_values(Twirling(), circuit, x, w, PauliExpectations.of("Z0"), noise)
    assert float(twirled) == pytest.approx(math.cos(0.1) ** 6, abs=1e-10)
