"""Other simulators, timed with PEERS=all and skipped where they are not installed."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.contest import contest
from benchmarks.engines import COMPILED, engine_step
from benchmarks.peers import reuploading
from benchmarks.rows import Row
from benchmarks.workloads import Problem, Step, build, step

__all__ = ["PEERS", "Peer", "rows"]

_LAYERS = 6


@dataclass(frozen=True, kw_only=True)
class Peer:
    """One simulator on the main workload, scores and input gradient.

    Args:
        make: its call for a problem; raises ImportError where it is not installed.
        sizes: pairs of qubits and batch it can do in reasonable time.
    """

    make: Callable[[Problem], Step]
    sizes: Sequence[tuple[int, int]] = ((4, 256), (8, 256))


def rows(*, repeats: int) -> list[Row]:
    """One row for each installed simulator and size; one line on standard error for each that is missing."""
    found = []
    for name, peer in PEERS.items():
        for n, batch in peer.sizes:
            circuit = build("reuploading", n, _LAYERS)
            problem = Problem(workload="reuploading", circuit=circuit, depth=_LAYERS, batch=batch)
            try:
                call = peer.make(problem)
            except ImportError as reason:
                print(f"… {name} is skipped: {reason}", file=sys.stderr)
                break
            print(f"… {name}, {n} qubits, batch {batch}", file=sys.stderr, flush=True)
            found += contest(problem, {COMPILED: engine_step(problem)}, {name: call}, repeats=repeats)
    return found


def _lightning(problem: Problem) -> Step:
    """PennyLane's compiled simulator with adjoint gradients; it runs the batch sample by sample."""
    import numpy as np
    import pennylane as qml

    device = qml.device("lightning.qubit", wires=problem.n, c_dtype=np.complex64)

    @qml.qnode(device, interface="torch", diff_method="adjoint")
    def node(x: Tensor, weights: Tensor) -> list[object]:
        reuploading(x, weights, problem.n, problem.depth)
        return [qml.expval(qml.Z(0)), qml.expval(qml.Z(1))]

    return step(lambda x, weights: torch.stack(node(x, weights), dim=1), problem)


def _jax(problem: Problem) -> Step:
    """PennyLane under jax.jit, compiled in the warm-up; scores and gradient by one traced function."""
    import jax
    import pennylane as qml

    @qml.qnode(qml.device("default.qubit", wires=problem.n), interface="jax", diff_method="backprop")
    def node(x, weights):
        reuploading(x, weights, problem.n, problem.depth)
        return [qml.expval(qml.Z(0)), qml.expval(qml.Z(1))]

    def margin(x, weights):
        scores = jax.numpy.stack(node(x, weights), axis=1)
        return (scores[:, 0] - scores[:, 1]).sum(), scores

    traced = jax.jit(jax.value_and_grad(margin, has_aux=True))
    x, weights = jax.numpy.asarray(problem.x.numpy()), jax.numpy.asarray(problem.weights.numpy())

    def call() -> tuple[Tensor, Tensor]:
        (_, scores), gradient = jax.block_until_ready(traced(x, weights))
        return torch.tensor(scores.tolist()), torch.tensor(gradient.tolist())

    return call


def _tensorcircuit(problem: Problem) -> Step:
    """TensorCircuit-NG with its torch backend, the batch by its vmap."""
    import tensorcircuit as tc

    tc.set_backend("pytorch")
    tc.set_dtype("complex64")
    n, depth = problem.n, problem.depth

    def scores(x: Tensor, weights: Tensor) -> Tensor:
        scales, angles = weights[: depth * n].reshape(depth, n), weights[depth * n :].reshape(depth, n, 3)
        circuit = tc.Circuit(n)
        for layer in range(depth):
            for q in range(n):
                circuit.ry(q, theta=scales[layer, q] * x[q])
            for q in range(n):
                phi, theta, omega = angles[layer, q]
                circuit.rz(q, theta=phi)
                circuit.ry(q, theta=theta)
                circuit.rz(q, theta=omega)
            for q in range(n):
                circuit.cnot(q, (q + 1) % n)
        values = [circuit.expectation_ps(z=[q]) for q in range(2)]
        return torch.stack([value.real for value in values])

    return step(torch.vmap(scores, in_dims=(0, None)), problem)


def _qiskit(problem: Problem) -> Step:
    """Qiskit Machine Learning's EstimatorQNN with the exact estimator and its default gradient."""
    from qiskit.circuit import ParameterVector, QuantumCircuit
    from qiskit.primitives import StatevectorEstimator
    from qiskit.quantum_info import SparsePauliOp
    from qiskit_machine_learning.connectors import TorchConnector
    from qiskit_machine_learning.neural_networks import EstimatorQNN

    n, depth = problem.n, problem.depth
    x, w = ParameterVector("x", n), ParameterVector("w", problem.circuit.weights)
    circuit = QuantumCircuit(n)
    for layer in range(depth):
        for q in range(n):
            circuit.ry(w[layer * n + q] * x[q], q)
        for q in range(n):
            first = depth * n + 3 * (layer * n + q)
            circuit.rz(w[first], q)
            circuit.ry(w[first + 1], q)
            circuit.rz(w[first + 2], q)
        for q in range(n):
            circuit.cx(q, (q + 1) % n)
    network = EstimatorQNN(
        circuit=circuit,
        estimator=StatevectorEstimator(),
        observables=[SparsePauliOp.from_sparse_list([("Z", [q], 1.0)], num_qubits=n) for q in range(2)],
        input_params=list(x),
        weight_params=list(w),
        input_gradients=True,
        default_precision=0.0,  # by default it samples
    )
    module = TorchConnector(network, initial_weights=problem.weights.numpy())
    module.requires_grad_(False)
    return step(lambda inputs, weights: module(inputs), problem)


PEERS = {
    "PennyLane jax.jit": Peer(make=_jax),
    "PennyLane lightning.qubit": Peer(make=_lightning),
    "TensorCircuit-NG torch": Peer(make=_tensorcircuit),
    # Seconds per sample: by parameter shift, one circuit per angle and sample.
    "Qiskit EstimatorQNN": Peer(make=_qiskit, sizes=((4, 2),)),
}
