"""Models of other libraries, as users build them, on four or eight features of the breast cancer data."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import minmax_scale

from benchmarks.tools import Unavailable

__all__ = ["SUBJECTS", "Subject", "samples"]

_FITTED_ON = 16


@dataclass(frozen=True, eq=False, kw_only=True)
class Subject:
    """A model and what is asked of its import.

    Args:
        name: in rows.
        build: imports the library and builds the model.
        features: as many qubits.
        rows: samples that its home computes in about a second; the time of a batch is scaled from them.
        required: how many times faster the import must be.
        weights: arguments of the model that are not its input.
    """

    name: str
    build: Callable[[], Any]
    features: int
    rows: int
    required: float
    weights: dict[str, Any] = field(default_factory=dict)


def samples(features: int) -> tuple[np.ndarray, np.ndarray]:
    """The first features of every tumour, scaled to [0, 1], and whether it is benign."""
    data = load_breast_cancer()
    return minmax_scale(data.data)[:, :features], data.target


def _few() -> tuple[np.ndarray, np.ndarray]:
    """Sixteen samples, half of them benign."""
    x, y = samples(4)
    chosen = np.concatenate([np.flatnonzero(y == label)[: _FITTED_ON // 2] for label in (0, 1)])
    return x[chosen], y[chosen]


def _estimator_network() -> Any:
    try:
        from qiskit.circuit.library import real_amplitudes, zz_feature_map
        from qiskit.quantum_info import SparsePauliOp
        from qiskit_machine_learning.neural_networks import EstimatorQNN
    except ImportError as error:
        raise Unavailable(f"Qiskit Machine Learning is not installed ({error})") from error
    features, ansatz = zz_feature_map(4, reps=2), real_amplitudes(4, reps=3)
    return EstimatorQNN(
        circuit=features.compose(ansatz),
        observables=SparsePauliOp("IIIZ"),
        input_params=features.parameters,
        weight_params=ansatz.parameters,
        input_gradients=True,
    )


def _variational_classifier() -> Any:
    try:
        from qiskit.circuit.library import real_amplitudes, zz_feature_map
        from qiskit_machine_learning.algorithms import VQC
        from qiskit_machine_learning.optimizers import COBYLA
    except ImportError as error:
        raise Unavailable(f"Qiskit Machine Learning is not installed ({error})") from error
    ansatz = real_amplitudes(4, reps=3)
    point = np.linspace(-1.5, 1.5, ansatz.num_parameters)
    # How well it is trained changes no time.
    machine = VQC(feature_map=zz_feature_map(4), ansatz=ansatz, optimizer=COBYLA(maxiter=1), initial_point=point)
    return machine.fit(*_few())


def _kernel_machine() -> Any:
    try:
        from qiskit.circuit.library import zz_feature_map
        from qiskit_machine_learning.algorithms import QSVC
        from qiskit_machine_learning.kernels import FidelityQuantumKernel
    except ImportError as error:
        raise Unavailable(f"Qiskit Machine Learning is not installed ({error})") from error
    return QSVC(quantum_kernel=FidelityQuantumKernel(feature_map=zz_feature_map(4))).fit(*_few())


def _node(device: str, qubits: int, method: str) -> Any:
    try:
        import pennylane as qml
    except ImportError as error:
        raise Unavailable(f"PennyLane is not installed ({error})") from error

    @qml.qnode(qml.device(device, wires=qubits), interface="torch", diff_method=method)
    def node(inputs: Any, weights: Any) -> Any:
        for layer in weights:
            qml.AngleEmbedding(np.pi * inputs, wires=range(qubits))
            qml.StronglyEntanglingLayers(layer[None], wires=range(qubits))
        return [qml.expval(qml.PauliZ(wire)) for wire in range(2)]

    return node


def _weights(layers: int, qubits: int) -> dict[str, Any]:
    return {"weights": np.random.default_rng(0).uniform(-np.pi, np.pi, (layers, qubits, 3))}


SUBJECTS = (
    Subject(
        name="EstimatorQNN",
        build=_estimator_network,
        features=4,
        rows=4,
        required=500.0,
        weights={"weights": np.linspace(-1.5, 1.5, 16)},
    ),
    Subject(name="VQC", build=_variational_classifier, features=4, rows=8, required=50.0),
    Subject(name="QSVC", build=_kernel_machine, features=4, rows=4, required=50.0),
    Subject(
        name="default.qubit, backprop",
        build=lambda: _node("default.qubit", 8, "backprop"),
        features=8,
        rows=256,
        required=40.0,
        weights=_weights(6, 8),
    ),
    Subject(
        name="lightning.qubit, adjoint",
        build=lambda: _node("lightning.qubit", 4, "adjoint"),
        features=4,
        rows=64,
        required=100.0,
        weights=_weights(6, 4),
    ),
)
