"""Training with gate angles that are off by random amounts."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar

import torch
from torch import Tensor

from counterspin.circuits import Angle, Circuit, Gate, Given, Term
from counterspin.defenses.training.base import Entry, as_json
from counterspin.defenses.training.circuit_views import CircuitView, check_circuit
from counterspin.defenses.training.options import real
from counterspin.errors import UsageError
from counterspin.threats import ThreatModel
from counterspin.training import Step
from counterspin.types import Classifier

__all__ = ["ENTRY", "AngleNoise", "shifted_circuit"]


@dataclass(frozen=True, kw_only=True)
class AngleNoise:
    r"""In each step every gate angle is off by a draw of its own, the same one for all samples of the batch.

    .. math:: \theta_k \mapsto \theta_k + \sigma\,\xi_k,\quad \xi_k \sim \mathcal{N}(0, 1)

    Angles that carry data are off as well, as they are on a device whose pulses are.

    Args:
        sigma: standard deviation in radians.

    Raises:
        UsageError: sigma is not a finite number above 0.

    Example:
        >>> AngleNoise(sigma=0.1).to_json()
        {'name': 'angle-noise', 'sigma': 0.1}
    """

    name: ClassVar[str] = "angle-noise"
    kind: ClassVar[str] = "view"
    order: ClassVar[int] = 1

    sigma: float = 0.05

    def __post_init__(self) -> None:
        """Refuse what is no deviation."""
        if not (math.isfinite(self.sigma) and self.sigma > 0):
            raise UsageError(f"sigma is {self.sigma}; give the angles' deviation in radians, a finite number above 0.")

    def check(self, model: Classifier, threat: ThreatModel) -> None:
        """Refuse a model that has no angles.

        Raises:
            CapabilityError: the model shows no circuit, or has noise of its own.
        """
        check_circuit(model, self.name)

    def apply(self, model: Classifier, step: Step) -> Classifier:
        """The model of one step.

        Raises:
            CapabilityError: the model shows no circuit, or one that already runs on a device.
        """
        body: Any = model
        check_circuit(body, self.name)
        shifted, count = shifted_circuit(body.circuit)
        draws = self.sigma * torch.randn(count, generator=step.generator, dtype=torch.float64)
        return CircuitView(body, shifted, _followed_by(draws))

    def to_json(self) -> dict[str, Any]:
        """The defence as JSON values."""
        return as_json(self)


@lru_cache(maxsize=16)
def shifted_circuit(circuit: Circuit) -> tuple[Circuit, int]:
    """The circuit with one more weight in every angle, numbered after its own, and how many these are.

    Example:
        >>> from counterspin.circuits import feature
        >>> shifted, count = shifted_circuit(Circuit(1).add("RY", 0, 2.0 * feature(0)).add("RZ", 0, 0.5))
        >>> [str(gate) for gate in shifted.gates], count
        (['RY(2·x0 + w0) q0', 'RZ(0.5 + w1) q0'], 2)
    """
    gates: list[Gate] = []
    weight = circuit.weights
    for gate in circuit.gates:
        angles: list[Angle | Given] = []
        for angle in gate.angles:
            if isinstance(angle, Given):
                angles.append(angle)
                continue
            angles.append(angle + Angle(0.0, (Term(1.0, weight=weight),)))
            weight += 1
        gates.append(replace(gate, angles=tuple(angles)))
    return replace(circuit, gates=tuple(gates)), weight - circuit.weights


def _followed_by(draws: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda weights: torch.cat([weights, draws.to(weights)])


def _build(options: dict[str, str], threat: ThreatModel) -> AngleNoise:
    return AngleNoise(sigma=real(options, "sigma", AngleNoise.sigma))


ENTRY = Entry(
    name="angle-noise",
    summary="in every step each gate angle is off by a random amount",
    build=_build,
    options={"sigma": "standard deviation in radians"},
    argument="sigma",
)
