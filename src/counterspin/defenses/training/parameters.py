"""Penalties on the size of what is trained."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from counterspin.circuits import Circuit, Linear, Scale
from counterspin.defenses.training.base import Entry, as_json
from counterspin.defenses.training.circuit_views import bare
from counterspin.defenses.training.options import count, real, word
from counterspin.errors import CapabilityError, UsageError
from counterspin.threats import ThreatModel
from counterspin.training import Step
from counterspin.types import Classifier, HasCircuit

__all__ = ["ENTRY", "ParameterNorm"]

_PARTS = ("angles", "scales", "head", "all")
_TURN = 2 * math.pi


@dataclass(frozen=True, kw_only=True)
class ParameterNorm:
    r"""Sum of squares (order 2) or of absolute values (order 1) of some parameters, times a strength.

    .. math:: \lambda \sum_k |w_k|^p,\quad p \in \{1, 2\}

    Angles count by their distance to the nearest full turn, at which a rotation does nothing: with order 1 many end
    there, where pruning removes them. Scales are the weights that multiply an input: they set the frequencies, and with
    them the slope of the scores. The head's weight (or logit scale) sets the margin that a loss asks for.

    Args:
        strength: the factor.
        order: 1 or 2.
        of: `"angles"`, `"scales"`, `"head"`, or `"all"`: every trained parameter as it is, of any model.

    Raises:
        UsageError: an unknown part or order, or a strength that is not a finite number above 0.

    Example:
        >>> ParameterNorm(strength=0.01, order=1).to_json()
        {'name': 'parameter-norm', 'strength': 0.01, 'order': 1, 'of': 'angles'}
    """

    name: ClassVar[str] = "parameter-norm"
    kind: ClassVar[str] = "regulariser"

    strength: float = 1e-3
    order: int = 2
    of: str = "angles"

    def __post_init__(self) -> None:
        """Refuse what makes no penalty."""
        if not (math.isfinite(self.strength) and self.strength > 0):
            raise UsageError(f"strength is {self.strength}; give a finite number above 0.")
        if self.order not in (1, 2):
            raise UsageError(f"order is {self.order}; allowed: 1, 2.")
        if self.of not in _PARTS:
            raise UsageError(f"of is {self.of!r}; allowed: {', '.join(_PARTS)}.")

    def check(self, model: Classifier, threat: ThreatModel) -> None:
        """Refuse a model that has not what is penalised.

        Raises:
            CapabilityError: no circuit, no scaling weight, or no head.
        """
        self._penalised(model)

    def __call__(self, model: Classifier, x: Tensor, y: Tensor, step: Step, /) -> Tensor:
        """The penalty `()`; it hangs on no sample."""
        values = self._penalised(model)
        return self.strength * (values.abs().sum() if self.order == 1 else values.square().sum())

    def to_json(self) -> dict[str, Any]:
        """The defence as JSON values."""
        return as_json(self)

    def _penalised(self, model: Classifier) -> Tensor:
        """Everything whose size counts `(n,)`, attached to the model."""
        own = bare(model)
        if self.of == "all":
            parameters = own.parameters() if isinstance(own, nn.Module) else ()
            found = [parameter.flatten() for parameter in parameters if parameter.requires_grad]
            if not found:
                raise CapabilityError(f"model ({type(own).__name__}) has no parameters to train.")
            return torch.cat(found)
        if not isinstance(own, HasCircuit):
            raise CapabilityError(
                f"model ({type(own).__name__}) shows no circuit, so that it has no {self.of}; use of=all."
            )
        if self.of == "head":
            return _head(own)
        rows = _rows(own.circuit, scales=self.of == "scales")
        if not rows:
            raise CapabilityError(f"the model's circuit has no weights that are {self.of}; choose another part.")
        values = own.weights[rows]
        return values - _TURN * (values.detach() / _TURN).round() if self.of == "angles" else values


def _rows(circuit: Circuit, *, scales: bool) -> list[int]:
    return [index for index in range(circuit.weights) if (index in circuit.scaling_weights) == scales]


def _head(model: HasCircuit) -> Tensor:
    match model.readout.head:
        case Linear(weight, _):
            return weight.flatten()
        case Scale(value):
            return value.flatten()
        case _:
            raise CapabilityError(f"model ({type(model).__name__}) has no head: its measured values are the scores.")


def _build(options: dict[str, str], threat: ThreatModel) -> ParameterNorm:
    return ParameterNorm(
        strength=real(options, "strength", ParameterNorm.strength),
        order=count(options, "order", ParameterNorm.order),
        of=word(options, "of", ParameterNorm.of, _PARTS),
    )


ENTRY = Entry(
    name="parameter-norm",
    summary="adds the squares or absolute values of angles, input scales or head: weight decay by part",
    build=_build,
    options={
        "strength": "factor of the penalty",
        "order": "1 (absolute values) or 2 (squares)",
        "of": ", ".join(_PARTS),
    },
    argument="strength",
)
