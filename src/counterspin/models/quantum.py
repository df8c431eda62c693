"""A circuit as a classifier."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from counterspin.circuits import (
    Circuit,
    Linear,
    Measurement,
    Readout,
    Scale,
    measurement_from_json,
    measurement_to_json,
)
from counterspin.errors import InputError, ModelError
from counterspin.models._bounds import box_from_json, box_to_json
from counterspin.noise import NoiseModel
from counterspin.simulation import EffectiveObservables, checked_inputs, final_states, fold, run
from counterspin.types import Box, Outputs

__all__ = ["QuantumClassifier"]

_FOLDED_QUBITS = 10  # beyond, classes × 4**qubits matrix entries cost more memory and time than running the circuit


class QuantumClassifier(nn.Module):
    """A circuit, a measurement and an optional head.

    It computes in the dtype of `x` (weights are cast). Once no parameter requires a gradient (`requires_grad_(False)`,
    as loaded recipes are), a purely amplitude-encoded circuit is folded to one quadratic form per class and reused.

    Args:
        circuit: its inputs are the features.
        measurement: what is measured.
        bounds: the box the features live in.
        head: initial scale or linear head; None: measured values are the scores.
        trainable_head: whether the head is a parameter or a constant; a scale is learned as its logarithm.
        weights: initial weights `(circuit.weights,)`; None: re-uploading scales 1, the others normal with standard
            deviation 0.3.
        generator: draws the initial weights; None: seed 0.

    Raises:
        ModelError: box, weights and circuit do not fit together, or a trainable scale that is not above 0.

    Example:
        >>> from counterspin.circuits import PauliExpectations, reuploading
        >>> box = Box.uniform(0.0, 1.0, features=2)
        >>> model = QuantumClassifier(reuploading(2, 3), PauliExpectations.of("Z0", "Z1"), box)
        >>> model(torch.zeros(5, 2)).shape
        torch.Size([5, 2])
    """

    stochastic = False
    differentiable = True
    scale: Tensor
    head_weight: Tensor
    head_bias: Tensor

    def __init__(
        self,
        circuit: Circuit,
        measurement: Measurement,
        bounds: Box,
        *,
        head: Scale | Linear | None = None,
        trainable_head: bool = True,
        weights: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if bounds.features != circuit.inputs:
            raise ModelError(f"bounds cover {bounds.features} features; the circuit takes {circuit.inputs}.")
        if measurement.qubits > circuit.qubits:
            raise ModelError(
                f"measurement reads qubit {measurement.qubits - 1}; the circuit has {circuit.qubits} qubits."
            )
        if weights is not None and weights.shape != (circuit.weights,):
            raise ModelError(f"weights have shape {tuple(weights.shape)}; the circuit takes ({circuit.weights},).")
        if isinstance(head, Scale) and trainable_head and not bool((head.value > 0).all()):
            raise ModelError(
                f"head is a scale of {head.value.flatten().tolist()}; a trainable scale is learned as a logarithm, so "
                "give a number above 0, or trainable_head=False."
            )
        self.circuit = circuit
        self.measurement = measurement
        self.bounds = bounds
        self.trainable_head = trainable_head
        self.weights = nn.Parameter(
            _initial_weights(circuit, generator) if weights is None else weights.detach().clone()
        )
        match head:
            case Scale(value):
                # As a logarithm it stays positive, and a step of the optimiser moves it by a share of its size.
                if trainable_head:
                    self._register_head("log_scale", value.log())
                else:
                    self._register_head("scale", value)
            case Linear(weight, bias):
                self._register_head("head_weight", weight)
                self._register_head("head_bias", bias)
            case _:
                pass
        if self.classes < 2:
            raise ModelError(
                f"the readout gives {self.classes} score; a classifier needs at least 2, for example by a linear head."
            )
        self._folded: tuple[Tensor, EffectiveObservables] | None = None
        self._forms: dict[tuple[torch.dtype, torch.device], Tensor] = {}

    @property
    def readout(self) -> Readout:
        """Measurement and head with their current values."""
        if "scale" in self._head_names():
            return Readout(self.measurement, Scale(self.scale))
        if "log_scale" in self._head_names():
            return Readout(self.measurement, Scale(self.get_parameter("log_scale").exp()))
        if "head_weight" in self._head_names():
            return Readout(self.measurement, Linear(self.head_weight, self.head_bias))
        return Readout(self.measurement)

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.readout.classes

    @property
    def outputs(self) -> Outputs:
        """Logits with a head, otherwise probabilities or expectations."""
        return self.readout.outputs

    def forward(self, x: Tensor) -> Tensor:
        """Scores `(batch, classes)` of `x` `(batch, features)`."""
        if not self._is_foldable():
            return run(self.circuit, x, self.weights, self.readout)
        x = checked_inputs(self.circuit, x)
        # x F_k for all classes in one product, then the inner products with x.
        images = (x @ self._stacked_forms(x)).unflatten(1, (self.classes, x.shape[1]))
        return torch.einsum("bkf,bf->bk", images, x) / _squared_norms(x)

    def circuit_inputs(self, x: Tensor) -> Tensor:
        """The features themselves."""
        return x

    def sample(
        self, x: Tensor, *, shots: int | None, generator: torch.Generator, noise: NoiseModel | None = None
    ) -> Tensor:
        """Scores `(batch, classes)` from `shots` measurements per sample (None: infinitely many) under noise."""
        with torch.no_grad():
            return run(self.circuit, x, self.weights, self.readout, noise=noise, shots=shots, generator=generator)

    def states(self, x: Tensor) -> Tensor:
        """State vectors `(batch, 2**qubits)` before the measurement."""
        with torch.no_grad():
            return final_states(self.circuit, x, self.weights)

    def effective_observables(self) -> EffectiveObservables:
        """The frozen model as one observable per class.

        Raises:
            ConditionsError: data enters through gate angles.
        """
        # Compared by value: tensors may be replaced or written through `.data`, which no version counter shows.
        tensors = (*self.parameters(), *self.buffers())
        values = torch.cat([t.detach().flatten().to("cpu", torch.float64) for t in tensors])
        if self._folded is None or not torch.equal(self._folded[0], values):
            self._folded = (values, fold(self.circuit, self.weights, self.readout))
            self._forms = {}
        return self._folded[1]

    def config(self) -> dict[str, Any]:
        """Everything but the weights, as JSON values."""
        head = {name: list(getattr(self, name).shape) for name in self._head_names()}
        return {
            "circuit": self.circuit.to_json(),
            "measurement": measurement_to_json(self.measurement),
            "bounds": box_to_json(self.bounds),
            "head": head,
            "trainable_head": self.trainable_head,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> QuantumClassifier:
        """The model `config` describes, with fresh weights."""
        shapes = {name: torch.ones(shape) for name, shape in config["head"].items()}
        head = None
        if "scale" in shapes or "log_scale" in shapes:
            head = Scale(torch.ones(()))
        elif "head_weight" in shapes:
            head = Linear(shapes["head_weight"], shapes["head_bias"])
        return cls(
            Circuit.from_json(config["circuit"]),
            measurement_from_json(config["measurement"]),
            box_from_json(config["bounds"]),
            head=head,
            trainable_head=config["trainable_head"],
        )

    def _register_head(self, name: str, value: Tensor) -> None:
        tensor = value.detach().clone()
        if self.trainable_head:
            self.register_parameter(name, nn.Parameter(tensor))
        else:
            self.register_buffer(name, tensor)

    def _head_names(self) -> list[str]:
        return [name for name in ("scale", "log_scale", "head_weight", "head_bias") if hasattr(self, name)]

    def _is_foldable(self) -> bool:
        # With a trainable parameter left, folding would silently cut its gradient.
        frozen = not any(p.requires_grad for p in self.parameters())
        amplitude_only = self.circuit.amplitudes is not None and not self.circuit.depends_on_inputs_by_gates
        return frozen and amplitude_only and self.circuit.qubits <= _FOLDED_QUBITS

    def _stacked_forms(self, x: Tensor) -> Tensor:
        """Forms of all classes side by side in the precision of `x`, `(features, classes * features)`."""
        observables = self.effective_observables()
        key = (x.dtype, x.device)
        if key not in self._forms:
            self._forms[key] = observables.forms().to(x).permute(1, 0, 2).flatten(1).contiguous()
        return self._forms[key]


def _initial_weights(circuit: Circuit, generator: torch.Generator | None) -> Tensor:
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    weights = 0.3 * torch.randn(circuit.weights, generator=generator)
    scales = sorted(circuit.scaling_weights)
    weights[scales] = 1.0
    return weights


def _squared_norms(x: Tensor) -> Tensor:
    squared = (x * x).sum(dim=1, keepdim=True)
    empty = squared.detach()[:, 0] == 0
    if bool(empty.any()):
        raise InputError(
            f"sample {int(empty.nonzero()[0])} is the zero vector; amplitude encoding divides by the norm, "
            "so remove such samples."
        )
    return squared
