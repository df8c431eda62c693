"""What the engine benchmark computes: circuits, their data, and one call of value and gradient."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from counterspin.circuits import (
    Circuit,
    PauliExpectations,
    Readout,
    amplitude_encoding,
    feature,
    reuploading,
    strongly_entangling,
    weight,
)

__all__ = ["HIGH", "MEASUREMENT", "READOUT", "Gradient", "Problem", "Scores", "Step", "build", "step"]

# Two expectation values, one per class; every workload measures them.
MEASUREMENT = PauliExpectations.of("Z0", "Z1")
READOUT = Readout(MEASUREMENT)

# Features are angles in [0, HIGH].
HIGH = 3.14

Gradient = Literal["inputs", "weights"]

Scores = Callable[[Tensor, Tensor], Tensor]
"""Inputs `(batch, inputs)` and weights `(weights,)` to class scores `(batch, 2)`."""

Step = Callable[[], tuple[Tensor, Tensor]]
"""One timed call: scores `(batch, 2)` and the gradient asked for."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A batch of inputs through one circuit, with the gradient of the margin.

    Args:
        workload: name of the family, see `build`.
        circuit: what is run.
        depth: number of its layers.
        batch: number of samples.
        gradient: with respect to what.
        dtype: of inputs and weights.
    """

    workload: str
    circuit: Circuit
    depth: int
    batch: int = 256
    gradient: Gradient = "inputs"
    dtype: torch.dtype = torch.float32

    @property
    def n(self) -> int:
        """Number of qubits."""
        return self.circuit.qubits

    @cached_property
    def x(self) -> Tensor:
        """Inputs `(batch, inputs)`, the same for every engine."""
        generator = torch.Generator().manual_seed(1)
        return HIGH * torch.rand(self.batch, self.circuit.inputs, generator=generator, dtype=self.dtype)

    @cached_property
    def weights(self) -> Tensor:
        """Weights `(weights,)`: re-uploading scales near 1, angles anywhere."""
        generator = torch.Generator().manual_seed(2)
        values = HIGH * (2 * torch.rand(self.circuit.weights, generator=generator, dtype=self.dtype) - 1)
        scales = sorted(self.circuit.scaling_weights)
        values[scales] = 1.0 + 0.1 * values[scales]
        return values


def build(workload: str, n: int, depth: int) -> Circuit:
    """The circuit of a workload.

    * `reuploading`: RY(s x), Rot and a ring of CNOTs per layer.
    * `amplitudes`: 2ⁿ amplitudes, then Rot and rings of CNOTs of growing range per layer.
    * `brick-rzz`: RX(x), RZ and a ring of RZZ per layer; `brick-cnot`: the same with CNOTs in their place.
    * `crx-ladder`: RY(x), Rot and CRX from every qubit to the next; `cnot-ladder`: the same with CNOTs.
    """
    match workload:
        case "reuploading":
            return reuploading(n, depth)
        case "amplitudes":
            return amplitude_encoding(2**n) + strongly_entangling(n, depth)
        case "brick-rzz":
            return _brick(n, depth, "RZZ")
        case "brick-cnot":
            return _brick(n, depth, "CNOT")
        case "crx-ladder":
            return _ladder(n, depth, "CRX")
        case "cnot-ladder":
            return _ladder(n, depth, "CNOT")
    raise ValueError(f"no workload {workload!r}")


def step(scores: Scores, problem: Problem) -> Step:
    """One call as an attack (gradient of the inputs) or a training step (of the weights) makes it."""
    x = problem.x.clone().requires_grad_(problem.gradient == "inputs")
    weights = problem.weights.clone().requires_grad_(problem.gradient == "weights")
    wanted = x if problem.gradient == "inputs" else weights

    def call() -> tuple[Tensor, Tensor]:
        values = scores(x, weights)
        (gradient,) = torch.autograd.grad((values[:, 0] - values[:, 1]).sum(), wanted)
        return values.detach(), gradient

    return call


def _brick(n: int, depth: int, entangler: str) -> Circuit:
    circuit = Circuit(n)
    for _ in range(depth):
        for q in range(n):
            circuit = circuit.add("RX", q, feature(q)).add("RZ", q, weight(circuit.weights))
        for q in range(n):
            circuit = _entangled(circuit, entangler, (q, (q + 1) % n))
        circuit = circuit.end_layer()
    return circuit


def _ladder(n: int, depth: int, entangler: str) -> Circuit:
    circuit = Circuit(n)
    for _ in range(depth):
        for q in range(n):
            first = circuit.weights
            circuit = circuit.add("RY", q, feature(q)).add("Rot", q, *(weight(first + k) for k in range(3)))
        for q in range(n - 1):
            circuit = _entangled(circuit, entangler, (q, q + 1))
        circuit = circuit.end_layer()
    return circuit


def _entangled(circuit: Circuit, kind: str, pair: tuple[int, int]) -> Circuit:
    return circuit.add(kind, pair) if kind == "CNOT" else circuit.add(kind, pair, weight(circuit.weights))
