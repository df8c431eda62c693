"""A circuit under a noise model, as a classifier read with infinitely many shots."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from counterspin.circuits import Readout
from counterspin.errors import ConditionsError, UsageError
from counterspin.mitigation.base import Mitigation
from counterspin.models.folded_forms import FoldedForms
from counterspin.models.noisy_circuit import CircuitPlacement, noisy_circuit
from counterspin.models.noisy_scores import noisy_observables, noisy_price, noisy_scores
from counterspin.models.noisy_words import noisy_words
from counterspin.noise import NoiseModel
from counterspin.simulation import (
    FOLDED_QUBITS,
    EffectiveObservables,
    NoiseEngine,
    check_engine,
    checked_inputs,
    engine_name,
    folded_scores,
    noise_engine,
    noisy_density,
)
from counterspin.simulation.preparation import prepared_inputs
from counterspin.types import Box, Cost, HasEffectiveObservables, Outputs

__all__ = ["NoisyClassifier"]


class NoisyClassifier(nn.Module):
    """A deterministic, differentiable classifier: the circuit of another one under noise, with infinitely many shots.

    Channels between the gates are simulated exactly up to 8 qubits, and by averages over drawn errors beyond, always
    the same ones (`engine_note` says which). Scores depend on the row alone. It shows a circuit, but its scores are not
    those of that circuit: whoever runs `circuit` must apply `noise` too, and `mitigation`. Once no parameter requires a
    gradient, a purely amplitude-encoded circuit is folded to one quadratic form per class. `SampledModel` reads it with
    finite shots.

    Args:
        body: a classifier that shows its circuit; its weights, its front and its head are shared, not copied.
        noise: what the circuit runs under; None: that of the placement.
        placement: the circuit as a device runs it, made from the body's circuit, or from `prepared_circuit` of it where
            the preparation is simulated; None: as it is.
        mitigation: error mitigation of the measured values; None: none. Probabilities become expectations, which may
            leave [0, 1].
        preparation: of encoded amplitudes: `"ideal"`, or `"simulated"` by a circuit of `RY` and CNOT gates, on which
            noise per gate acts too. That makes data enter through gate angles: nothing exact is said of it.
        seed: of the drawn errors beyond 8 qubits.
        engine: which engine runs the circuit, see `simulation.run`; may be changed later.

    Raises:
        CapabilityError: the body shows no circuit, or has noise of its own.
        UsageError: noise that does not fit the circuit, none at all, an unknown engine or preparation.
        ModelError: a placement of another circuit.

    Example:
        >>> from counterspin.circuits import Circuit, PauliExpectations, feature
        >>> from counterspin.models.quantum import QuantumClassifier
        >>> from counterspin.noise.channels import after_every_gate, depolarizing
        >>> circuit = Circuit(2).add("RY", 0, feature(0)).add("CNOT", (0, 1))
        >>> box = Box.uniform(0.0, 1.0, features=1)
        >>> body = QuantumClassifier(circuit, PauliExpectations.of("Z0", "X0"), box)
        >>> noise = NoiseModel(placed=after_every_gate(circuit, depolarizing(0.1)))
        >>> model = NoisyClassifier(body, noise=noise)
        >>> [round(score, 4) for score in model(box.lower[None])[0].tolist()]
        [0.81, 0.0]
    """

    stochastic = False
    differentiable = True

    def __init__(
        self,
        body: Any,
        *,
        noise: NoiseModel | None = None,
        placement: CircuitPlacement | None = None,
        mitigation: Mitigation | None = None,
        preparation: str = "ideal",
        seed: int = 0,
        engine: str = "auto",
    ) -> None:
        super().__init__()
        found = noisy_circuit(body, noise=noise, placement=placement, preparation=preparation)
        self.body: Any = body
        self.simulated_preparation = preparation == "simulated"
        self.placement = placement
        self.circuit, self.noise, self.channels = found.circuit, found.noise, found.channels
        self.mitigation = mitigation
        self.seed = seed
        self.engine = check_engine(engine)
        self._inside: list[NoisyClassifier] = []
        self._kept = FoldedForms()
        self.train(bool(getattr(body, "training", False)))

    @property
    def weights(self) -> Tensor:
        """The circuit's weights `(weights,)`."""
        return self.body.weights

    @property
    def readout(self) -> Readout:
        """Measurement, on the qubits where the placement leaves them, and head with its current values."""
        own: Readout = self.body.readout
        return own if self.placement is None else Readout(self.placement.measured(own.measurement), own.head)

    @property
    def bounds(self) -> Box:
        """The box of the features."""
        return self.body.bounds

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.body.classes

    @property
    def outputs(self) -> Outputs:
        """What the scores are; mitigated probabilities are expectations."""
        own: Outputs = self.body.outputs
        return "expectations" if self.mitigation is not None and own == "probabilities" else own

    @property
    def preparation(self) -> str | None:
        """What is assumed of the state preparation, in words; None where no amplitudes are encoded."""
        if self.simulated_preparation:
            return "state preparation simulated gate by gate"
        return None if self.circuit.amplitudes is None else "state preparation ideal"

    @property
    def method(self) -> NoiseEngine:
        """How the noise is simulated, and why so."""
        return noise_engine(self.circuit, self.noise, self.engine)

    @property
    def engine_note(self) -> str:
        """How the noise is simulated, and why so, as one line."""
        return f"{self.method.name}: {self.method.reason}"

    def circuit_inputs(self, x: Tensor) -> Tensor:
        """What enters the circuit `(batch, inputs)`, attached to autograd."""
        inputs = self.body.circuit_inputs(x)
        return prepared_inputs(self.body.circuit, inputs) if self.simulated_preparation else inputs

    def forward(self, x: Tensor) -> Tensor:
        """Scores `(batch, classes)` of `x` `(batch, features)`."""
        if self._is_folded():
            inputs = checked_inputs(self.circuit, self.circuit_inputs(x))
            return folded_scores(inputs, self._kept.stacked(inputs, self._changing(), self._fold))
        return self._scores(x, None, torch.Generator().manual_seed(self.seed))

    def sample(
        self, x: Tensor, *, shots: int | None, generator: torch.Generator, noise: NoiseModel | None = None
    ) -> Tensor:
        """Scores `(batch, classes)` from `shots` measurements per sample and setting (None: infinitely many).

        The circuits of a mitigation share the shots equally, rounded down, so that a mitigated score and a plain one of
        so many shots cost the same.

        Raises:
            UsageError: another noise than the model's own, or fewer shots than a mitigation has circuits.
        """
        if noise is not None and not noise.is_ideal:
            raise UsageError(
                "noise is given to a model that has its own; build another NoisyClassifier with that noise."
            )
        with torch.no_grad():
            return self._scores(x, shots, generator)

    def inside(self, body: Any) -> NoisyClassifier:
        """This noise around another classifier of the same circuit, as inside an affine map; the last one is kept."""
        # In a list, so that its parameters are not registered a second time.
        if not self._inside or self._inside[0].body is not body:
            self._inside = [self.around(body)]
        return self._inside[0]

    def around(self, body: Any, *, mitigation: Mitigation | None = None) -> NoisyClassifier:
        """A new classifier: this noise around another body, with this mitigation or another one."""
        return NoisyClassifier(
            body, noise=self.noise, placement=self.placement,
            mitigation=self.mitigation if mitigation is None else mitigation,
            preparation="simulated" if self.simulated_preparation else "ideal", seed=self.seed, engine=self.engine,
        )  # fmt: skip

    def density(self, x: Tensor) -> Tensor:
        """Density matrices `(batch, D, D)` complex128 behind the last gate, at most 8 qubits; attached to autograd.

        Global depolarising and readout errors come after it.
        """
        return noisy_density(self.circuit, self.circuit_inputs(x), self.weights, self.channels)

    def effective_observables(self) -> EffectiveObservables:
        """The frozen model, noise and linear mitigation included, as one observable per class.

        The state preparation is ideal.

        Raises:
            ConditionsError: data enters through gate angles or a classical front, drawn errors, or a mitigation that is
                not linear.
        """
        if not isinstance(self.body, HasEffectiveObservables):
            raise ConditionsError(
                f"model ({type(self.body).__name__}) under noise has no effective observables, since its circuit takes "
                "computed inputs; use a bound for any model."
            )
        return self._kept.observables(self._changing(), self._fold)

    def runs_on(self) -> str:
        """What computes the scores on the CPU, for example `compiled (v4), transfer`."""
        name = "torch" if self.engine == "torch" else engine_name()
        return f"{name}, folded" if self._is_folded() else f"{name}, {self.method.name}"

    def call_price(self, rows: int) -> Cost:
        """What one call on `rows` rows costs on a device."""
        return noisy_price(self.circuit, self.readout, self.noise, self.mitigation, rows)

    def extra_repr(self) -> str:
        """What tells two models of one circuit apart."""
        return noisy_words(
            self.circuit, self.noise, self.channels, self.readout.measurement, self.mitigation,
            simulated_preparation=self.simulated_preparation,
        )  # fmt: skip

    def _scores(self, x: Tensor, shots: int | None, generator: torch.Generator) -> Tensor:
        return noisy_scores(
            self.circuit, self.circuit_inputs(x), self.weights, self.readout, self.noise, self.mitigation,
            shots=shots, generator=generator, engine=self.engine,
        )  # fmt: skip

    def _changing(self) -> list[Tensor]:
        """What the folded forms are made of."""
        head = self.readout.head
        return [self.weights, *(vars(head).values() if head is not None else ())]

    def _fold(self) -> EffectiveObservables:
        return noisy_observables(self.circuit, self.weights.detach(), self.readout, self.noise, self.mitigation)

    def _is_folded(self) -> bool:
        # With a trainable parameter left, folding would silently cut its gradient.
        trainable = isinstance(self.body, nn.Module) and any(p.requires_grad for p in self.body.parameters())
        amplitudes = self.circuit.amplitudes is not None and not self.circuit.depends_on_inputs_by_gates
        folds = self.circuit.qubits <= FOLDED_QUBITS and (self.mitigation is None or self.mitigation.linear)
        return amplitudes and folds and not trainable and self.method.exact
