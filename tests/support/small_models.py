"""Small stochastic models with closed forms, and a wrapper that counts."""

from __future__ import annotations

import torch

from counterspin.circuits import Circuit, OutcomeGroups, feature
from counterspin.models import QuantumClassifier
from counterspin.types import Box

__all__ = ["Votes", "one_qubit"]


def one_qubit():
    """Probabilities of reading 0 and 1 after RY(pi x) on |0>, (1 +- cos pi x) / 2: the boundary is at one half."""
    circuit = Circuit(1).add("RY", 0, torch.pi * feature(0)).end_layer()
    return QuantumClassifier(circuit, OutcomeGroups((0,), ((0,), (1,))), Box.uniform(0.0, 1.0, 1))


class Votes:
    """Row r predicts class k with probability `p[r, k]`, afresh in every call; rows are told apart by x[:, 0]."""

    outputs = "probabilities"
    stochastic = True
    shots_per_call = 3

    def __init__(self, p, seed=0):
        self.p = torch.as_tensor(p, dtype=torch.float64)
        self.classes = self.p.shape[1]
        self.bounds = Box.uniform(0.0, float(len(self.p)), 1)
        self.rows = 0
        self._generator = torch.Generator().manual_seed(seed)

    @property
    def x(self):
        return torch.arange(len(self.p), dtype=torch.float64)[:, None]

    def seeded(self, seed):
        return Votes(self.p, seed)

    def __call__(self, x):
        self.rows += len(x)
        drawn = torch.multinomial(self.p[x[:, 0].long()], 1, generator=self._generator)
        return torch.zeros(len(x), self.classes, dtype=x.dtype).scatter(1, drawn, 1.0)
