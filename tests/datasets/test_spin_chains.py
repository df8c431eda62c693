"""Ground states of the spin chain against free fermions, a sparse Hamiltonian and order parameters."""

import numpy as np
import pytest
import scipy.sparse
import torch
from scipy.sparse.linalg import eigsh

from counterspin.datasets import cluster_phases, tfim_phases
from counterspin.datasets.spin_chains import even_ground_state

N = 8
POINTS = [(0.4, 0.3, 0.3), (0.2, 0.3, 0.5), (0.1, 0.2, 0.7), (0.6, 0.3, 0.1), (1.3, 1.0, 0.0), (0.3, 1.0, 0.0)]


def z(n, *spins):
    states = np.arange(2**n)
    return np.prod([1 - 2 * ((states >> (n - 1 - spin)) & 1) for spin in spins], axis=0)


def flipped(n, *spins):
    return np.arange(2**n) ^ sum(1 << (n - 1 - spin) for spin in spins)


def hamiltonian(n, field, exchange, cluster):
    """All of it, in the basis of all spins, by Pauli matrices written out."""
    pauli = {"1": np.eye(2), "X": np.array([[0, 1], [1, 0]]), "Z": np.diag([1.0, -1.0])}
    total = scipy.sparse.csr_matrix((2**n, 2**n))
    for i in range(n):
        for strength, letters in (
            (field, {i: "X"}),
            (exchange, {i: "Z", (i + 1) % n: "Z"}),
            (cluster, {(i - 1) % n: "Z", i: "X", (i + 1) % n: "Z"}),
        ):
            term = scipy.sparse.identity(1)
            for spin in range(n):
                term = scipy.sparse.kron(term, pauli[letters.get(spin, "1")], format="csr")
            total = total - strength * term
    return total


def free_fermions(n, field, exchange, cluster):
    """Ground energy of the even sector: -Σ |t0 + t1 e^{ik} - t2 e^{2ik}| over antiperiodic momenta."""
    k = np.pi * (2 * np.arange(n) + 1) / n
    return -np.abs(field + exchange * np.exp(1j * k) - cluster * np.exp(2j * k)).sum()


@pytest.mark.parametrize("point", POINTS)
def test_states_are_even_ground_states_of_the_whole_hamiltonian(point):
    state, h = even_ground_state(N, *point), hamiltonian(N, *point)
    energy = state @ (h @ state)
    assert energy == pytest.approx(free_fermions(N, *point), abs=1e-10)
    assert energy == pytest.approx(eigsh(h, k=1, which="SA", v0=np.ones(2**N))[0][0], abs=1e-8)
    assert np.abs(h @ state - energy * state).max() < 1e-10
    assert np.allclose(state, state[flipped(N, *range(N))], atol=1e-12)
    assert state.sum() > 0
    assert np.linalg.norm(state) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("point", POINTS)
def test_the_state_is_alone_in_its_sector(point):
    values = np.linalg.eigvalsh(hamiltonian(6, *point).toarray())
    projector = (np.eye(64) + np.eye(64)[flipped(6, *range(6))]) / 2
    shifted = np.linalg.eigvalsh(hamiltonian(6, *point).toarray() + 100 * (np.eye(64) - projector))
    assert shifted[1] - shifted[0] > 0.3
    assert shifted[0] == pytest.approx(values[0], abs=1e-9)


def orders(states):
    """⟨Z Z⟩ at the largest distance, and the string Z X X X Z (every second spin) of the cluster state."""
    n = N
    far = (states**2) @ z(n, 0, n // 2)
    sign = z(n, 0, 6)
    string = np.einsum("bi,bi->b", states, (sign * states[:, flipped(n, 1, 3, 5)]))
    return far, string


def test_labels_of_the_ising_chain_are_those_of_the_order_parameter():
    data = tfim_phases()
    whole = data.training_part.joined(data.test)
    far, _ = orders(whole.x.numpy())
    # At the critical field the correlation of 8 spins is 0.55; labels and threshold differ near it alone.
    critical = orders(even_ground_state(N, 1.0, 1.0, 0.0)[None])[0][0]
    assert np.array_equal(far < critical, whole.y.numpy() == 1)
    assert np.bincount(whole.y).tolist() == [300, 300]


def test_each_phase_of_the_cluster_chain_has_its_order():
    data = cluster_phases()
    whole = data.training_part.joined(data.test)
    x, y = whole.x.numpy(), whole.y.numpy()
    far, string = orders(x)
    assert np.bincount(y).tolist() == [171, 324, 171]
    # On a finite ring the orders change smoothly, so at the means, and sharply far from the transitions.
    assert far[y == 1].mean() > 0.7 > 0.25 > max(far[y == 0].mean(), far[y == 2].mean())
    assert string[y == 2].mean() > 0.7 > 0.25 > max(string[y == 0].mean(), abs(string[y == 1].mean()))
    deep = even_ground_state(N, 0.0, 0.0, 1.0)
    assert orders(deep[None])[1][0] == pytest.approx(1, abs=1e-9)
    most = np.stack([even_ground_state(N, 0.96, 0.02, 0.02), even_ground_state(N, 0.02, 0.02, 0.96)])
    assert orders(most)[1][1] > 0.95 > 0.05 > abs(orders(most)[1][0])


def test_the_gap_closes_where_the_labels_change():
    # In long chains the lowest mode of |f| vanishes on t0 = t1 + t2 and t2 = t0 + t1, and nowhere else.
    k = np.linspace(-np.pi, np.pi, 4001)

    def gap(t0, t1, t2):
        return np.abs(t0 + t1 * np.exp(1j * k) - t2 * np.exp(2j * k)).min()

    for t in np.linspace(0.05, 0.45, 9):
        assert gap(0.5, t, 0.5 - t) < 1e-3
        assert gap(0.5 - t, t, 0.5) < 1e-3
        assert gap(0.55, t, 0.45 - t) > 0.05
        assert gap(0.45 - t, t, 0.55) > 0.05
        assert gap((1 - t) / 2, t, (1 - t) / 2) > 0.04


@pytest.mark.parametrize("load", [tfim_phases, cluster_phases])
def test_they_are_quantum_data_split_by_seed(load):
    data, other = load(0), load(1)
    assert data.quantum
    assert len(data.test) == 150
    assert torch.equal(data.test.x.square().sum(1).round(decimals=6), torch.ones(150, dtype=torch.float64))
    assert data.sha256 != other.sha256
    assert data.sha256 == load(0).sha256
    assert data.feature_names[5] == "amplitude 00000101"
