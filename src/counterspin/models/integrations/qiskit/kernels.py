"""QSVC, PegasosQSVC and SVC with a fidelity kernel: kernel machines that become differentiable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from counterspin.circuits import Circuit
from counterspin.errors import ModelError
from counterspin.models.integrations.qiskit.assembly import Front, assemble
from counterspin.models.integrations.qiskit.circuits import unroll
from counterspin.models.integrations.qiskit.classifiers import class_names
from counterspin.models.integrations.qiskit.expressions import Parameters
from counterspin.models.integrations.qiskit.homes import attached
from counterspin.models.integrations.qiskit.primitives import sampler_shots
from counterspin.models.integrations.reading import Candidate, Options, Unreadable, Values
from counterspin.models.kernel import KernelClassifier
from counterspin.models.mapped_kernel import MappedKernelClassifier
from counterspin.simulation import final_states
from counterspin.types import Box

__all__ = ["kernel_of", "read_kernel_machine"]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Machine:
    """The decision function Σ α_i K(x, x_i) + b of a fitted machine; positive for class `above`."""

    vectors: np.ndarray
    alpha: np.ndarray
    intercept: float
    above: int


def kernel_of(machine: Any) -> Any:
    """The quantum kernel of an `SVC`, `QSVC` or `PegasosQSVC`; None where it has none."""
    kernel = getattr(machine, "quantum_kernel", None)
    return getattr(getattr(machine, "kernel", None), "__self__", None) if kernel is None else kernel


def read_kernel_machine(machine: Any, options: Options) -> Candidate:
    """A fitted binary machine as fidelities with its support vectors; others are wrapped.

    Raises:
        ModelError: a machine that was not fitted, or on precomputed kernel matrices, or on other features.
    """
    kind = f"qiskit.{type(machine).__name__}"
    kernel = kernel_of(machine)
    if kernel is None or isinstance(kernel, str):
        raise ModelError(
            f"{kind} works on precomputed kernel matrices and takes no features; give it a quantum kernel."
        )
    vectors = (
        getattr(machine, "_x_train", None)
        if hasattr(machine, "_alphas")
        else getattr(machine, "_BaseLibSVM__Xfit", None)
    )
    if vectors is None:
        raise ModelError(f"{kind} is not fitted; call its fit first.")
    features = np.asarray(vectors).shape[1]
    if features != options.x.shape[1]:
        raise ModelError(f"x has {options.x.shape[1]} features; {kind} was fitted on {features}.")
    sampled = _sampled(kernel)
    classes = np.unique(machine._y_train) if hasattr(machine, "_alphas") else machine.classes_
    home, values = _home(machine, len(classes), options.x, exact=sampled is None)
    imported, reason, above = None, sampled, None
    if len(classes) == 2:
        found = _fitted(machine, np.asarray(vectors, dtype=np.float64))
        above = found.above
        if sampled is None:
            try:
                imported = _classifier(kernel, found)
                reason = f"the feature map and {len(found.alpha)} support vectors of {type(machine).__name__} were read"
            except Unreadable as error:
                reason = f"the kernel cannot be imported: {error}"
    elif sampled is None:
        reason = (
            f"a machine of {len(classes)} classes lets pairs of them vote, which is no argmax of scores "
            f"that are smooth in the state: wrapped by its {'labels' if values == 'labels' else 'decision function'}"
        )
    return Candidate(
        kind=kind,
        home=home,
        values=values,
        home_differentiable=False,
        stochastic=sampled is not None,
        imported=imported,
        reason=f"{reason}{class_names(classes)}",
        features=features,
        above=above,
    )


def _home(machine: Any, classes: int, x: Tensor, *, exact: bool) -> tuple[Callable[[Tensor], Tensor], Values]:
    if classes == 2:
        return attached(lambda points: np.asarray(machine.decision_function(points)).reshape(-1, 1)), "logits"
    labels = np.asarray(machine.classes_).tolist()
    points = x.numpy()
    # Votes may tie where predict and the decision function take different sides.
    if exact and machine.decision_function_shape == "ovr":
        chosen = np.asarray(machine.decision_function(points)).argmax(axis=1)
        if [labels[k] for k in chosen] == np.asarray(machine.predict(points)).tolist():
            return attached(machine.decision_function), "logits"
    indices = {label: index for index, label in enumerate(labels)}
    return attached(lambda p: np.array([[indices[y]] for y in np.asarray(machine.predict(p)).tolist()])), "labels"


def _fitted(machine: Any, vectors: np.ndarray) -> _Machine:
    if hasattr(machine, "_alphas"):
        support = list(machine._alphas)
        signs = np.array([machine._label_map[label] for label in np.asarray(machine._y_train)[support].tolist()])
        alpha = np.array(list(machine._alphas.values()), dtype=np.float64) * signs
        # It adds 1 to every kernel value, and calls the smaller label positive.
        return _Machine(vectors=vectors[support], alpha=alpha, intercept=float(alpha.sum()), above=0)
    return _Machine(
        vectors=vectors[machine.support_],
        alpha=np.asarray(machine.dual_coef_[0], dtype=np.float64),
        intercept=float(machine.intercept_[0]),
        above=1,
    )


def _classifier(kernel: Any, machine: _Machine) -> KernelClassifier | MappedKernelClassifier:
    circuit, weights, front = _feature_map(kernel)
    if circuit.amplitudes is not None and not circuit.depends_on_inputs_by_gates:
        # As the machine does: no fidelity feels a fixed unitary, and both states must leave it out.
        circuit, weights = Circuit(circuit.qubits, amplitudes=circuit.amplitudes), weights[:0]
    vectors = torch.from_numpy(machine.vectors)
    inputs = vectors if front is None else front(vectors)
    with torch.no_grad():
        states = final_states(circuit, inputs, weights)
    signs = torch.tensor([[-0.5], [0.5]] if machine.above == 1 else [[0.5], [-0.5]], dtype=torch.float64)
    body = KernelClassifier(
        circuit,
        weights,
        states,
        signs * torch.from_numpy(machine.alpha),
        signs[:, 0] * machine.intercept,
        Box.unbounded(circuit.inputs),
    )
    return body if front is None else MappedKernelClassifier(front, body, Box.unbounded(vectors.shape[1]))


def _feature_map(kernel: Any) -> tuple[Circuit, Tensor, Front | None]:
    from qiskit_machine_learning.kernels import FidelityQuantumKernel, FidelityStatevectorKernel
    from qiskit_machine_learning.state_fidelities import ComputeUncompute

    if not isinstance(kernel, FidelityQuantumKernel | FidelityStatevectorKernel):
        raise Unreadable(f"{type(kernel).__name__} is no fidelity kernel")
    fidelity = getattr(kernel, "fidelity", None)
    if fidelity is not None and (not isinstance(fidelity, ComputeUncompute) or fidelity._local):
        raise Unreadable("its fidelity is not that of whole states")
    bound = dict(zip(getattr(kernel, "training_parameters", ()), getattr(kernel, "parameter_values", ()), strict=True))
    # The original map: the kernel's own may have the training parameters renumbered.
    features = [parameter for parameter in kernel.feature_map.parameters if parameter not in bound]
    parameters = Parameters(features, values={p: float(value) for p, value in bound.items()})
    assembled = assemble(unroll(kernel.feature_map), parameters, measured=())
    return assembled.circuit, assembled.weights, assembled.front


def _sampled(kernel: Any) -> str | None:
    """Why the kernel's values are random; None: they are exact."""
    if getattr(kernel, "_shots", None) is not None:
        what: str | None = f"{type(kernel).__name__} draws {kernel._shots} shots"
    else:
        sampler = getattr(getattr(kernel, "fidelity", None), "_sampler", None)
        what = None if sampler is None else sampler_shots(sampler)
    return None if what is None else f"its kernel is sampled: {what}"
