"""Random channels at random places of a circuit."""

import numpy as np
import torch

from counterspin.circuits import Circuit
from counterspin.noise.channels import amplitude_damping, bit_flip, depolarizing, phase_damping, phase_flip
from counterspin.noise.kraus import Channel, Placed

__all__ = ["isometry", "places"]

MAKERS = [depolarizing, bit_flip, phase_flip, amplitude_damping, phase_damping]


def isometry(rng: np.random.Generator, qubits: int) -> Channel:
    """A random channel: the blocks of a random isometry."""
    dimension = 2**qubits
    real, imaginary = rng.normal(size=(2, 3 * dimension, dimension))
    columns, _ = np.linalg.qr(real + 1j * imaginary)
    return Channel("isometry", torch.tensor(columns.reshape(3, dimension, dimension)))


def places(rng: np.random.Generator, circuit: Circuit, count: int, strongest: float = 0.2) -> tuple[Placed, ...]:
    """Channels of every kind at random places, every fourth one on two qubits."""
    found = []
    for k in range(count):
        wide = k % 4 == 3 and circuit.qubits > 1
        channel = isometry(rng, 2) if wide else MAKERS[k % len(MAKERS)](float(rng.uniform(0.02, strongest)))
        qubits = tuple(int(q) for q in rng.permutation(circuit.qubits)[: channel.qubits])
        found.append(Placed(after=int(rng.integers(-1, len(circuit.gates))), qubits=qubits, channel=channel))
    return tuple(found)
