r"""Several mitigations together, each for another error: they rewrite, amplify or cancel, and correct what is read.

.. math:: \langle E\rangle = f\bigl(\langle E\rangle_{C^{-1} q_1}, \ldots, \langle E\rangle_{C^{-1} q_k}\bigr)

They act in one order, whatever order they are named in: pulses fill the waiting times of the given schedule, twirling
makes Pauli channels of coherent errors, one technique varies that circuit's noise and combines the values, and every
circuit it runs has its outcome distributions corrected. Readout errors are none of the noise that is amplified or
cancelled, so that what is extrapolated or trained on are corrected values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor

from counterspin.circuits import Circuit, Measurement
from counterspin.errors import UsageError
from counterspin.mitigation.base import Mitigation, Variant, constructed
from counterspin.mitigation.cdr import CDR
from counterspin.mitigation.cost import shares
from counterspin.mitigation.decoupling import Decoupling
from counterspin.mitigation.fitting import fit_to, fitting_cost, looks_at_samples
from counterspin.mitigation.learned import LearnedMitigation
from counterspin.mitigation.pec import PEC
from counterspin.mitigation.readout import ReadoutMitigation
from counterspin.mitigation.twirling import Twirling
from counterspin.mitigation.unmitigated import Unmitigated
from counterspin.mitigation.zne import ZNE
from counterspin.noise import NoiseModel
from counterspin.types import Cost

__all__ = ["Combined"]

# In the order in which they act. The techniques of one stage exclude each other.
_STAGES: tuple[tuple[type, ...], ...] = (
    (Decoupling,),
    (Twirling,),
    (ZNE, PEC, CDR, LearnedMitigation),
    (ReadoutMitigation,),
)
_VARYING = 2
_ALLOWED = (
    "join at most one of each: decoupling; twirling; zne, pec, cdr or learned; readout (for example "
    "'decoupling+zne+readout')"
)

_Number = TypeVar("_Number", int, float)


@dataclass(frozen=True, kw_only=True)
class Combined:
    """Mitigations that act together on one circuit.

    One of them, at most, runs several circuits: the shot factors multiply, and so do the circuits. A technique that
    learns is trained on values that the others have mitigated.

    Args:
        parts: the mitigations, in any order; kept in the order in which they act.

    Raises:
        UsageError: fewer than two, two of one kind, one that cannot be combined, or drawn twirls whose Paulis another
            technique would amplify or cancel.

    Example:
        >>> noise = NoiseModel(readout_flips=(0.1, 0.1), global_depolarizing=0.1)
        >>> both = Combined(parts=(ReadoutMitigation(), ZNE()))
        >>> both.name, len(both.construct(Circuit(1), noise)), round(both.shot_factor(Circuit(1), noise), 2)
        ('zne (richardson) + readout:tensored', 3, 89.06)
    """

    parts: tuple[Mitigation, ...]

    def __post_init__(self) -> None:
        """Refuse what does not act together, and sort the rest."""
        stages = [_stage(part) for part in self.parts]
        names = " and ".join(part.name for part in self.parts) or "no mitigations"
        if len(stages) < 2 or None in stages or len(set(stages)) < len(stages):
            raise UsageError(f"{names} cannot be combined; {_ALLOWED}.")
        # A frozen instance is filled this way; equal combinations are then equal in whatever order they were named.
        object.__setattr__(self, "parts", tuple(sorted(self.parts, key=lambda part: _stage(part) or 0)))
        core = self._core
        if isinstance(core, CDR | LearnedMitigation) and not isinstance(core.variants, Unmitigated | ZNE | PEC):
            raise UsageError(f"{names}: {core.name} holds a combination of its own; {_ALLOWED}.")
        if core is not None and any(isinstance(part, Twirling) and part.samples is not None for part in self.parts):
            raise UsageError(
                f"{names} cannot be combined, since the Paulis of drawn twirls would be amplified or cancelled as if "
                "they were noise; take the limit of all twirls (samples=None)."
            )

    @property
    def name(self) -> str:
        """The names of the parts in the order in which they act, for example `zne (richardson) + readout:tensored`."""
        return " + ".join(part.name for part in self.parts)

    @property
    def linear(self) -> bool:
        """Whether all parts are."""
        return all(part.linear for part in self.parts)

    @property
    def looks_at_samples(self) -> bool:
        """Whether a part does."""
        return any(looks_at_samples(part) for part in self.parts)

    @property
    def fitting_cost(self) -> Cost:
        """What the fits of the parts cost."""
        return sum((fitting_cost(part) for part in self.parts), start=Cost())

    def fit(
        self,
        circuit: Circuit,
        inputs: Tensor,
        weights: Tensor,
        noise: NoiseModel,
        measurement: Measurement,
        *,
        generator: torch.Generator,
        shots: int | None = None,
    ) -> Combined:
        """The same combination, calibrated first and then trained on values that the other parts have mitigated."""

        def fitted(technique: Mitigation) -> Mitigation:
            return fit_to(technique, circuit, inputs, weights, noise, measurement, generator=generator, shots=shots)

        core = self._core
        others = tuple(fitted(part) for part in self.parts if part is not core)
        if core is None:
            return replace(self, parts=others)
        if not isinstance(core, CDR | LearnedMitigation):
            return replace(self, parts=(fitted(core), *others))
        looked_at = others if isinstance(core.variants, Unmitigated) else (core.variants, *others)
        inner = looked_at[0] if len(looked_at) == 1 else Combined(parts=looked_at)
        learned = fitted(replace(core, variants=inner))
        return replace(self, parts=(replace(learned, variants=core.variants), *others))  # type: ignore[arg-type]

    def at(self, circuit: Circuit, angles: Tensor, inputs: Tensor) -> Combined:
        """The combination told the samples, where a part looks at them."""
        core = self._core
        if core is None or not looks_at_samples(core):
            return self
        told = core.at(circuit, angles, inputs)
        return replace(self, parts=(told, *(part for part in self.parts if part is not core)))

    def construct(self, circuit: Circuit, noise: NoiseModel) -> tuple[Variant, ...]:
        """What each part makes of the circuits of the one before it.

        Raises:
            ConditionsError, InputError, UsageError: as of the parts.
        """
        variants = (Variant(circuit=circuit, noise=noise),)
        for part in self.parts:
            variants = tuple(_behind(v, w) for v in variants for w in constructed(part, v.circuit, v.noise))
        return variants

    def combine(self, values: Tensor) -> Tensor:
        """Values as the part combines them that runs several circuits, `(batch, values)`."""
        return self._combining.combine(values)

    def linear_map(self, variants: int, values: int) -> tuple[Tensor, Tensor]:
        """That of the part that runs several circuits.

        Raises:
            ConditionsError: a part is not linear.
            UsageError: not fitted yet.
        """
        bent = (part for part in self.parts if not part.linear)
        return next(bent, self._combining).linear_map(variants, values)

    def shot_factor(self, circuit: Circuit, noise: NoiseModel) -> float:
        """The product of the parts' factors, each for the circuit and the noise that the part meets."""
        return math.prod(self._each(lambda part, c, n: part.shot_factor(c, n), circuit, noise))

    def shares(self, circuit: Circuit, noise: NoiseModel) -> int:
        """How many circuits share the shots, the product over the parts."""
        return math.prod(self._each(shares, circuit, noise))

    @property
    def _core(self) -> Mitigation | None:
        """The technique that varies the noise."""
        return next((part for part in self.parts if _stage(part) == _VARYING), None)

    @property
    def _combining(self) -> Mitigation:
        # All parts but the varying one and drawn twirls make one circuit of one and leave its values as they are.
        drawn = (part for part in self.parts if isinstance(part, Twirling))
        return self._core or next(drawn, self.parts[0])

    def _each(
        self, figure: Callable[[Mitigation, Circuit, NoiseModel], _Number], circuit: Circuit, noise: NoiseModel
    ) -> Iterator[_Number]:
        for part in self.parts:
            yield figure(part, circuit, noise)
            first = constructed(part, circuit, noise)[0]
            circuit, noise = first.circuit, first.noise


def _stage(part: Mitigation) -> int | None:
    return next((stage for stage, kinds in enumerate(_STAGES) if isinstance(part, kinds)), None)


def _behind(first: Variant, second: Variant) -> Variant:
    """A variant that the second part made of one of the first part."""
    return replace(
        second, correction=second.correction or first.correction, coefficient=first.coefficient * second.coefficient
    )
