"""Channels are refused unless they are channels; places unless they fit."""

import pytest
import torch
from random_channels import applied, dense_transfer, random_channel

from counterspin.circuits import Circuit
from counterspin.errors import InputError, UsageError
from counterspin.noise.channels import (
    after_every_gate,
    amplitude_damping,
    bit_flip,
    depolarizing,
    phase_damping,
    phase_flip,
)
from counterspin.noise.kraus import Channel, Placed
from counterspin.noise.linear_map import TransferMap

X = torch.tensor([[0, 1], [1, 0]], dtype=torch.complex128)
CONSTRUCTORS = [depolarizing, bit_flip, phase_flip, amplitude_damping, phase_damping]
RHO = torch.tensor([[0.7, 0.2 - 0.1j], [0.2 + 0.1j, 0.3]], dtype=torch.complex128)


@pytest.mark.parametrize("make", CONSTRUCTORS)
@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0])
def test_every_constructor_gives_a_channel(make, strength):
    channel = make(strength)
    total = sum(k.conj().T @ k for k in channel.operators)
    torch.testing.assert_close(total, torch.eye(2, dtype=torch.complex128), atol=1e-14, rtol=0)
    assert make.__name__ in channel.name
    by_rows = channel.superoperator @ RHO.flatten()
    torch.testing.assert_close(by_rows.reshape(2, 2), applied(channel, RHO), atol=1e-15, rtol=0)
    if strength == 0.0:
        torch.testing.assert_close(applied(channel, RHO), RHO)


def test_what_each_channel_does():
    p = 0.3
    mixed = applied(depolarizing(p), RHO)
    torch.testing.assert_close(mixed, (1 - p) * RHO + p * torch.eye(2).double() / 2, atol=1e-15, rtol=0)
    torch.testing.assert_close(applied(bit_flip(p), RHO), (1 - p) * RHO + p * X @ RHO @ X, atol=1e-15, rtol=0)
    flipped = applied(phase_flip(p), RHO)
    assert flipped[0, 1].item() == pytest.approx((1 - 2 * p) * RHO[0, 1].item())
    decayed = applied(amplitude_damping(p), RHO)
    assert decayed[1, 1].item() == pytest.approx((1 - p) * 0.3)
    assert decayed[0, 1].item() == pytest.approx((1 - p) ** 0.5 * RHO[0, 1].item())
    damped = applied(phase_damping(p), RHO)
    assert damped[0, 1].item() == pytest.approx((1 - p) ** 0.5 * RHO[0, 1].item())
    assert damped[1, 1].item() == pytest.approx(0.3)


@pytest.mark.parametrize("make", CONSTRUCTORS)
@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_strengths_are_probabilities(make, strength):
    with pytest.raises(UsageError, match=make.__name__):
        make(strength)


def test_a_map_that_does_not_preserve_the_trace_is_refused_by_name():
    with pytest.raises(InputError, match=r"channel leak is not trace-preserving: .* 0\.19 off"):
        Channel("leak", 0.9 * X[None])
    # Twice a unitary is caught by K†K; a unitary itself, and a pair of them with weights, pass.
    Channel("fine", torch.stack([0.6 * X, 0.8 * torch.eye(2, dtype=torch.complex128)]))


@pytest.mark.parametrize("shape", [(2, 2), (0, 2, 2), (1, 3, 3), (1, 2, 4), (1, 1, 1)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(InputError, match="channel odd: operators have shape"):
        Channel("odd", torch.ones(shape, dtype=torch.complex128))


def test_other_dtypes_and_nan_are_refused():
    with pytest.raises(InputError, match="complex128"):
        Channel("real", torch.eye(2)[None])
    with pytest.raises(InputError, match="not finite"):
        Channel("nan", torch.full((1, 2, 2), torch.nan, dtype=torch.complex128))


@pytest.mark.parametrize(
    ("after", "qubits", "message"),
    [(-2, (0,), "after is -2"), (0, (0, 1), "acts on 1 qubits"), (0, (-1,), "counting from 0"), (0, (), "name each")],
)
def test_places_that_are_none(after, qubits, message):
    with pytest.raises(UsageError, match=message):
        Placed(after=after, qubits=qubits, channel=bit_flip(0.1))


def test_the_transfer_matrix_is_computed_once_and_by_its_definition():
    channel = random_channel(2, 3, 11)
    torch.testing.assert_close(channel.transfer, torch.from_numpy(dense_transfer(channel)), atol=1e-14, rtol=0)
    assert channel.transfer is channel.transfer
    assert channel.transfer.dtype == torch.float64
    expected = torch.tensor([[1, 0, 0, 0], [0, 0.8, 0, 0], [0, 0, 0.8, 0], [0.36, 0, 0, 0.64]], dtype=torch.float64)
    torch.testing.assert_close(amplitude_damping(0.36).transfer, expected, atol=1e-15, rtol=0)


def test_maps_that_are_no_channels_have_places_too():
    undone = TransferMap("undone", torch.diag(torch.tensor([1.0, 2.0, 2.0, 1.0], dtype=torch.float64)))
    assert Placed(after=0, qubits=(1,), channel=undone).channel is undone
    with pytest.raises(UsageError, match="undone acts on 1 qubits"):
        Placed(after=0, qubits=(0, 1), channel=undone)


def test_two_qubit_channels_need_two_qubits():
    channel = Channel("XX", torch.kron(X, X)[None])
    assert channel.qubits == 2
    assert Placed(after=0, qubits=(2, 0), channel=channel).qubits == (2, 0)
    with pytest.raises(UsageError, match="once"):
        Placed(after=0, qubits=(1, 1), channel=channel)
    with pytest.raises(UsageError, match="XX acts on 2 qubits"):
        after_every_gate(Circuit(2).add("H", 0), channel)
