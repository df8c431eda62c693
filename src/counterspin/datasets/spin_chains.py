r"""Ground states of a spin chain on both sides of its phase transitions: quantum data with labels known exactly.

.. math:: H = -t_0 \sum_i X_i - t_1 \sum_i Z_i Z_{i+1} - t_2 \sum_i Z_{i-1} X_i Z_{i+1}, \qquad t_i \ge 0,

on a ring, which a Jordan-Wigner transformation turns into free fermions (Verresen, Moessner, Pollmann,
arXiv:1707.05787). Its three phases are a paramagnet where :math:`t_0 > t_1 + t_2`, a cluster state with string order
(symmetry protected) where :math:`t_2 > t_0 + t_1`, and a ferromagnet between. Without :math:`t_2` it is the
transverse-field Ising chain, critical at :math:`t_0 = t_1`.

All terms are real and keep the parity :math:`\prod_i X_i`. In the even sector the ground state is unique on every
finite ring away from the transitions, in the ferromagnet too, so that it is a real vector up to its sign.
"""

from functools import lru_cache

import numpy as np

from counterspin.datasets._build import build
from counterspin.datasets.dataset import Dataset
from counterspin.types import Box

__all__ = ["cluster_phases", "even_ground_state", "tfim_phases"]

_SPINS = 8
_FIELDS = 600
_RUNGS = 36
_LICENCE = "computed by counterspin"


def tfim_phases(seed: int = 0) -> Dataset:
    """600 ground states of the transverse-field Ising ring of 8 spins, of which 150 are tested.

    Fields are evenly spaced over (0, 2). Features are the 256 real amplitudes. Class 0 is the ferromagnet (h < J = 1),
    class 1 the paramagnet; the critical field itself does not occur. The task and its size follow Lu, Duan, Deng
    (arXiv:2001.00030).

    Args:
        seed: decides the split.
    """
    states, labels = _ising()
    return build(
        states,
        labels,
        name="tfim-8",
        test=150,
        seed=seed,
        bounds=Box.uniform(-1.0, 1.0, features=2**_SPINS),
        class_names=("ferromagnet", "paramagnet"),
        feature_names=_amplitude_names(),
        source="ground states of the transverse-field Ising ring, 8 spins, by exact diagonalisation",
        licence=_LICENCE,
        quantum=True,
    )


def cluster_phases(seed: int = 0) -> Dataset:
    """666 ground states of the cluster-Ising ring of 8 spins, a lattice over the triangle t0 + t1 + t2 = 1; 150 tested.

    Features are the 256 real amplitudes. Classes are the paramagnet (t0 > 1/2), the ferromagnet, and the cluster phase
    (t2 > 1/2); no point lies on a phase boundary.

    Args:
        seed: decides the split.
    """
    states, labels = _cluster()
    return build(
        states,
        labels,
        name="cluster-ising-8",
        test=150,
        seed=seed,
        bounds=Box.uniform(-1.0, 1.0, features=2**_SPINS),
        class_names=("paramagnet", "ferromagnet", "cluster"),
        feature_names=_amplitude_names(),
        source="ground states of the cluster-Ising ring, 8 spins, by exact diagonalisation",
        licence=_LICENCE,
        quantum=True,
    )


def even_ground_state(spins: int, field: float, exchange: float, cluster: float) -> np.ndarray:
    """Amplitudes `(2**spins,)` of the even ground state, with a positive sum.

    Args:
        spins: of the ring, at least 3.
        field: t0.
        exchange: t1.
        cluster: t2.

    Example:
        >>> even_ground_state(3, 1.0, 0.0, 0.0).round(6).tolist()  # all spins along x
        [0.353553, 0.353553, 0.353553, 0.353553, 0.353553, 0.353553, 0.353553, 0.353553]
    """
    dimension = 2**spins
    half = np.arange(dimension // 2)
    z = np.stack([1 - 2 * ((half >> (spins - 1 - spin)) & 1) for spin in range(spins)])
    # Basis (|s> + |flipped s>) / √2 of the even sector, s with its first spin up.
    hamiltonian = np.diag(-exchange * (z * np.roll(z, -1, axis=0)).sum(axis=0).astype(float))
    for spin in range(spins):
        flipped = half ^ (1 << (spins - 1 - spin))
        partner = np.minimum(flipped, dimension - 1 - flipped)
        hamiltonian[partner, half] -= field + cluster * z[spin - 1] * z[(spin + 1) % spins]
    ground = np.linalg.eigh(hamiltonian)[1][:, 0]
    ground = ground * np.sign(ground.sum()) / np.sqrt(2)
    return np.concatenate([ground, ground[::-1]])


@lru_cache(maxsize=1)
def _ising() -> tuple[np.ndarray, np.ndarray]:
    fields = (2 * np.arange(_FIELDS) + 1) / _FIELDS
    return _stacked([(h, 1.0, 0.0) for h in fields]), (fields > 1).astype(np.int64)


@lru_cache(maxsize=1)
def _cluster() -> tuple[np.ndarray, np.ndarray]:
    # Centres of the upright triangles of a triangular lattice: none has a coordinate of 1/2.
    field, cluster = (
        np.array([(3 * i + 1, 3 * j + 1) for i in range(_RUNGS) for j in range(_RUNGS - i)]).T / (3 * _RUNGS)
    )  # fmt: skip
    labels = np.where(field > 0.5, 0, np.where(cluster > 0.5, 2, 1))
    return _stacked([(a, 1 - a - b, b) for a, b in zip(field, cluster, strict=True)]), labels


def _stacked(couplings: list[tuple[float, float, float]]) -> np.ndarray:
    # Rounded, so that the hash of the data does not hang on the order in which a processor adds.
    return np.stack([even_ground_state(_SPINS, *each) for each in couplings]).round(8)


def _amplitude_names() -> tuple[str, ...]:
    return tuple(f"amplitude {state:0{_SPINS}b}" for state in range(2**_SPINS))
