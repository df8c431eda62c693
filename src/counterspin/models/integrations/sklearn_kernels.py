"""scikit-learn machines fitted on a precomputed kernel matrix: which kernel it was is said beside them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from counterspin.circuits import Circuit
from counterspin.errors import CounterspinError, ModelError
from counterspin.models.integrations.sklearn_names import inherits
from counterspin.models.kernel import KernelClassifier, fidelity_kernel
from counterspin.simulation import final_states
from counterspin.types import Box
from counterspin.validation import as_features

__all__ = ["KernelRows", "is_precomputed", "kernel_of"]

_HOW = (
    "say which kernel it was: weights={'circuit': feature map, 'x': training samples} for fidelities of a Circuit, or "
    "weights={'kernel': function(x, training) -> matrix, 'x': training samples}"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class KernelRows:
    """A kernel with the samples a machine was fitted on.

    Args:
        compute: samples `(batch, features)` -> kernel rows `(batch, training)`, both float64.
        training: the samples `(training, features)` float64.
        circuit: the feature map, where the kernel is the fidelity of its states.
        circuit_weights: of the feature map.
    """

    compute: Callable[[np.ndarray], np.ndarray]
    training: torch.Tensor
    circuit: Circuit | None
    circuit_weights: torch.Tensor

    def imported(self, estimator: Any) -> tuple[KernelClassifier | None, str]:
        """The machine as quadratic forms of encoded states, without bounds, and a sentence on what was read or why not.

        Labels other than 0, 1, … of a two-class machine count by their order.
        """
        if self.circuit is None:
            return None, "its kernel is a function, which has no circuit to read"
        if inherits(estimator, "BaseSVC"):
            estimator = copy.copy(estimator)
            estimator.classes_ = np.arange(len(estimator.classes_))
        box = Box.unbounded(self.training.shape[1])
        try:
            machine = KernelClassifier.from_sklearn(
                estimator, self.circuit, self.training, box, weights=self.circuit_weights
            )
        except CounterspinError as error:
            return None, str(error).rstrip(".")
        support = len(machine.support_states)
        return machine, f"its {support} support vectors were read as states of the feature map"


def is_precomputed(estimator: Any) -> bool:
    """Whether a fitted estimator takes rows of a kernel or distance matrix instead of features."""
    machines = [estimator, *np.ravel(getattr(estimator, "estimators_", []))]
    return any("precomputed" in (getattr(m, "kernel", None), getattr(m, "metric", None)) for m in machines)


def kernel_of(estimator: Any, said: Mapping[str, Any]) -> KernelRows:
    """The kernel of a machine fitted on a matrix, from what the user said.

    Args:
        estimator: fitted on a precomputed kernel.
        said: `"x"`, the training samples in the order of the matrix, with `"circuit"` (and `"weights"`, of the circuit)
            or `"kernel"`, a function of two sets of samples.

    Raises:
        ModelError: not said, or another number of training samples than the machine was fitted on.
    """
    what = f"{type(estimator).__name__} was fitted on a precomputed matrix"
    unknown = sorted(set(said) - {"x", "circuit", "weights", "kernel"})
    if unknown or "x" not in said or ("circuit" in said) == ("kernel" in said):
        given = ", ".join(said) or "nothing"
        raise ModelError(f"{what} and takes no features; {_HOW} (given: {given}).")
    training = as_features(said["x"], name="weights['x']").double()
    fitted = getattr(estimator, "n_features_in_", len(training))
    if fitted != len(training):
        raise ModelError(f"{what} of {fitted} samples and weights['x'] has {len(training)}; give the same ones.")
    none = torch.zeros(0, dtype=torch.float64)
    if "kernel" in said:
        kernel, samples = said["kernel"], training.numpy()
        return KernelRows(compute=lambda x: kernel(x, samples), training=training, circuit=None, circuit_weights=none)
    circuit = said["circuit"]
    if not isinstance(circuit, Circuit):
        raise ModelError(f"weights['circuit'] is a {type(circuit).__name__}; give a counterspin Circuit.")
    weights = torch.as_tensor(said.get("weights", none), dtype=torch.float64)
    if weights.shape != (circuit.weights,):
        raise ModelError(
            f"weights['weights'] has shape {tuple(weights.shape)}; the feature map takes ({circuit.weights},)."
        )
    if circuit.inputs != training.shape[1]:
        raise ModelError(
            f"weights['x'] has {training.shape[1]} features; the feature map in weights['circuit'] takes "
            f"{circuit.inputs}."
        )
    states = final_states(circuit, training, weights)

    def compute(x: np.ndarray) -> np.ndarray:
        return fidelity_kernel(final_states(circuit, torch.from_numpy(x), weights), states).numpy()

    return KernelRows(compute=compute, training=training, circuit=circuit, circuit_weights=weights)
