"""PennyLane's default.qubit under torch backprop, written as its documentation writes it: always a contender."""

from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.workloads import Problem, Scores, Step, step

__all__ = ["PENNYLANE", "PENNYLANE_SINGLE", "pennylane_scores", "pennylane_step", "pennylane_version", "reuploading"]

PENNYLANE = "PennyLane"
PENNYLANE_SINGLE = "PennyLane complex64"


def pennylane_version() -> str:
    """The installed version."""
    import pennylane as qml  # seconds to import: only when it is asked for

    return qml.version()


def pennylane_step(problem: Problem, *, single: bool = False) -> Step:
    """Scores and gradient by PennyLane, see `pennylane_scores`."""
    return step(pennylane_scores(problem, single=single), problem)


def pennylane_scores(problem: Problem, *, single: bool = False) -> Scores:
    """A QNode made once, the whole batch in one call by parameter broadcasting, frozen weights without gradients.

    Args:
        problem: what is computed; the QNode is written by hand for each workload, independently of our circuits.
        single: start from a complex64 state. Left to itself default.qubit keeps complex128 states whatever the dtype of
            the angles (amplitudes in float32 do make it complex64); users do not write this, it is its fastest.
    """
    import pennylane as qml

    n, depth = problem.n, problem.depth
    layers = _layers(problem)
    zero = torch.zeros(2**n, dtype=torch.complex64)
    zero[0] = 1.0

    @qml.qnode(qml.device("default.qubit", wires=n), interface="torch", diff_method="backprop")
    def node(x: Tensor, weights: Tensor) -> list[object]:
        if single:
            qml.StatePrep(zero, wires=range(n))
        layers(x, weights, n, depth)
        return [qml.expval(qml.Z(0)), qml.expval(qml.Z(1))]

    return lambda x, weights: torch.stack(node(x, weights), dim=1)


def _layers(problem: Problem) -> Callable[[Tensor, Tensor, int, int], None]:
    return {
        "reuploading": reuploading,
        "amplitudes": _amplitudes,
        "brick-rzz": _brick,
        "crx-ladder": _ladder,
    }[problem.workload]


def reuploading(x: Tensor, weights: Tensor, n: int, depth: int) -> None:
    import pennylane as qml

    scales, angles = weights[: depth * n].reshape(depth, n), weights[depth * n :].reshape(depth, n, 3)
    for layer in range(depth):
        qml.AngleEmbedding(scales[layer] * x, wires=range(n), rotation="Y")
        for q in range(n):
            qml.Rot(*angles[layer, q], wires=q)
        for q in range(n):
            qml.CNOT([q, (q + 1) % n])


def _amplitudes(x: Tensor, weights: Tensor, n: int, depth: int) -> None:
    import pennylane as qml

    qml.AmplitudeEmbedding(x, wires=range(n), normalize=True)
    qml.StronglyEntanglingLayers(weights.reshape(depth, n, 3), wires=range(n))


def _brick(x: Tensor, weights: Tensor, n: int, depth: int) -> None:
    import pennylane as qml

    for layer in weights.reshape(depth, 2, n):
        qml.AngleEmbedding(x, wires=range(n), rotation="X")
        for q in range(n):
            qml.RZ(layer[0, q], wires=q)
        for q in range(n):
            qml.IsingZZ(layer[1, q], wires=[q, (q + 1) % n])


def _ladder(x: Tensor, weights: Tensor, n: int, depth: int) -> None:
    import pennylane as qml

    for layer in weights.reshape(depth, 4 * n - 1):
        qml.AngleEmbedding(x, wires=range(n), rotation="Y")
        for q in range(n):
            qml.Rot(*layer[3 * q : 3 * q + 3], wires=q)
        for q in range(n - 1):
            qml.CRX(layer[3 * n + q], wires=[q, q + 1])
