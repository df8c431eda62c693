"""Random angle-encoded classifiers for tests of certificates, and the best attack on them."""

from dataclasses import replace

import numpy as np
import torch
from random_circuits import random_circuit, random_groups, random_paulis

from counterspin.attacks import APGD, FMN, CoordinateAttack, Corners
from counterspin.circuits import Circuit, Linear, OutcomeGroups, Scale, feature, reuploading
from counterspin.models import QuantumClassifier
from counterspin.models.noisy import NoisyClassifier
from counterspin.noise import NoiseModel
from counterspin.noise.channels import after_every_gate, amplitude_damping, depolarizing
from counterspin.types import Box

__all__ = ["best_attack", "one_rotation", "random_model"]

FREE = Box.unbounded


def one_rotation(slope: float = 1.0, *, box: Box | None = None) -> QuantumClassifier:
    """RX(slope · x) on |0>, probabilities (1 ± cos(slope · x)) / 2: the boundary is at π / (2 slope)."""
    circuit = Circuit(1).add("RX", 0, slope * feature(0))
    return QuantumClassifier(circuit, OutcomeGroups((0,), ((0,), (1,))), box or FREE(1)).requires_grad_(False)


def random_model(seed: int, *, samples: int = 12, noisy: bool = False, plain: bool = False):
    """A classifier on 1 to 4 qubits (noisy: 3) whose data is uploaded again and again, inputs and the labels it gives.

    Args:
        seed: decides everything.
        samples: how many inputs.
        noisy: channels after every gate.
        plain: few gates (a small re-uploading circuit) instead of every gate there is.
    """
    rng = np.random.default_rng(seed)
    qubits = int(rng.integers(1, 4 if noisy else 5))
    if plain:
        circuit = reuploading(qubits, 1 + seed % 2, axis="xyz"[seed % 3], trainable_scale=False)
    else:
        circuit = random_circuit(rng, qubits, inputs=3, weights=4, extra=4)
    generator = torch.Generator().manual_seed(seed)
    measurement, head = random_paulis(rng, qubits, count=3), None
    match seed % 3:
        case 0:
            head = Linear(torch.randn(3, 3, generator=generator), 0.2 * torch.randn(3, generator=generator))
        case 1:
            head = Scale(torch.tensor(3.0))
        case _:
            measurement = random_groups(rng, qubits)
    weights = torch.randn(circuit.weights, generator=generator)
    options = {"head": head, "weights": weights}
    if noisy:
        kind = depolarizing(0.05) if seed % 2 else amplitude_damping(0.1)
        channels = after_every_gate(circuit, kind)
        body = QuantumClassifier(circuit, measurement, FREE(circuit.inputs), engine="torch", **options)
        model = NoisyClassifier(body, noise=NoiseModel(placed=channels))
    else:
        model = QuantumClassifier(circuit, measurement, FREE(circuit.inputs), **options)
    model.requires_grad_(False)
    x = 2 * torch.rand(samples, circuit.inputs, generator=generator, dtype=torch.float64) - 1
    return model, x, model(x).argmax(dim=1)


def best_attack(model, x, y, threat, *, thorough: bool = False) -> torch.Tensor:
    """Distance `(batch,)` of the nearest adversarial input FMN finds, and if `thorough` also three other attacks.

    Those are asked at two budgets below the median distance, where they could still improve on it.
    """

    def nearest(attack, threat):
        return attack(model, x, y, threat, generator=torch.Generator().manual_seed(0)).distance.amin(dim=0)

    found = nearest(FMN(steps=50, restarts=2) if thorough else FMN(steps=25, restarts=1), threat)
    if not thorough or not bool(torch.isfinite(found).any()):
        return found
    middle = float(found[torch.isfinite(found)].median())
    nearer = replace(threat, eps=(middle / 2, middle * 0.95))
    others = [APGD(steps=20, restarts=1), CoordinateAttack()] + ([Corners()] if threat.norm == "linf" else [])
    return torch.stack([found, *(nearest(attack, nearer) for attack in others)]).amin(dim=0)
