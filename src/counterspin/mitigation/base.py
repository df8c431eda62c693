r"""The two stages of every mitigation: *construct* the circuits to run, *combine* their values.

What is combined are the measured values of circuits, before any head, so that a mitigated classifier stays
differentiable and batched. A combination that is linear with fixed coefficients commutes with expectation values,
:math:`\sum_c A_c \langle E\rangle_c = \langle \sum_c A_c\,\Phi_c^\dagger(E)\rangle`, and so enters folding and the
exact certificate.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, runtime_checkable

from torch import Tensor

from counterspin.circuits import Circuit
from counterspin.noise import NoiseModel

__all__ = ["Correction", "Mitigation", "Variant", "constructed"]


@runtime_checkable
class Correction(Protocol):
    """A map of outcome distributions that undoes readout errors."""

    @property
    def linear(self) -> bool:
        """Whether it is one matrix for all distributions."""
        ...

    def apply(self, distribution: Tensor, /) -> Tensor:
        """Quasi-probabilities `(batch, 2**qubits)` of outcome probabilities of that shape, attached to autograd."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Variant:
    """One of the circuits that a mitigation runs, with the noise it runs under.

    Args:
        circuit: its inputs and weights are those of the circuit that is mitigated.
        noise: what it runs under.
        correction: of its outcome distributions, before values are read; None: none.
        coefficient: multiplies its values; the sign and weight of a circuit drawn from quasi-probabilities.
    """

    circuit: Circuit
    noise: NoiseModel
    correction: Correction | None = None
    coefficient: float = 1.0


@runtime_checkable
class Mitigation(Protocol):
    """A mitigation technique: a frozen configuration with two pure stages."""

    @property
    def name(self) -> str:
        """What reports call it."""
        ...

    @property
    def linear(self) -> bool:
        """Whether its stages are linear with fixed coefficients, so that it can be folded."""
        ...

    def construct(self, circuit: Circuit, noise: NoiseModel, /) -> tuple[Variant, ...]:
        """The circuits to run; the same ones whenever it is called with the same arguments."""
        ...

    def combine(self, values: Tensor, /) -> Tensor:
        """Mitigated values `(batch, values)` of the variants' `(variants, batch, values)`, attached to autograd.

        They may leave the range of the measurement: they are raw scores, of which no logarithm is taken.
        """
        ...

    def linear_map(self, variants: int, values: int, /) -> tuple[Tensor, Tensor]:
        """`combine` as `Σ_c A_c v_c + b`: `A` `(variants, values, values)` and `b` `(values,)`, float64.

        Raises:
            ConditionsError: it is no such map.
        """
        ...

    def shot_factor(self, circuit: Circuit, noise: NoiseModel, /) -> float:
        """How many times the shots, in total over the variants, reach the standard error of an unmitigated value."""
        ...


def constructed(mitigation: Mitigation, circuit: Circuit, noise: NoiseModel) -> tuple[Variant, ...]:
    """`mitigation.construct(circuit, noise)`, kept: the engines prepare themselves once per variant, not per call."""
    try:
        hash(mitigation)
    except TypeError:  # a configuration that holds a dictionary, for example
        return mitigation.construct(circuit, noise)
    return _constructed(mitigation, circuit, noise)


@lru_cache(maxsize=16)
def _constructed(mitigation: Mitigation, circuit: Circuit, noise: NoiseModel) -> tuple[Variant, ...]:
    return mitigation.construct(circuit, noise)
