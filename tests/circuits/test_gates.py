"""Gate matrices against exponentials of their generators; frequencies against their spectra."""

import numpy as np
import pytest
import torch
from dense_oracle import gate_matrix

from counterspin.circuits import GATES, Angle, Gate
from counterspin.errors import UsageError

FIXED_SIZE = [name for name in GATES if name != "MCZ"]


@pytest.mark.parametrize("kind", FIXED_SIZE)
def test_matrices_are_the_exponentials(kind: str) -> None:
    angles = torch.randn(5, 4, GATES[kind].angles, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    matrices = GATES[kind].matrix(angles.to(torch.complex128))
    assert matrices.shape == (5, 4, 2 ** GATES[kind].qubits, 2 ** GATES[kind].qubits)
    expected = [[gate_matrix(kind, a.tolist(), GATES[kind].qubits) for a in row] for row in angles]
    assert np.allclose(matrices.numpy(), expected, atol=1e-14)


@pytest.mark.parametrize("kind", FIXED_SIZE)
def test_flags_say_what_the_matrix_is(kind: str) -> None:
    angles = torch.full((GATES[kind].angles,), 0.7, dtype=torch.complex128)
    matrix = GATES[kind].matrix(angles).numpy()
    assert GATES[kind].diagonal == np.allclose(matrix, np.diag(np.diag(matrix)))
    assert GATES[kind].permutation == np.isin(matrix, [0, 1]).all()


@pytest.mark.parametrize("kind", [name for name in FIXED_SIZE if GATES[name].angles])
def test_frequencies_are_all_that_occur(kind: str) -> None:
    # Expectation values of random observables as a function of one angle: their Fourier transform has no other line.
    rng = np.random.default_rng(0)
    size, points = 2 ** GATES[kind].qubits, 16
    state = rng.normal(size=size) + 1j * rng.normal(size=size)
    observable = rng.normal(size=(size, size)) + 1j * rng.normal(size=(size, size))
    observable = observable + observable.conj().T
    for position, frequencies in enumerate(GATES[kind].frequencies):
        angles = torch.full((points, GATES[kind].angles), 0.7, dtype=torch.complex128)
        angles[:, position] = (
            4 * torch.pi * torch.arange(points, dtype=torch.float64) / points
        )  # a common period of ½ and 1
        states = GATES[kind].matrix(angles).numpy() @ state
        values = np.einsum("pi,ij,pj->p", states.conj(), observable, states).real
        lines = np.abs(np.fft.rfft(values))[1:] > 1e-9
        assert {0.5 * (k + 1) for k in np.flatnonzero(lines)} == set(frequencies)


def test_multi_controlled_z_has_no_matrix() -> None:
    with pytest.raises(UsageError, match="no fixed-size matrix"):
        GATES["MCZ"].matrix(torch.zeros(0, dtype=torch.complex64))


@pytest.mark.parametrize(
    ("kind", "qubits", "angles", "message"),
    [
        ("RXY", (0,), (), "gate 'RXY' is unknown; known gates: X, Y"),
        ("CNOT", (0,), (), "acts on 2 qubits"),
        ("MCZ", (), (), "acts on one or more qubits"),
        ("CZ", (1, 1), (), "give distinct indices from 0"),
        ("X", (-1,), (), "give distinct indices from 0"),
        ("RX", (0,), (), "takes 1 angles; got 0"),
        ("H", (0,), (Angle(),), "takes 0 angles; got 1"),
    ],
)
def test_wrong_gates_are_refused(kind: str, qubits: tuple[int, ...], angles: tuple[Angle, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Gate(kind, qubits, angles)


def test_text() -> None:
    assert str(Gate("CRX", (2, 0), (Angle(0.5),))) == "CRX(0.5) q2,q0"
    assert str(Gate("SWAP", (0, 1))) == "SWAP q0,q1"
