"""Support vector machines on the fidelity of encoded states."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from counterspin.circuits import Circuit
from counterspin.errors import ConditionsError, InputError, ModelError
from counterspin.models._bounds import box_from_json, box_to_json
from counterspin.simulation import EffectiveObservables, final_states
from counterspin.types import Box, Outputs
from counterspin.validation import as_features, as_labels

__all__ = ["KernelClassifier", "fidelity_kernel"]


def fidelity_kernel(first: Tensor, second: Tensor) -> Tensor:
    r"""Fidelities :math:`|\langle\phi_i|\phi_j'\rangle|^2` `(n, m)` of states `(n, dimension)` and `(m, dimension)`.

    Example:
        >>> plus = torch.tensor([[1.0, 1.0]]).to(torch.complex64) / 2**0.5
        >>> round(fidelity_kernel(plus, torch.eye(2, dtype=torch.complex64))[0, 0].item(), 6)
        0.5
    """
    overlaps = first.conj() @ second.T
    return overlaps.real.square() + overlaps.imag.square()


class KernelClassifier(nn.Module):
    r"""Scores from fidelities with support vectors, one decision function per class.

    .. math:: f_k(x) = \sum_i \alpha_{ki}\, |\langle\phi(x_i)|\phi(x)\rangle|^2 + b_k
              = \langle\phi(x)|A_k|\phi(x)\rangle, \qquad A_k = \sum_i \alpha_{ki} |\phi_i\rangle\langle\phi_i| + b_k 1

    Two classes have one decision function `f`, positive for class 1: their scores are `-f/2` and `f/2`, so that the
    margin is `f`. More classes are one against the rest, and the largest score wins. One-against-one machines are
    refused: they vote, and a vote is no argmax of scores that are quadratic in the state.

    With data in the amplitudes alone the gates play no role (a fidelity does not feel a fixed unitary) and are left
    out; the scores are then quadratic forms of the unit input and the radius is exact. Otherwise `A_k` is a Hermitian
    readout of the feature-map circuit, see `observables`.

    Args:
        circuit: feature map.
        weights: its weights `(weights,)`, frozen.
        support_states: states of the support vectors `(support, 2**qubits)` complex.
        coefficients: α `(classes, support)`, signs included; for two classes the rows are each other's negative.
        intercept: b `(classes,)`.
        bounds: the box the features live in.

    Raises:
        ModelError: parts that do not fit together.

    Example:
        >>> from counterspin.circuits import amplitude_encoding
        >>> x = torch.tensor([[1.0, 0.1], [0.9, 0.0], [0.1, 1.0], [0.0, 0.8]])
        >>> model = KernelClassifier.fit(amplitude_encoding(2), x, [0, 0, 1, 1], Box.uniform(0, 1, features=2))
        >>> model(x).argmax(dim=1).tolist()
        [0, 0, 1, 1]
    """

    outputs: Outputs = "logits"
    stochastic = False
    differentiable = True
    weights: Tensor
    support_states: Tensor
    coefficients: Tensor
    intercept: Tensor

    def __init__(
        self,
        circuit: Circuit,
        weights: Tensor,
        support_states: Tensor,
        coefficients: Tensor,
        intercept: Tensor,
        bounds: Box,
    ) -> None:
        super().__init__()
        if bounds.features != circuit.inputs:
            raise ModelError(f"bounds cover {bounds.features} features; the circuit takes {circuit.inputs}.")
        if coefficients.shape != (len(intercept), len(support_states)) or len(intercept) < 2:
            raise ModelError(
                f"coefficients {tuple(coefficients.shape)}, intercept {tuple(intercept.shape)} and "
                f"{len(support_states)} support states do not fit; give (classes, support) and (classes,), 2 classes "
                "or more."
            )
        circuit, weights = _without_gates(circuit, weights)
        if support_states.shape[1] != 2**circuit.qubits:
            raise ModelError(
                f"support states have {support_states.shape[1]} amplitudes; the circuit has {2**circuit.qubits}."
            )
        self.circuit = circuit
        self.bounds = bounds
        self.classes = len(intercept)
        self.register_buffer("weights", weights.detach().double().clone())
        self.register_buffer("support_states", support_states.detach().to(torch.complex128).clone())
        self.register_buffer("coefficients", coefficients.detach().double().clone())
        self.register_buffer("intercept", intercept.detach().double().clone())

    @classmethod
    def fit(
        cls, circuit: Circuit, x: Any, y: Any, bounds: Box, *, weights: Tensor | None = None, c: float = 1.0
    ) -> KernelClassifier:
        """Train with scikit-learn on the fidelities of the samples.

        Args:
            circuit: feature map.
            x: samples `(samples, features)`.
            y: labels `(samples,)`, all of 0 … classes-1 present.
            bounds: the box the features live in.
            weights: of the circuit; None: it has none.
            c: penalty of margin violations.

        Raises:
            InputError: data that cannot be used, or a class without samples.
        """
        # Here: scikit-learn takes a second to import, and most models never train a machine.
        from sklearn.multiclass import OneVsRestClassifier
        from sklearn.svm import SVC

        x = as_features(x, bounds).to(torch.float64)
        labels = as_labels(y, int(torch.as_tensor(y).max()) + 1, len(x))
        missing = sorted(set(range(max(2, int(labels.max()) + 1))) - set(labels.tolist()))
        if missing:
            raise InputError(f"y has no sample of class {missing[0]}; name the classes 0, 1, … without gaps.")
        weights = torch.zeros(0, dtype=torch.float64) if weights is None else weights
        states = _states(*_without_gates(circuit, weights), x)
        machine = SVC(kernel="precomputed", C=c)
        estimator = machine if int(labels.max()) == 1 else OneVsRestClassifier(machine)
        estimator.fit(fidelity_kernel(states, states).numpy(), labels.numpy())
        return cls.from_sklearn(estimator, circuit, x, bounds, weights=weights)

    @classmethod
    def from_sklearn(
        cls, estimator: Any, circuit: Circuit, x: Any, bounds: Box, *, weights: Tensor | None = None
    ) -> KernelClassifier:
        """A machine scikit-learn fitted on the fidelities of `x` `(samples, features)`.

        Args:
            estimator: an `SVC(kernel="precomputed")` of two classes or a `OneVsRestClassifier` of such, labels 0, 1, ….
            circuit: feature map.
            x: the samples it was fitted on, in their order.
            bounds: the box the features live in.
            weights: of the circuit; None: it has none.

        Raises:
            ConditionsError: a one-against-one machine, or another kernel.
            InputError: labels other than 0, 1, …, or other samples than it was fitted on.
        """
        machines = _machines(estimator)
        x = as_features(x, bounds).to(torch.float64)
        alpha = np.zeros((len(machines), len(x)))
        for row, machine in zip(alpha, machines, strict=True):
            if machine.shape_fit_[0] != len(x):
                raise InputError(
                    f"x has {len(x)} samples and the machine was fitted on {machine.shape_fit_[0]}; give the same ones."
                )
            row[machine.support_] = machine.dual_coef_[0]
        intercept = np.array([machine.intercept_[0] for machine in machines])
        if len(machines) == 1:
            alpha, intercept = np.array([[-0.5], [0.5]]) * alpha, np.array([-0.5, 0.5]) * intercept
        weights = torch.zeros(0, dtype=torch.float64) if weights is None else weights
        used = torch.from_numpy(np.flatnonzero(np.abs(alpha).sum(axis=0)))
        states = _states(*_without_gates(circuit, weights), x[used])
        return cls(circuit, weights, states, torch.from_numpy(alpha)[:, used], torch.from_numpy(intercept), bounds)

    def forward(self, x: Tensor) -> Tensor:
        """Scores `(batch, classes)` of `x` `(batch, features)`."""
        states = final_states(self.circuit, x, self.weights)
        fidelities = fidelity_kernel(states, self.support_states.to(states))
        return torch.nn.functional.linear(fidelities, self.coefficients.to(x), self.intercept.to(x))

    def states(self, x: Tensor) -> Tensor:
        """Encoded states `(batch, 2**qubits)`."""
        with torch.no_grad():
            return final_states(self.circuit, x, self.weights)

    def observables(self) -> Tensor:
        """The readout `A_k` of the feature-map circuit's final state, `(classes, D, D)` complex128, Hermitian."""
        states = self.support_states
        projectors = torch.einsum("ks,si,sj->kij", self.coefficients.to(states), states, states.conj())
        one = torch.eye(states.shape[1], dtype=states.dtype)
        return projectors + self.intercept.to(states)[:, None, None] * one

    def effective_observables(self) -> EffectiveObservables:
        """The model as one observable per class of the encoded amplitudes.

        Raises:
            ConditionsError: data enters through gate angles.
        """
        amplitudes = self.circuit.amplitudes
        if amplitudes is None or self.circuit.depends_on_inputs_by_gates:
            raise ConditionsError(
                "the kernel encodes data in gate angles, so its scores are no quadratic form of the input; use a bound "
                "for angle encodings on its observables."
            )
        return EffectiveObservables(self.observables(), amplitudes.length, amplitudes.complex_data)

    def config(self) -> dict[str, Any]:
        """Everything but the tensors, as JSON values."""
        return {
            "circuit": self.circuit.to_json(),
            "bounds": box_to_json(self.bounds),
            "classes": self.classes,
            "support": len(self.support_states),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> KernelClassifier:
        """The model `config` describes, with empty tensors."""
        circuit = Circuit.from_json(config["circuit"])
        classes, support = config["classes"], config["support"]
        return cls(
            circuit,
            torch.zeros(circuit.weights),
            torch.zeros(support, 2**circuit.qubits),
            torch.zeros(classes, support),
            torch.zeros(classes),
            box_from_json(config["bounds"]),
        )


def _without_gates(circuit: Circuit, weights: Tensor) -> tuple[Circuit, Tensor]:
    """A feature map of amplitudes alone without its gates, which no fidelity feels; any other as it is."""
    if circuit.amplitudes is None or circuit.depends_on_inputs_by_gates:
        return circuit, weights
    return Circuit(circuit.qubits, amplitudes=circuit.amplitudes), weights[:0]


def _states(circuit: Circuit, weights: Tensor, x: Tensor) -> Tensor:
    with torch.no_grad():
        return final_states(circuit, x, weights.double())


def _machines(estimator: Any) -> list[Any]:
    """The decision functions of a fitted scikit-learn machine: one for two classes, else one per class."""
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.svm import SVC

    if not hasattr(estimator, "classes_"):
        raise InputError(f"estimator {estimator!r} is not fitted; call its fit first.")
    several = isinstance(estimator, OneVsRestClassifier)
    machines = list(estimator.estimators_) if several else [estimator]
    if not all(isinstance(machine, SVC) and machine.kernel == "precomputed" for machine in machines):
        raise ConditionsError(
            f"estimator is {estimator!r}; a fidelity kernel is given as SVC(kernel='precomputed') or a "
            "OneVsRestClassifier of it."
        )
    classes = np.asarray(estimator.classes_).tolist()
    if not several and len(classes) > 2:
        raise ConditionsError(
            f"estimator is a one-vs-one machine of {len(classes)} classes: it votes among pairs, which is no argmax "
            "of scores and has no class observables; wrap the SVC in a OneVsRestClassifier."
        )
    if classes != list(range(len(classes))):
        raise InputError(f"the machine's labels are {classes}; fit it on labels 0, 1, … in the order of the classes.")
    return machines
