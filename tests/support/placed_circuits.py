"""Placed circuits against the circuits they stand for, without noise."""

import numpy as np
import torch
from random_circuits import random_groups, random_paulis

from counterspin.circuits import Circuit, Readout
from counterspin.noise.devices.placement import Placement
from counterspin.simulation.run import run

__all__ = ["check_native", "differences"]


def differences(circuit: Circuit, placed: Placement, seed: int = 0) -> tuple[float, float]:
    """How far values and gradients of the two differ, over random inputs, weights, Pauli strings and groups."""
    rng = np.random.default_rng(seed)
    x = torch.tensor(rng.normal(size=(3, circuit.inputs)), requires_grad=True)
    w = torch.tensor(rng.normal(size=circuit.weights), requires_grad=True)
    values = gradients = 0.0
    for measurement in (random_paulis(rng, circuit.qubits), random_groups(rng, circuit.qubits)):
        before = run(circuit, x, w, Readout(measurement))
        after = run(placed.circuit, x, w, Readout(placed.measured(measurement)))
        values = max(values, float((before - after).detach().abs().max()))
        direction = torch.tensor(rng.normal(size=before.shape))
        pairs = (torch.autograd.grad((v * direction).sum(), (x, w), allow_unused=True) for v in (before, after))
        for one, other in zip(*pairs, strict=True):
            if one is not None and other is not None and one.numel():
                gradients = max(gradients, float((one - other).abs().max()))
    return values, gradients


def check_native(placed: Placement) -> None:
    """Every gate is one the device calibrates on these qubits, in this direction, and nothing else."""
    device = placed.snapshot
    for gate in placed.circuit.gates:
        place = (gate.kind, tuple(placed.physical[q] for q in gate.qubits))
        assert place in device.gates, place
        assert gate.kind in device.basis, place
