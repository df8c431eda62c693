"""What the rest of the package speaks: the classifier protocol, its capabilities, boxes and costs."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor

from counterspin.errors import InputError

if TYPE_CHECKING:
    from counterspin.circuits import Circuit, Readout
    from counterspin.noise import NoiseModel, Placed
    from counterspin.optimum import AffineMap
    from counterspin.simulation import EffectiveObservables

__all__ = [
    "Box",
    "Classifier",
    "Cost",
    "CountsShots",
    "Differentiable",
    "Freezable",
    "HasAffineInputs",
    "HasChannels",
    "HasCircuit",
    "HasEffectiveObservables",
    "HasEngine",
    "HasObservables",
    "HasStates",
    "HasSubstitute",
    "HasTwin",
    "HasUndefended",
    "Outputs",
    "PricesCalls",
    "Reseedable",
    "Sampled",
]

Outputs = Literal["logits", "probabilities", "expectations"]


@dataclass(frozen=True, eq=False)
class Box:
    """Per-feature bounds of the admissible inputs.

    Args:
        lower: lowest value of each feature, `(features,)`; minus infinity where there is none.
        upper: highest value of each feature, `(features,)`.
        periodic: features on a circle (angles), `(features,)` bool; they wrap around instead of being clipped.

    Example:
        >>> box = Box.uniform(0.0, 1.0, features=3)
        >>> box.contains(torch.tensor([[0.0, 0.5, 1.0], [0.0, 0.5, 1.5]])).tolist()
        [True, False]
    """

    lower: Tensor
    upper: Tensor
    periodic: Tensor

    def __post_init__(self) -> None:
        """Refuse bounds that are mis-shaped, not numbers, or empty."""
        if self.lower.ndim != 1 or self.lower.shape != self.upper.shape or self.lower.shape != self.periodic.shape:
            raise InputError(
                f"Box: lower {tuple(self.lower.shape)}, upper {tuple(self.upper.shape)} and periodic "
                f"{tuple(self.periodic.shape)} must share one shape (features,)."
            )
        if torch.isnan(self.lower).any() or torch.isnan(self.upper).any() or bool((self.lower >= self.upper).any()):
            raise InputError("Box: each lower bound must be a number below its upper bound.")
        span = self.upper - self.lower
        if bool((self.periodic & ~torch.isfinite(span)).any()):
            raise InputError("Box: a periodic feature needs finite bounds (its period is upper - lower).")

    @classmethod
    def uniform(cls, low: float, high: float, features: int) -> Box:
        """The same bounds `[low, high]` for every feature."""
        return cls(
            torch.full((features,), float(low), dtype=torch.float64),
            torch.full((features,), float(high), dtype=torch.float64),
            torch.zeros(features, dtype=torch.bool),
        )

    @classmethod
    def unbounded(cls, features: int) -> Box:
        """No bounds at all."""
        return cls.uniform(-torch.inf, torch.inf, features)

    @property
    def features(self) -> int:
        """Number of features."""
        return self.lower.shape[0]

    @property
    def is_unbounded(self) -> bool:
        """Whether no feature has a bound."""
        return bool(torch.isinf(self.lower).all() and torch.isinf(self.upper).all())

    def contains(self, x: Tensor, tolerance: float = 0.0) -> Tensor:
        """Which rows of `x` `(batch, features)` lie in the box up to `tolerance`; periodic features always do."""
        inside = (x >= self.lower.to(x) - tolerance) & (x <= self.upper.to(x) + tolerance)
        return (inside | self.periodic.to(x.device)).all(dim=-1)

    def clamp(self, x: Tensor) -> Tensor:
        """The nearest point of the box to each row of `x` `(..., features)`: clipped, or wrapped where periodic."""
        lower, upper = self.lower.to(x), self.upper.to(x)
        clipped = torch.minimum(torch.maximum(x, lower), upper)
        if not bool(self.periodic.any()):
            return clipped
        span = torch.where(self.periodic.to(x.device), upper - lower, torch.ones_like(upper))
        start = torch.where(self.periodic.to(x.device), lower, torch.zeros_like(lower))
        return torch.where(self.periodic.to(x.device), start + torch.remainder(x - start, span), clipped)


@dataclass(frozen=True)
class Cost:
    """What a computation spent, in total over samples.

    Args:
        forwards: model evaluations, one per sample.
        backwards: adjoint (autodiff) gradients, one per sample.
        circuits: circuit executions; a forward counts one per sample, parameter-shift every shifted circuit.
        shots: measurement shots.
        jobs: batches of circuits handed to a device; simulators take none.
    """

    forwards: int = 0
    backwards: int = 0
    circuits: int = 0
    shots: int = 0
    jobs: int = 0

    def __add__(self, other: Cost) -> Cost:
        """Add cost by cost."""
        return Cost(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))


@runtime_checkable
class Classifier(Protocol):
    """Any model counterspin can look at.

    Calling it with `x` `(batch, features)` gives class scores `(batch, classes)`; the largest score wins. It computes
    in the dtype of `x`, so that verdicts can be recomputed in float64.
    """

    @property
    def bounds(self) -> Box:
        """The box the inputs live in."""
        ...

    @property
    def classes(self) -> int:
        """Number of classes, at least 2."""
        ...

    @property
    def outputs(self) -> Outputs:
        """What the scores are."""
        ...

    @property
    def stochastic(self) -> bool:
        """Whether two calls with one input may differ."""
        ...

    def __call__(self, x: Tensor, /) -> Tensor:
        """Scores `(batch, classes)` of `x` `(batch, features)`."""
        ...


@runtime_checkable
class Differentiable(Protocol):
    """A classifier whose scores carry an autograd graph to `x` (`differentiable` is True)."""

    @property
    def differentiable(self) -> bool:
        """Whether autograd reaches the input."""
        ...


@runtime_checkable
class HasCircuit(Protocol):
    """A classifier that ends in one circuit: `scores = run(circuit, circuit_inputs(x), weights, readout)`.

    Unless it has channels between the gates (`HasChannels`).
    """

    @property
    def circuit(self) -> Circuit:
        """The circuit."""
        ...

    @property
    def weights(self) -> Tensor:
        """The circuit's weights `(weights,)`."""
        ...

    @property
    def readout(self) -> Readout:
        """How measured outcomes become class scores."""
        ...

    def circuit_inputs(self, x: Tensor, /) -> Tensor:
        """What enters the circuit, `(batch, inputs)`, attached to autograd: the features or a classical map of them."""
        ...


@runtime_checkable
class HasEffectiveObservables(Protocol):
    """A frozen amplitude-encoded classifier: each score is a quadratic form of the unit input."""

    def effective_observables(self) -> EffectiveObservables:
        """The classes' observables in the Heisenberg picture; raises ConditionsError where there are none."""
        ...


@runtime_checkable
class HasChannels(Protocol):
    """A classifier whose circuit runs with channels between its gates: `run(circuit, ...)` is not its score."""

    @property
    def channels(self) -> tuple[Placed, ...]:
        """What acts between the gates, and where."""
        ...


@runtime_checkable
class HasObservables(Protocol):
    """A classifier whose scores are expectation values of Hermitian matrices in the final state of one circuit."""

    @property
    def circuit(self) -> Circuit:
        """The circuit; its inputs are the features."""
        ...

    @property
    def weights(self) -> Tensor:
        """The circuit's weights `(weights,)`."""
        ...

    def observables(self) -> Tensor:
        """One matrix per class, `(classes, 2**qubits, 2**qubits)` complex."""
        ...


@runtime_checkable
class HasAffineInputs(Protocol):
    """A classifier of affinely mapped features: `model(x) = body(input_map()(x))`."""

    @property
    def body(self) -> Any:
        """The classifier of the mapped features."""
        ...

    def input_map(self) -> AffineMap:
        """The map with its current values."""
        ...


@runtime_checkable
class HasEngine(Protocol):
    """A classifier whose circuit may be run by either engine; `engine` is what is asked for and may be set."""

    engine: str

    def runs_on(self) -> str:
        """What computes its scores: `compiled (v4)` or `torch`, followed by `, folded` where no circuit is run."""
        ...


@runtime_checkable
class HasStates(Protocol):
    """A classifier that can show the pure state it measures."""

    def states(self, x: Tensor, /) -> Tensor:
        """State vectors `(batch, 2**qubits)` right before the measurement."""
        ...


@runtime_checkable
class Sampled(Protocol):
    """A classifier that can be read with finite shots and under noise."""

    def sample(
        self, x: Tensor, /, *, shots: int | None, generator: torch.Generator, noise: NoiseModel | None = None
    ) -> Tensor:
        """Scores `(batch, classes)` estimated from `shots` measurements per sample; None: infinitely many."""
        ...


@runtime_checkable
class CountsShots(Protocol):
    """A stochastic classifier that knows what one call costs."""

    @property
    def shots_per_call(self) -> int:
        """Measurement shots of one call, per sample."""
        ...


@runtime_checkable
class PricesCalls(Protocol):
    """A classifier that runs more, or something else, than one circuit per sample of a call: one on a device."""

    def call_price(self, rows: int, /) -> Cost:
        """What one call on `rows` rows costs."""
        ...


@runtime_checkable
class Reseedable(Protocol):
    """A stochastic classifier that can start over from a seed."""

    def seeded(self, seed: int, /) -> Classifier:
        """The same classifier with a random stream of its own, started from `seed`."""
        ...


@runtime_checkable
class Freezable(Protocol):
    """A stochastic classifier whose randomness can be fixed."""

    def frozen(self, seed: int, /) -> Classifier:
        """A deterministic classifier that uses the random numbers of `seed` in every call."""
        ...


@runtime_checkable
class HasSubstitute(Protocol):
    """A defended classifier with a step that has no useful gradient, which knows what an attacker puts in its place."""

    @property
    def substitute(self) -> Classifier:
        """The same classifier with that step replaced by a differentiable one, mostly the identity."""
        ...


@runtime_checkable
class HasUndefended(Protocol):
    """A classifier that wraps another one and shows it."""

    @property
    def undefended(self) -> Classifier:
        """The classifier without the defence."""
        ...


@runtime_checkable
class HasTwin(Protocol):
    """A stochastic classifier that knows the one its scores would average to."""

    @property
    def twin(self) -> Classifier:
        """The classifier of infinitely many shots."""
        ...
