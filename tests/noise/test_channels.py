"""Every channel against its closed form, thermal relaxation against the Lindblad equation."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_channels import applied
from scipy.linalg import expm

from counterspin.errors import UsageError
from counterspin.noise import (
    amplitude_damping,
    compose,
    depolarizing,
    generalized_amplitude_damping,
    overrotation,
    pauli_channel,
    phase_damping,
    phase_flip,
    thermal_relaxation,
    zz_crosstalk,
)
from counterspin.noise.representations import is_cptp

RHO = torch.tensor([[0.7, 0.2 - 0.1j], [0.2 + 0.1j, 0.3]], dtype=torch.complex128)
PAIR = torch.kron(RHO, torch.tensor([[0.4, 0.3j], [-0.3j, 0.6]], dtype=torch.complex128))
X, Y, Z = (
    torch.tensor(rows, dtype=torch.complex128) for rows in ([[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]])
)
ONE = torch.eye(2, dtype=torch.complex128)
times = st.floats(0.05, 20.0)


def close(a, b, atol=1e-14):
    torch.testing.assert_close(torch.as_tensor(a), torch.as_tensor(b), atol=atol, rtol=0)


def diagonal(*values):
    return torch.diag(torch.tensor(values, dtype=torch.float64))


def lindblad_transfer(t1, t2, time, excited, detuning=0.0):
    """Pauli transfer matrix by the matrix exponential of the Lindblad generator on rows of ρ."""
    down, up = (1 - excited) / t1, excited / t1
    dephasing = 1 / t2 - 1 / (2 * t1)
    lower = np.array([[0, 1], [0, 0]], dtype=complex)
    jumps = [(down, lower), (up, lower.T), (dephasing / 2, np.diag([1.0, -1.0]).astype(complex))]
    generator = np.zeros((4, 4), dtype=complex)
    for rate, jump in jumps:
        loss = jump.conj().T @ jump
        generator += rate * (
            np.kron(jump, jump.conj()) - 0.5 * np.kron(loss, np.eye(2)) - 0.5 * np.kron(np.eye(2), loss.T)
        )
    turn = 0.5 * detuning * np.diag([1.0, -1.0])
    generator += -1j * (np.kron(turn, np.eye(2)) - np.kron(np.eye(2), turn.T))
    superoperator = expm(generator * time)
    paulis = np.stack([np.eye(2), X.numpy(), Y.numpy(), Z.numpy()]).reshape(4, 4)
    return (paulis.conj() @ superoperator @ paulis.T).real / 2


def test_depolarising_two_qubits():
    p = 0.3
    noise = depolarizing(p, 2)
    close(applied(noise, PAIR), (1 - p) * PAIR + p * torch.eye(4).double() / 4)
    close(noise.transfer, diagonal(1.0, *[1 - p] * 15))
    assert noise.name == "depolarizing(0.3, 2 qubits)"
    with pytest.raises(UsageError, match="depolarizing got qubits 3; it acts on 1 or 2"):
        depolarizing(p, 3)


def test_pauli_channels():
    close(
        applied(pauli_channel((0.1, 0.05, 0.2)), RHO),
        0.65 * RHO + 0.1 * X @ RHO @ X + 0.05 * Y @ RHO @ Y + 0.2 * Z @ RHO @ Z,
    )
    xi, zy = torch.kron(X, ONE), torch.kron(Z, Y)
    close(
        applied(pauli_channel({"XI": 0.1, "ZY": 0.25}), PAIR),
        0.65 * PAIR + 0.1 * xi @ PAIR @ xi + 0.25 * zy @ PAIR @ zy,
    )
    close(pauli_channel({"I": 0.75, "Z": 0.25}).transfer, phase_flip(0.25).transfer)
    assert len(pauli_channel((0, 0, 1)).operators) == 1


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ((0.1, 0.2), "got 2 probabilities; give those of X, Y, Z"),
        ((0.5, 0.4, 0.2), "sum to 1.1; with the identity's they sum to 1"),
        ({"I": 0.5, "X": 0.4}, "sum to 0.9"),
        ((0.1, -0.1, 0.0), "pauli_channel at Y is -0.1"),
        ({"X": 0.1, "XX": 0.1}, "all of one length"),
        ({"A": 0.1}, "got the words A"),
        ({}, "got the words none"),
        ({"": 0.1}, "one length from 1 to 8"),
    ],
)
def test_pauli_channels_that_are_none(given_, message):
    with pytest.raises(UsageError, match=message):
        pauli_channel(given_)


@settings(max_examples=30, deadline=None)
@given(gamma=st.floats(0, 1), excited=st.floats(0, 1))
def test_generalised_amplitude_damping_is_a_mixture_of_decay_and_excitation(gamma, excited):
    raised = compose(pauli_channel((1, 0, 0)), amplitude_damping(gamma), pauli_channel((1, 0, 0)))
    mixture = (1 - excited) * amplitude_damping(gamma).transfer + excited * raised.transfer
    close(generalized_amplitude_damping(gamma, excited).transfer, mixture)


@settings(max_examples=60, deadline=None)
@given(t1=times, ratio=st.floats(0.01, 2.0), time=st.floats(0, 30), excited=st.floats(0, 1))
def test_thermal_relaxation_solves_the_lindblad_equation(t1, ratio, time, excited):
    channel = thermal_relaxation(t1, ratio * t1, time, excited)
    kept, coherent = math.exp(-time / t1), math.exp(-time / (ratio * t1))
    expected = diagonal(1, coherent, coherent, kept)
    expected[3, 0] = (1 - kept) * (1 - 2 * excited)
    close(channel.transfer, expected)
    assert is_cptp(channel.transfer)
    close(channel.transfer, lindblad_transfer(t1, ratio * t1, time, excited), atol=1e-11)


def test_thermal_relaxation_in_its_limits():
    close(thermal_relaxation(2.0, 4.0, 3.0).transfer, amplitude_damping(1 - math.exp(-1.5)).transfer)
    close(thermal_relaxation(math.inf, 4.0, 3.0).transfer, phase_damping(1 - math.exp(-1.5)).transfer)
    close(thermal_relaxation(math.inf, math.inf, 3.0).transfer, torch.eye(4).double())
    close(thermal_relaxation(1.0, 2.0, 0.0, 0.5).transfer, torch.eye(4).double())
    endless = thermal_relaxation(1e-9, 2e-9, 1.0, 0.2).transfer
    close(endless, torch.tensor([[1.0, 0, 0, 0], [0] * 4, [0] * 4, [0.6, 0, 0, 0]], dtype=torch.float64))
    close(thermal_relaxation(1.0, 1.0, 1e3, 1.0).transfer[3, 0], torch.tensor(-1.0).double())
    # A million times shorter than T1: no cancellation in 1 - exp(-t/T1).
    assert thermal_relaxation(1.0, 1.0, 1e-12).operators[-1].abs().max().item() == pytest.approx(1e-6, rel=1e-9)


@settings(max_examples=30, deadline=None)
@given(t1=times, ratio=st.floats(0.1, 2.0), first=st.floats(0, 3), then=st.floats(0, 3), excited=st.floats(0, 1))
def test_waiting_twice_is_waiting_for_the_sum(t1, ratio, first, then, excited):
    twice = compose(*(thermal_relaxation(t1, ratio * t1, time, excited) for time in (first, then)))
    close(twice.transfer, thermal_relaxation(t1, ratio * t1, first + then, excited).transfer, atol=1e-13)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1.0, 2.001, 1.0), "t2 is 2.001 s and t1 is 1 s: .* lower t2 to 2 s"),
        ((1.0, math.inf, 1.0), "t2 is inf s"),
        ((0.0, 1.0, 1.0), "t1 of thermal_relaxation is 0.0; give seconds above 0"),
        ((1.0, math.nan, 1.0), "t2 of thermal_relaxation is nan"),
        ((1.0, 1.0, -1.0), "time of thermal_relaxation is -1.0; give finite seconds"),
        ((1.0, 1.0, math.inf), "time of thermal_relaxation is inf"),
        ((1.0, 1.0, 1.0, 1.1), r"thermal_relaxation \(excited\) is 1.1"),
    ],
)
def test_times_that_no_qubit_has(arguments, message):
    with pytest.raises(UsageError, match=message):
        thermal_relaxation(*arguments)


@pytest.mark.parametrize(("axis", "pauli"), [("X", X), ("y", Y), ("Z", Z)])
def test_overrotation(axis, pauli):
    unitary = torch.matrix_exp(-0.35j * pauli)
    close(applied(overrotation(axis, 0.7), RHO), unitary @ RHO @ unitary.mH)


def test_crosstalk():
    unitary = torch.matrix_exp(-0.35j * torch.kron(Z, Z))
    close(applied(zz_crosstalk(0.7), PAIR), unitary @ PAIR @ unitary.mH)


def test_rotations_that_are_none():
    with pytest.raises(UsageError, match="axis of overrotation is 'XY'"):
        overrotation("XY", 0.1)
    with pytest.raises(UsageError, match="the angle of overrotation is nan"):
        overrotation("X", math.nan)
    with pytest.raises(UsageError, match="the angle of zz_crosstalk is inf"):
        zz_crosstalk(math.inf)
    with pytest.raises(UsageError, match="generalized_amplitude_damping is"):
        generalized_amplitude_damping(1.5, 0.0)
