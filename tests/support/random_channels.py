"""Random channels, and what a channel does by plain matrix products."""

import itertools

import numpy as np
import torch
from dense_oracle import I2, X, Y, Z, embedded
from torch import Tensor

from counterspin.noise.kraus import Channel

__all__ = ["applied", "dense_transfer", "embedded", "random_channel"]


def random_channel(qubits: int, operators: int, seed: int, *, strength: float = 1.0) -> Channel:
    """The blocks of a random isometry, mixed with doing nothing: `strength` 0 is the identity."""
    rng, dimension = np.random.default_rng(seed), 2**qubits
    real, imaginary = rng.normal(size=(2, operators * dimension, dimension))
    columns, _ = np.linalg.qr(real + 1j * imaginary)
    blocks = [np.sqrt(strength) * block for block in columns.reshape(operators, dimension, dimension)]
    if strength < 1:
        blocks.append(np.sqrt(1 - strength) * np.eye(dimension))
    return Channel("random", torch.tensor(np.array(blocks), dtype=torch.complex128))


def applied(channel: Channel, rho: Tensor) -> Tensor:
    """The sum of K rho K† over the Kraus operators."""
    return torch.stack([k @ rho @ k.mH for k in channel.operators]).sum(0)


def dense_transfer(channel: Channel) -> np.ndarray:
    """Tr(P_i Φ(P_j)) / d, one entry at a time."""
    words = [np.eye(1)]
    for _ in range(channel.qubits):
        words = [np.kron(word, single) for word, single in itertools.product(words, (I2, X, Y, Z))]
    images = [applied(channel, torch.tensor(word, dtype=torch.complex128)).numpy() for word in words]
    return np.array([[np.trace(p @ image).real for image in images] for p in words]) / 2**channel.qubits
