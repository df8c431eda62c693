"""Channels and their forms against PennyLane's matrices, qiskit.quantum_info and mitiq."""

import math

import numpy as np
import pytest
import torch
from random_channels import random_channel

from counterspin.noise import (
    Channel,
    ReadoutErrors,
    amplitude_damping,
    average_fidelity,
    bit_flip,
    depolarizing,
    generalized_amplitude_damping,
    inverse,
    overrotation,
    pauli_channel,
    phase_damping,
    phase_flip,
    tensor,
    thermal_relaxation,
    zz_crosstalk,
)
from counterspin.noise.pauli import pauli_operators, pauli_words
from counterspin.noise.representations import kraus_to_choi

pytestmark = pytest.mark.slow


def from_matrices(matrices):
    return Channel("theirs", torch.as_tensor(np.array([np.asarray(m) for m in matrices]), dtype=torch.complex128))


def close(a, b, atol=1e-12):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), atol=atol, rtol=0)


# At 1 they keep 1e-7 of the coherence, to have gradients.
@pytest.mark.parametrize("p", [0.0, 0.03, 0.4, 0.97])
def test_channels_are_those_of_pennylane(p):
    import pennylane as qml

    pairs = [
        # Theirs is the chance of an error: 3/4 of our strength.
        (depolarizing(p), qml.DepolarizingChannel(0.75 * p, 0)),
        (bit_flip(p), qml.BitFlip(p, 0)),
        (phase_flip(p), qml.PhaseFlip(p, 0)),
        (amplitude_damping(p), qml.AmplitudeDamping(p, 0)),
        (phase_damping(p), qml.PhaseDamping(p, 0)),
        (generalized_amplitude_damping(p, 0.2), qml.GeneralizedAmplitudeDamping(p, 0.2, 0)),
        (pauli_channel({"XY": p}), qml.PauliError("XY", p, (0, 1))),
        (overrotation("Y", 3 * p), qml.RY(3 * p, 0)),
        (zz_crosstalk(3 * p), qml.IsingZZ(3 * p, (0, 1))),
    ]
    for ours, theirs in pairs:
        matrices = [theirs.matrix()] if not hasattr(theirs, "kraus_matrices") else theirs.kraus_matrices()
        close(ours.superoperator, from_matrices(matrices).superoperator)


# PennyLane has its own formulas below and above T2 = T1, and takes no infinite times.
@pytest.mark.parametrize(("t1", "t2"), [(1.0, 0.6), (1.0, 1.0), (1.0, 1.4), (1.0, 2.0)])
@pytest.mark.parametrize("excited", [0.0, 0.15, 0.5])
def test_thermal_relaxation_is_that_of_pennylane(t1, t2, excited):
    import pennylane as qml

    for time in (0.01, 0.5, 4.0):
        theirs = qml.ThermalRelaxationError(excited, t1, t2, time, 0).kraus_matrices()
        close(thermal_relaxation(t1, t2, time, excited).superoperator, from_matrices(theirs).superoperator)


@pytest.mark.parametrize(("t1", "t2"), [(50e-6, 30e-6), (50e-6, 90e-6), (50e-6, 100e-6), (math.inf, 30e-6)])
@pytest.mark.parametrize("excited", [0.0, 0.02])
def test_thermal_relaxation_is_that_of_aer(t1, t2, excited):
    from qiskit.quantum_info import SuperOp
    from qiskit_aer.noise import thermal_relaxation_error

    theirs = SuperOp(thermal_relaxation_error(t1, t2, 300e-9, excited))
    # Columns stacked there, rows here.
    ours = thermal_relaxation(t1, t2, 300e-9, excited).superoperator.reshape(2, 2, 2, 2).permute(1, 0, 3, 2)
    close(ours.reshape(4, 4), theirs.data, atol=1e-12)


def test_two_qubit_depolarising_is_that_of_aer():
    from qiskit.quantum_info import PTM
    from qiskit_aer.noise import depolarizing_error

    close(depolarizing(0.13, 2).transfer, PTM(depolarizing_error(0.13, 2)).data.real)


@pytest.mark.parametrize("qubits", [1, 2])
def test_representations_are_those_of_qiskit(qubits):
    from qiskit.quantum_info import PTM, Choi, Kraus
    from qiskit.quantum_info import average_gate_fidelity as their_fidelity

    for seed in range(3):
        ours = random_channel(qubits, 3, seed, strength=0.5)
        theirs = Kraus(list(ours.operators.numpy()))
        # Their transfer matrix orders words with qubit 0 last, as our first letter is the most significant: the same.
        close(PTM(theirs).data.real, ours.transfer)
        close(Choi(theirs).data, kraus_to_choi(ours.operators))
        assert average_fidelity(ours) == pytest.approx(their_fidelity(theirs), abs=1e-12)


def test_side_by_side_is_that_of_qiskit():
    from qiskit.quantum_info import PTM, Kraus

    first, second = random_channel(1, 2, 0), random_channel(1, 3, 1)
    theirs = Kraus(list(first.operators.numpy())).tensor(Kraus(list(second.operators.numpy())))
    close(PTM(theirs).data.real, tensor(first, second).transfer)


def test_inverses_carry_the_quasi_probabilities_of_mitiq():
    import cirq
    from mitiq.pec.representations import represent_operation_with_local_depolarizing_noise

    chance = 0.06
    theirs = represent_operation_with_local_depolarizing_noise(cirq.Circuit(cirq.H(cirq.LineQubit(0))), chance)
    ours = inverse(depolarizing(4 / 3 * chance)).transfer
    signs = [[1, 1, 1, 1], [1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]]
    weights = np.array(signs) @ ours.diagonal().numpy() / 4
    close(sorted(weights), sorted(theirs.coeffs))
    assert abs(weights).sum() == pytest.approx(theirs.norm, abs=1e-12)


def test_confusion_matrices_are_those_of_mitiq():
    from mitiq.rem import generate_tensored_inverse_confusion_matrix

    errors = ReadoutErrors(flips=((0.01, 0.05), (0.02, 0.1)))
    parts = [confusion.numpy() for _, confusion in errors.factors()]
    close(generate_tensored_inverse_confusion_matrix(2, parts) @ errors.matrix().numpy(), np.eye(4))


def test_words_are_those_of_qiskit():
    from qiskit.quantum_info import Pauli

    # Their leftmost letter is the most significant qubit, too.
    for word, operator in zip(pauli_words(2), pauli_operators(2), strict=True):
        close(operator, Pauli(word).to_matrix())
