"""What an integration reads out of a model of another library, and what the user said about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from torch import Tensor

if TYPE_CHECKING:
    from counterspin.circuits import Circuit, Linear, Measurement
    from counterspin.models.polynomial import PolynomialMap
    from counterspin.optimum import AffineMap
    from counterspin.types import Box, Classifier

__all__ = ["Candidate", "CircuitReading", "Options", "Unreadable", "Values"]

Values = Literal["expectations", "probabilities", "logits", "labels"]


class Unreadable(Exception):
    """A circuit that cannot be imported; the text is the reason. The model is wrapped instead, users never see it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CircuitReading:
    """A circuit read out of another library.

    Args:
        circuit: its inputs are the values of `front`; gate angles may be affine expressions of inputs and weights.
        weights: `(circuit.weights,)` float64, the angles that hang on no feature.
        front: features `(batch, features)` -> circuit inputs `(batch, circuit.inputs)`, attached to autograd, in the
            dtype of its argument; None: the inputs are the features themselves.
        measurement: what is measured.
        head: raw values = head(measured values); None: the measured values are the raw values.
    """

    circuit: Circuit
    weights: Tensor
    front: AffineMap | PolynomialMap | Callable[[Tensor], Tensor] | None
    measurement: Measurement
    head: Linear | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """What an integration found out about a foreign model.

    Args:
        kind: for example `"pennylane.QNode"`.
        home: features `(batch, features)`, float32 or float64 -> raw values `(batch, values)` as the library computes
            them, attached to autograd where `home_differentiable`; any loop over samples is hidden inside.
        values: what the raw values are.
        home_differentiable: whether autograd reaches the features.
        stochastic: whether two calls with one input may differ.
        shots: measurement shots of one call, per sample, at most; 0: none.
        imported: the circuit, or a classifier where the scores are no readout of one (kernel machines; its `bounds` are
            set to those of the adopted model); None: the model can only be wrapped.
        reason: one sentence: what was read, or why nothing could be.
        repairs: what was mended, one sentence each.
        features: number of features, where the model knows it.
        above: the class of a single output above the threshold, where the library fixes it.
        state: the model's weights by name, to notice a model that trains itself when called.
        mend: called where the gradient of `home` was found wrong: changes how `home` computes it, and says what was
            changed, one sentence; None: nothing can be done.
        space: in which space budgets live, where the model preprocesses its features itself; None: as given.
    """

    kind: str
    home: Callable[[Tensor], Tensor]
    values: Values
    home_differentiable: bool
    stochastic: bool
    imported: CircuitReading | Classifier | None
    reason: str
    repairs: tuple[str, ...] = ()
    features: int | None = None
    above: int | None = None
    state: Callable[[], dict[str, Tensor]] | None = None
    mend: Callable[[], str] | None = None
    space: str | None = None
    shots: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Options:
    """What the user said about the model.

    Args:
        x: some samples `(samples, features)` float64, at least 2.
        weights: keyword arguments that are not the input (a QNode's weights, values of a circuit's parameters).
        inputs: the argument or parameter vector that takes the features; None: the library's convention.
        route: `"auto"`, `"import"` or `"wrap"`.
        gradient: `"auto"` or `"none"` (a black box).
        readout: a readout as text, see `counterspin.circuits.readout_text`, for circuits without one.
        box: the box the features live in; None: it is not known.
    """

    x: Tensor
    weights: Mapping[str, Any] = field(default_factory=dict)
    inputs: str | None = None
    route: str = "auto"
    gradient: str = "auto"
    readout: str | None = None
    box: Box | None = None
