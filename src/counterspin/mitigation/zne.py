"""Zero-noise extrapolation (Temme et al., arXiv:1612.02058; Li and Benjamin, arXiv:1611.09301)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from counterspin.circuits import Circuit
from counterspin.errors import UsageError
from counterspin.mitigation.base import Variant
from counterspin.mitigation.extrapolation import Exponential, Extrapolation, Polynomial, Richardson
from counterspin.mitigation.folding import fold_global, fold_local, folded_noise
from counterspin.noise import NoiseModel

__all__ = ["AMPLIFICATIONS", "ZNE"]

AMPLIFICATIONS = ("noise", "global", "local")


@dataclass(frozen=True, kw_only=True)
class ZNE:
    r"""Values measured at amplified noise, extrapolated to none.

    .. math:: \langle E\rangle_{\text{zne}} = f\bigl(\langle E\rangle_{\lambda_1}, \ldots, \langle E\rangle_{\lambda_k}
        \bigr)

    Readout errors are not amplified and hence not extrapolated away. A folded circuit reaches its factor up to one
    gate; the extrapolation uses the factors asked for.

    Args:
        scale_factors: of the noise, distinct, from 1.
        extrapolation: how values depend on the factor.
        amplification: `"noise"` raises every channel to the power of the factor, which only a simulator can do, at the
            price of one run per factor; `"global"` and `"local"` fold gates, as on a device.
        seed: of the choice of gates that local folding with fractional factors makes.

    Raises:
        UsageError: factors that repeat, lie below 1 or are too few for the extrapolation; an unknown amplification.

    Example:
        >>> ZNE().combine(torch.tensor([[[0.8]], [[0.6]], [[0.5]]])).round(decimals=6).tolist()
        [[1.100000023841858]]
    """

    scale_factors: tuple[float, ...] = (1.0, 2.0, 3.0)
    extrapolation: Extrapolation = field(default_factory=Richardson)
    amplification: str = "noise"
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse factors that cannot be extrapolated from."""
        factors = self.scale_factors
        if len(set(factors)) != len(factors) or not all(1.0 <= f < math.inf for f in factors):
            raise UsageError(f"scale_factors are {factors}; give distinct finite numbers from 1.")
        if len(factors) < self.extrapolation.points:
            raise UsageError(
                f"scale_factors are {factors}; {self.extrapolation.name} extrapolation needs at least "
                f"{self.extrapolation.points} of them."
            )
        if self.amplification not in AMPLIFICATIONS:
            raise UsageError(f"amplification is {self.amplification!r}; allowed: {', '.join(AMPLIFICATIONS)}.")

    @property
    def name(self) -> str:
        """For example `zne (richardson)`."""
        return f"zne ({self.extrapolation.name})"

    @property
    def linear(self) -> bool:
        """Whether the extrapolation is."""
        return self.extrapolation.linear

    def construct(self, circuit: Circuit, noise: NoiseModel) -> tuple[Variant, ...]:
        """One variant per factor.

        Raises:
            UsageError: a gate without inverse is to be folded, or a channel that has no such power.
        """
        return tuple(self._variant(circuit, noise, factor) for factor in self.scale_factors)

    def combine(self, values: Tensor) -> Tensor:
        """The extrapolation of `values` `(factors, batch, values)`; may leave the range of the measurement."""
        return self.extrapolation.extrapolate(self.scale_factors, values)

    def fallbacks(self, values: Tensor) -> Tensor:
        """Where an exponential did not suit `values` `(factors, batch, values)` and a line was taken, bool."""
        if isinstance(self.extrapolation, Exponential):
            return self.extrapolation.fallbacks(self.scale_factors, values)
        return torch.zeros(values.shape[1:], dtype=torch.bool, device=values.device)

    def linear_map(self, variants: int, values: int) -> tuple[Tensor, Tensor]:
        """The extrapolation's coefficients times the identity, and no offset.

        Raises:
            ConditionsError: an exponential has no such map.
            UsageError: another number of variants than factors.
        """
        coefficients = self.extrapolation.coefficients(self.scale_factors)
        if variants != len(coefficients):
            raise UsageError(f"variants is {variants}; this extrapolation has {len(coefficients)} scale factors.")
        identity = torch.eye(values, dtype=torch.float64)
        return coefficients[:, None, None] * identity, torch.zeros(values, dtype=torch.float64)

    def shot_factor(self, circuit: Circuit, noise: NoiseModel) -> float:
        """Factors times the sum of squared coefficients.

        That of the straight line for an exponential, whose true factor depends on the data and is larger.
        """
        extrapolation = self.extrapolation if self.linear else Polynomial()
        return len(self.scale_factors) * float(extrapolation.coefficients(self.scale_factors).square().sum())

    def _variant(self, circuit: Circuit, noise: NoiseModel, factor: float) -> Variant:
        if self.amplification == "noise":
            return Variant(circuit=circuit, noise=noise if factor == 1.0 else noise.scaled(factor))
        if self.amplification == "global":
            folded = fold_global(circuit, factor)
        else:
            folded = fold_local(circuit, factor, generator=torch.Generator().manual_seed(self.seed))
        return Variant(circuit=folded.circuit, noise=folded_noise(noise, circuit, folded))
