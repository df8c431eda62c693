"""Kraus, Choi and Pauli transfer matrices of random channels, against their definitions."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_channels import applied, dense_transfer, random_channel

from counterspin.errors import InputError, UsageError
from counterspin.noise import (
    Channel,
    TransferMap,
    amplitude_damping,
    average_fidelity,
    bit_flip,
    compose,
    depolarizing,
    inverse,
    pauli_channel,
    pauli_probabilities,
    tensor,
    thermal_relaxation,
)
from counterspin.noise.pauli import (
    commutation_signs,
    pauli_operators,
    pauli_words,
    superoperator_to_transfer,
    transfer_to_superoperator,
)
from counterspin.noise.representations import (
    choi_to_kraus,
    choi_to_transfer,
    is_completely_positive,
    is_cptp,
    is_trace_preserving,
    kraus_to_choi,
    kraus_to_transfer,
    transfer_to_choi,
    transfer_to_kraus,
)

channels = st.builds(random_channel, st.sampled_from([1, 2]), st.integers(1, 4), st.integers(0, 10**6))


def close(a, b, atol=1e-13):
    torch.testing.assert_close(torch.as_tensor(a), torch.as_tensor(b), atol=atol, rtol=0)


def same_map(operators, channel):
    """Two sets of Kraus operators of one map: entrywise different, equal as superoperators."""
    close(Channel("again", operators).superoperator, channel.superoperator)


@settings(max_examples=25, deadline=None)
@given(channel=channels)
def test_every_form_is_the_definition_and_leads_back(channel):
    transfer = torch.from_numpy(dense_transfer(channel))
    choi = kraus_to_choi(channel.operators)
    close(channel.transfer, transfer)
    close(kraus_to_transfer(channel.operators), transfer)
    close(choi_to_transfer(choi), transfer)
    close(transfer_to_choi(transfer), choi)
    close(transfer_to_superoperator(transfer), channel.superoperator)
    close(superoperator_to_transfer(channel.superoperator), transfer)
    same_map(choi_to_kraus(choi), channel)
    same_map(transfer_to_kraus(transfer), channel)
    assert is_cptp(transfer)


@pytest.mark.parametrize("qubits", [1, 2])
def test_the_choi_matrix_is_the_channel_on_half_of_an_entangled_pair(qubits):
    channel, dimension = random_channel(qubits, 3, 7), 2**qubits
    choi = kraus_to_choi(channel.operators).reshape((dimension,) * 4)
    for i in range(dimension):
        for j in range(dimension):
            unit = torch.zeros(dimension, dimension, dtype=torch.complex128)
            unit[i, j] = 1
            close(choi[i, :, j, :], applied(channel, unit))


def test_the_fewest_operators():
    four = Channel("padded", torch.cat([0.6 * bit_flip(0.2).operators, 0.8 * bit_flip(0.2).operators]))
    assert len(choi_to_kraus(kraus_to_choi(four.operators))) == 2
    assert len(transfer_to_kraus(depolarizing(0.1, 2).transfer)) == 16
    assert len(transfer_to_kraus(torch.eye(4, dtype=torch.float64))) == 1


@settings(max_examples=25, deadline=None)
@given(first=channels, seed=st.integers(0, 10**6))
def test_composing_multiplies_and_the_first_acts_first(first, seed):
    second, third = random_channel(first.qubits, 2, seed), random_channel(first.qubits, 1, seed + 1)
    both = compose(first, second, third)
    assert isinstance(both, Channel)
    close(both.superoperator, third.superoperator @ second.superoperator @ first.superoperator)
    assert compose(first) is first


def test_composing_with_a_map_that_is_no_channel_gives_such_a_map():
    damped = amplitude_damping(0.3)
    undone = compose(damped, inverse(damped))
    assert isinstance(undone, TransferMap)
    close(undone.transfer, torch.eye(4).double())
    assert undone.name == "amplitude_damping(0.3) then inverse of amplitude_damping(0.3)"


def test_what_cannot_be_composed():
    with pytest.raises(UsageError, match=r"compose got maps on \[1, 2\] qubits"):
        compose(bit_flip(0.1), depolarizing(0.1, 2))
    with pytest.raises(UsageError, match="give at least one"):
        compose()
    with pytest.raises(UsageError, match="tensor got no channel"):
        tensor()


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_side_by_side_the_transfer_matrices_multiply_by_kronecker(seed):
    parts = [random_channel(1, 2, seed), random_channel(2, 3, seed + 1)]
    close(tensor(*parts).transfer, torch.kron(parts[0].transfer, parts[1].transfer))
    close(tensor(*reversed(parts)).transfer, torch.kron(parts[1].transfer, parts[0].transfer))


@pytest.mark.parametrize(
    ("channel", "expected"),
    [
        (depolarizing(0.1), 1 - 0.1 / 2),
        (depolarizing(0.1, 2), 1 - 0.1 * 3 / 4),
        (bit_flip(0.3), 1 - 0.3 * 2 / 3),
        # F_e = (1 + √(1-γ))² / 4.
        (amplitude_damping(0.36), (2 * (1 + 0.8) ** 2 / 4 + 1) / 3),
    ],
)
def test_average_fidelity_in_closed_form(channel, expected):
    assert average_fidelity(channel) == pytest.approx(expected, abs=1e-14)


def test_average_fidelity_is_the_average_over_a_two_design():
    # The six Pauli eigenstates are one.
    channel = random_channel(1, 3, 3, strength=0.4)
    paulis = pauli_operators(1)
    states = [(paulis[0] + sign * paulis[k]) / 2 for k in (1, 2, 3) for sign in (1, -1)]
    mean = np.mean([torch.trace(rho @ applied(channel, rho)).real.item() for rho in states])
    assert average_fidelity(channel) == pytest.approx(mean, abs=1e-14)


def test_probabilities_of_pauli_channels():
    words = {"XI": 0.01, "ZY": 0.05, "YY": 0.002}
    weights = pauli_probabilities(pauli_channel(words))
    assert weights is not None
    expected = {**dict.fromkeys(pauli_words(2), 0.0), **words, "II": 1 - 0.062}
    close(weights, torch.tensor(list(expected.values()), dtype=torch.float64))
    assert pauli_probabilities(amplitude_damping(0.01)) is None
    quasi = pauli_probabilities(inverse(bit_flip(0.1)))
    assert quasi is not None
    # (1-p)/(1-2p) and -p/(1-2p).
    close(quasi, torch.tensor([1.125, -0.125, 0.0, 0.0], dtype=torch.float64))


def test_checks_tell_positive_from_trace_preserving():
    transpose = torch.diag(torch.tensor([1.0, 1.0, -1.0, 1.0], dtype=torch.float64))
    assert is_trace_preserving(transpose)
    assert not is_completely_positive(transpose)
    leaky = 0.99 * torch.eye(4, dtype=torch.float64)
    assert is_completely_positive(leaky)
    assert not is_trace_preserving(leaky)
    assert not is_cptp(leaky)
    assert not is_cptp(transpose)


def test_one_percent_beyond_the_border_is_seen():
    # Shrinking Z to λ keeps a channel with X and Y at √λ (damping) and no more.
    relaxed = thermal_relaxation(1.0, 2.0, 1.0).transfer.clone()
    assert is_cptp(relaxed)
    relaxed[1, 1] *= 1.01
    assert not is_cptp(relaxed)


def test_maps_that_are_not_completely_positive_have_no_kraus_operators():
    with pytest.raises(InputError, match=r"eigenvalue -1 or is not Hermitian.*TransferMap"):
        transfer_to_kraus(torch.diag(torch.tensor([1.0, 1.0, -1.0, 1.0], dtype=torch.float64)))
    skew = kraus_to_choi(bit_flip(0.1).operators)
    skew[0, 3] += 0.1
    with pytest.raises(InputError, match="not Hermitian"):
        choi_to_kraus(skew)


@pytest.mark.parametrize("convert", [choi_to_kraus, choi_to_transfer])
def test_choi_matrices_of_no_qubits(convert):
    with pytest.raises(InputError, match=r"the Choi matrix has shape \(3, 3\); give \(4\^k, 4\^k\)"):
        convert(torch.eye(3, dtype=torch.complex128))


@pytest.mark.parametrize("convert", [transfer_to_choi, transfer_to_kraus, is_trace_preserving])
@pytest.mark.parametrize("shape", [(2, 2), (8, 8), (4, 16)])
def test_transfer_matrices_of_no_qubits(convert, shape):
    with pytest.raises(InputError, match="the transfer matrix has shape"):
        convert(torch.ones(shape, dtype=torch.float64))


def test_the_pauli_basis_is_big_endian_and_orthogonal():
    words, operators = pauli_words(2), pauli_operators(2)
    x, z = pauli_operators(1)[1], pauli_operators(1)[3]
    close(operators[words.index("XZ")], torch.kron(x, z))
    overlaps = torch.einsum("iab,jba->ij", operators, operators)
    close(overlaps, 4 * torch.eye(16, dtype=torch.complex128))
    products = torch.einsum("iab,jbc->ijac", operators, operators)
    signs = torch.where((products - products.transpose(0, 1)).abs().amax((2, 3)) < 1e-12, 1.0, -1.0)
    close(commutation_signs(2), signs.double())
