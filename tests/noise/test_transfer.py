"""Inverses, powers and twirls."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_channels import random_channel

from counterspin.errors import ConditionsError, InputError, UsageError
from counterspin.noise import (
    Channel,
    TransferMap,
    amplitude_damping,
    bit_flip,
    compose,
    depolarizing,
    generalized_amplitude_damping,
    inverse,
    overrotation,
    pauli_channel,
    pauli_probabilities,
    phase_damping,
    power,
    tensor,
    thermal_relaxation,
    twirled,
    zz_crosstalk,
)
from counterspin.noise.matrix_power import real_power
from counterspin.noise.pauli import pauli_operators
from counterspin.noise.representations import is_cptp

SEMIGROUPS = {
    "depolarizing": (depolarizing(0.2), lambda s: depolarizing(1 - 0.8**s)),
    "two qubits": (depolarizing(0.2, 2), lambda s: depolarizing(1 - 0.8**s, 2)),
    "bit flip": (bit_flip(0.1), lambda s: bit_flip((1 - 0.8**s) / 2)),
    "damping": (amplitude_damping(0.3), lambda s: amplitude_damping(1 - 0.7**s)),
    "warm": (
        generalized_amplitude_damping(0.3, 0.2),
        lambda s: generalized_amplitude_damping(1 - 0.7**s, 0.2),
    ),
    "dephasing": (phase_damping(0.3), lambda s: phase_damping(1 - 0.7**s)),
    "thermal": (thermal_relaxation(1.0, 1.7, 0.4, 0.1), lambda s: thermal_relaxation(1.0, 1.7, 0.4 * s, 0.1)),
    "rotation": (overrotation("Y", 0.3), lambda s: overrotation("Y", 0.3 * s)),
    "crosstalk": (zz_crosstalk(0.3), lambda s: zz_crosstalk(0.3 * s)),
}


def close(a, b, atol=1e-13):
    torch.testing.assert_close(a, b, atol=atol, rtol=0)


@pytest.mark.parametrize("name", SEMIGROUPS)
@pytest.mark.parametrize("factor", [0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, math.pi])
def test_powers_of_noise_that_lasts(name, factor):
    channel, lasting = SEMIGROUPS[name]
    raised = power(channel, factor)
    assert isinstance(raised, Channel)
    close(raised.transfer, lasting(factor).transfer)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), qubits=st.sampled_from([1, 2]), times=st.integers(1, 4))
def test_whole_powers_are_repetitions(seed, qubits, times):
    channel = random_channel(qubits, 3, seed)
    close(power(channel, times).transfer, compose(*[channel] * times).transfer)


@settings(max_examples=20, deadline=None)
@given(p=st.floats(1e-4, 0.1), time=st.floats(1e-3, 0.5), ratio=st.floats(0.2, 2.0), factor=st.floats(1.0, 4.0))
def test_the_noise_of_a_calibrated_gate_has_every_power(p, time, ratio, factor):
    relaxed = tensor(thermal_relaxation(1.0, ratio, time), thermal_relaxation(1.3, ratio, time))
    gate = compose(relaxed, depolarizing(p, 2))
    more, rest = power(gate, factor), power(gate, 5.0 - factor)
    assert is_cptp(more.transfer)
    close(more.transfer @ rest.transfer, power(gate, 5).transfer, atol=1e-11)


def test_strong_noise_stays_strong():
    close(power(depolarizing(1.0), 0.5).transfer, depolarizing(1.0).transfer)
    close(power(amplitude_damping(1.0), 0.3).transfer, amplitude_damping(1.0).transfer)


def test_powers_that_are_no_channels():
    # X and Y errors alone: half of it would need a negative probability of Z.
    with pytest.raises(
        ConditionsError, match=r"the power 0.5 of pauli_channel\(X 0.1, Y 0.1\) is no channel: it is not"
    ):
        power(pauli_channel((0.1, 0.1, 0.0)), 0.5)
    power(pauli_channel((0.1, 0.1, 0.0)), 2)
    with pytest.raises(ConditionsError, match="no real one; take a whole factor"):
        power(bit_flip(0.9), 0.5)
    with pytest.raises(ConditionsError, match="no real one"):
        power(overrotation("X", math.pi), 1.5)
    for factor in (-1.0, math.nan, math.inf):
        with pytest.raises(UsageError, match=f"factor is {factor}; give a finite number of at least 0"):
            power(bit_flip(0.1), factor)


def test_a_power_of_a_map_is_a_map():
    back = inverse(amplitude_damping(0.36))
    half = power(back, 0.5)
    assert isinstance(half, TransferMap)
    close(half.transfer, inverse(amplitude_damping(0.2)).transfer)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), qubits=st.sampled_from([1, 2]))
def test_an_inverse_undoes_in_both_orders(seed, qubits):
    channel = random_channel(qubits, 2, seed, strength=0.1)
    back = inverse(channel)
    for order in ((channel, back), (back, channel)):
        close(compose(*order).transfer, torch.eye(4**qubits).double(), atol=1e-11)
    close(back.superoperator @ channel.superoperator, torch.eye(4**qubits, dtype=torch.complex128), atol=1e-11)


def test_channels_without_an_inverse():
    with pytest.raises(ConditionsError, match=r"depolarizing\(1\) has no usable inverse: it shrinks .* to 0 of"):
        inverse(depolarizing(1.0))
    with pytest.raises(ConditionsError, match="cancel a weaker channel"):
        inverse(amplitude_damping(1.0))
    # 1/(1-p) = 1e6 is still usable, and keeps traces.
    close(inverse(amplitude_damping(1 - 1e-6)).transfer[3, 3], torch.tensor(1e6).double(), atol=1e-3)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), qubits=st.sampled_from([1, 2]))
def test_a_twirl_is_the_average_over_surrounding_paulis(seed, qubits):
    channel = random_channel(qubits, 3, seed)
    paulis = pauli_operators(qubits)
    around = [Channel("P", word[None]).superoperator for word in paulis]
    average = torch.stack([p @ channel.superoperator @ p for p in around]).mean(0)
    close(twirled(channel).superoperator, average)
    close(twirled(channel).transfer, torch.diag(channel.transfer.diagonal()))
    assert pauli_probabilities(twirled(channel)) is not None


def test_twirls_of_wide_channels():
    three = tensor(bit_flip(0.1), bit_flip(0.1), bit_flip(0.1))
    with pytest.raises(UsageError, match="acts on 3 qubits; twirling takes 1 or 2"):
        twirled(three)


@pytest.mark.parametrize(
    ("transfer", "message"),
    [
        (torch.eye(3).double(), r"shape \(3, 3\); give \(4\^k, 4\^k\)"),
        (torch.ones(4).double(), "shape"),
        (torch.eye(4), "dtype torch.float32"),
        (torch.full((4, 4), torch.nan).double(), "not finite"),
        (0.9 * torch.eye(4).double(), r"map odd is not trace-preserving: .* 0.1 off \(1, 0, …, 0\)"),
    ],
)
def test_maps_that_are_none(transfer, message):
    with pytest.raises(InputError, match=message):
        TransferMap("odd", transfer)


def test_matrix_powers_without_eigenvectors():
    jordan = torch.tensor([[1.0, 1.0], [0.0, 1.0]], dtype=torch.float64)
    half = real_power(jordan, 0.5)
    assert half is not None
    close(half, torch.tensor([[1.0, 0.5], [0.0, 1.0]]).double())
    assert real_power(torch.diag(torch.tensor([1.0, -0.5])).double(), 0.5) is None
