"""Models of Qiskit and Qiskit Machine Learning, recognised and read."""

from __future__ import annotations

from typing import Any

from counterspin.errors import ModelError
from counterspin.models.integrations.reading import Candidate, Options

__all__ = ["claims", "read"]

_PACKAGES = ("qiskit.", "qiskit_machine_learning.", "qiskit_aer.")


def claims(model: Any) -> bool:
    """Whether a model is Qiskit's, or a scikit-learn machine whose kernel is; imports nothing.

    Example:
        >>> claims(lambda x: x)
        False
    """
    kernel = getattr(getattr(model, "kernel", None), "__self__", None)
    return _foreign(model) or (kernel is not None and _foreign(kernel))


def read(model: Any, options: Options) -> Candidate:
    """What there is to know about a model of Qiskit.

    Args:
        model: `QuantumCircuit`, `EstimatorQNN`, `SamplerQNN`, `TorchConnector`, or a fitted `NeuralNetworkClassifier`,
            `VQC`, `QSVC`, `PegasosQSVC` or `SVC` with a quantum kernel.
        options: what the user said.

    Raises:
        ModelError: another object, a classifier that was not fitted, parameters that are not bound, see the readers.
    """
    from qiskit import QuantumCircuit

    from counterspin.models.integrations.qiskit import bare, classifiers, kernels, networks

    if isinstance(model, QuantumCircuit):
        return bare.read_circuit(model, options)
    names = {base.__name__ for base in type(model).__mro__}
    if "NeuralNetworkClassifier" in names:
        return classifiers.read_classifier(model, options)
    if "TorchConnector" in names:
        return networks.read_torch_connector(model, options)
    if "NeuralNetwork" in names:
        return networks.read_bare_network(model, options)
    if kernels.kernel_of(model) is not None and hasattr(model, "decision_function"):
        return kernels.read_kernel_machine(model, options)
    raise ModelError(
        f"{type(model).__name__} of {type(model).__module__.split('.')[0]} is no classifier; give a QuantumCircuit "
        "with a readout, an EstimatorQNN, SamplerQNN or TorchConnector, or a fitted NeuralNetworkClassifier, VQC, QSVC "
        "or PegasosQSVC."
    )


def _foreign(model: Any) -> bool:
    return any(f"{base.__module__}.".startswith(_PACKAGES) for base in type(model).__mro__)
