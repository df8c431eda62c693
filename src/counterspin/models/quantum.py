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
from counterspin.errors import ModelError
from counterspin.models._bounds import box_from_json, box_to_json
from counterspin.noise import NoiseModel
from counterspin.simulation import (
    EffectiveObservables,
    check_engine,
    checked_inputs,
    engine_name,
    final_states,
    fold,
    folded_scores,
    pays_to_fold,
    run,
)
from counterspin.types import Box, Outputs

__all__ = ["QuantumClassifier"]


class QuantumClassifier(nn.Module):
    """A circuit, a measurement and an optional head.

    It computes in the dtype of `x` (weights are cast). Once no parameter requires a gradient (`requires_grad_(False)`,
    as loaded recipes are), a purely amplitude-encoded circuit is folded to one quadratic form per class and reused,
    where that is faster.

    Args:
        circuit: its inputs are the features.
        measurement: what is measured.
        bounds: the box the features live in.
        head: initial scale or linear head; None: measured values are the scores.
        trainable_head: whether the head is a parameter or a constant; a scale is learned as its logarithm.
        weights: initial weights `(circuit.weights,)`; None: re-uploading scales 1, the others normal with standard
            deviation 0.3.
        generator: draws the initial weights; None: seed 0.
        engine: which engine runs the circuit, see `simulation.run`; may be changed later (`model.engine = "torch"`)
            and is not saved with the model.

    Raises:
        UsageError: an unknown engine.
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
        engine: str = "auto",
    ) -> None:
        super().__init__()
        self.engine = check_engine(engine)
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
        self._head_names: tuple[str, ...] = ()
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
        if self.readout.classes < 2:
            raise ModelError(
                f"the readout gives {self.classes} score; a classifier needs at least 2, for example by a linear head."
            )
        self._folded: tuple[Tensor, EffectiveObservables] | None = None
        self._forms: dict[tuple[torch.dtype, torch.device], Tensor] = {}

    @property
    def readout(self) -> Readout:
        """Measurement and head with their current values."""
        match self._head_names:
            case ("scale",):
                return Readout(self.measurement, Scale(self.scale))
            case ("log_scale",):
                return Readout(self.measurement, Scale(self.get_parameter("log_scale").exp()))
            case ("head_weight", "head_bias"):
                return Readout(self.measurement, Linear(self.head_weight, self.head_bias))
        return Readout(self.measurement)

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.head_bias.shape[0] if "head_bias" in self._head_names else self.measurement.values

    @property
    def outputs(self) -> Outputs:
        """Logits with a head, otherwise probabilities or expectations."""
        return "logits" if self._head_names else Readout(self.measurement).outputs

    def forward(self, x: Tensor) -> Tensor:
        """Scores `(batch, classes)` of `x` `(batch, features)`."""
        if not self._is_folded():
            return run(self.circuit, x, self.weights, self.readout, engine=self.engine)
        return folded_scores(checked := checked_inputs(self.circuit, x), self._stacked_forms(checked))

    def circuit_inputs(self, x: Tensor) -> Tensor:
        """The features themselves."""
        return x

    def sample(
        self, x: Tensor, *, shots: int | None, generator: torch.Generator, noise: NoiseModel | None = None
    ) -> Tensor:
        """Scores `(batch, classes)` from `shots` measurements per sample (None: infinitely many) under noise."""
        with torch.no_grad():
            return run(
                self.circuit,
                x,
                self.weights,
                self.readout,
                noise=noise,
                shots=shots,
                generator=generator,
                engine=self.engine,
            )

    def states(self, x: Tensor) -> Tensor:
        """State vectors `(batch, 2**qubits)` before the measurement."""
        with torch.no_grad():
            return final_states(self.circuit, x, self.weights, engine=self.engine)

    def runs_on(self) -> str:
        """What computes the scores on the CPU: `compiled (v4)` or `torch`, and `, folded` where no circuit is run."""
        name = "torch" if self.engine == "torch" else engine_name()
        return f"{name}, folded" if self._is_folded() else name

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
        head = {name: list(getattr(self, name).shape) for name in self._head_names}
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
        self._head_names += (name,)

    def _is_folded(self) -> bool:
        # With a trainable parameter left, folding would silently cut its gradient.
        frozen = not any(p.requires_grad for p in self.parameters())
        return frozen and pays_to_fold(self.circuit, self.readout, self.engine)

    def _stacked_forms(self, x: Tensor) -> Tensor:
        """Forms of all classes side by side in the precision of `x`, `(features, classes * features)`."""
        observables = self.effective_observables()
        key = (x.dtype, x.device)
        if key not in self._forms:
            self._forms[key] = observables.stacked(x)
        return self._forms[key]


def _initial_weights(circuit: Circuit, generator: torch.Generator | None) -> Tensor:
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    weights = 0.3 * torch.randn(circuit.weights, generator=generator)
    scales = sorted(circuit.scaling_weights)
    weights[scales] = 1.0
    return weights
