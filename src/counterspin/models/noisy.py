"""A circuit with channels between its gates, as a classifier read with infinitely many shots."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from counterspin.circuits import Circuit, Linear, Measurement, Readout, Scale
from counterspin.models.quantum import QuantumClassifier
from counterspin.noise.kraus import Placed
from counterspin.simulation import EffectiveObservables
from counterspin.simulation.density import check_channels, density_scores, fold_with_channels, noisy_density
from counterspin.types import Box, Outputs

__all__ = ["NoisyClassifier"]


class NoisyClassifier(nn.Module):
    """A deterministic, differentiable classifier of at most 5 qubits, simulated exactly by density matrices.

    It shows a circuit, but its scores are not those of that circuit alone: whoever runs `circuit` must apply `channels`
    too.

    Args:
        circuit: its inputs are the features.
        measurement: what is measured.
        bounds: the box the features live in.
        channels: what acts between the gates.
        head: scale or linear head; None: measured values are the scores.
        trainable_head: whether the head is a parameter or a constant; a scale is learned as its logarithm.
        weights: weights `(circuit.weights,)`; None: drawn as `QuantumClassifier` draws them.

    Raises:
        ModelError: box, weights, head and circuit do not fit together.
        UsageError: more than 5 qubits, or a channel outside the circuit.

    Example:
        >>> from counterspin.circuits import PauliExpectations, feature
        >>> from counterspin.noise.channels import after_every_gate, depolarizing
        >>> circuit = Circuit(2).add("RY", 0, feature(0)).add("CNOT", (0, 1))
        >>> noise = after_every_gate(circuit, depolarizing(0.1))
        >>> box = Box.uniform(0.0, 1.0, features=1)
        >>> model = NoisyClassifier(circuit, PauliExpectations.of("Z0", "X0"), box, channels=noise)
        >>> [round(score, 4) for score in model(box.lower[None])[0].tolist()]
        [0.81, 0.0]
    """

    stochastic = False
    differentiable = True

    def __init__(
        self,
        circuit: Circuit,
        measurement: Measurement,
        bounds: Box,
        *,
        channels: Sequence[Placed],
        head: Scale | Linear | None = None,
        trainable_head: bool = True,
        weights: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.channels = tuple(channels)
        check_channels(circuit, self.channels)
        self.ideal = QuantumClassifier(
            circuit, measurement, bounds, head=head, trainable_head=trainable_head, weights=weights, engine="torch"
        )

    @property
    def circuit(self) -> Circuit:
        """The circuit without its channels."""
        return self.ideal.circuit

    @property
    def weights(self) -> Tensor:
        """The circuit's weights `(weights,)`."""
        return self.ideal.weights

    @property
    def readout(self) -> Readout:
        """Measurement and head with their current values."""
        return self.ideal.readout

    @property
    def bounds(self) -> Box:
        """The box of the features."""
        return self.ideal.bounds

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.ideal.classes

    @property
    def outputs(self) -> Outputs:
        """What the scores are."""
        return self.ideal.outputs

    def circuit_inputs(self, x: Tensor) -> Tensor:
        """The features themselves."""
        return x

    def density(self, x: Tensor) -> Tensor:
        """Density matrices `(batch, D, D)` complex128 before the measurement, attached to autograd."""
        return noisy_density(self.circuit, x, self.weights, self.channels)

    def forward(self, x: Tensor) -> Tensor:
        """Scores `(batch, classes)` of `x` `(batch, features)`, computed in float64 and given in the dtype of `x`."""
        return density_scores(self.density(x), self.readout).to(x.dtype)

    def effective_observables(self) -> EffectiveObservables:
        """The frozen model, noise included, as one observable per class.

        Raises:
            ConditionsError: data enters through gate angles.
        """
        return fold_with_channels(self.circuit, self.weights, self.readout, self.channels)

    def extra_repr(self) -> str:
        """What tells two models of one circuit apart."""
        return ", ".join(f"{p.channel.name} after gate {p.after} on {p.qubits}" for p in self.channels)
