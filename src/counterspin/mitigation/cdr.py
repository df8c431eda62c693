r"""Clifford data regression (arXiv:2005.10189), with noise-scaled variants as in arXiv:2011.01157.

On near-Clifford circuits made of the circuit at hand, exact values are regressed on noisy ones, value by value:

.. math:: \langle E_v\rangle_\mathrm{exact} \approx \sum_c a_{cv}\, \langle E_v\rangle_c + b_v

With one variant c this is CDR, with several noise scales vnCDR. The coefficients do not depend on the sample.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from counterspin.circuits import Circuit, Measurement
from counterspin.errors import UsageError
from counterspin.mitigation.base import Mitigation, Variant, constructed
from counterspin.mitigation.linear_fit import FixedLinear, regression
from counterspin.mitigation.training_set import training_set
from counterspin.mitigation.unmitigated import Unmitigated
from counterspin.noise import NoiseModel
from counterspin.types import Cost

__all__ = ["CDR"]


@dataclass(frozen=True, kw_only=True, eq=False)
class CDR:
    """Clifford data regression; to be fitted to a circuit before it is used.

    Args:
        variants: technique whose variants are the regressors; plain (the circuit itself) or zero-noise extrapolation
            (vnCDR).
        training: number of training circuits.
        kept: share of non-Clifford rotations left in them; simulation of the exact values costs the same for any.
        replacement: how the others are replaced, see `near_clifford`.
        ridge: strength of the pull of the coefficients towards those of the technique itself (of plain: 1), relative
            to the number of training circuits.
        fitted: the coefficients; None: not fitted yet.
        cost: what the training circuits took.

    Raises:
        UsageError: fewer than two training circuits, a negative ridge.

    Example:
        >>> from counterspin.circuits import PauliExpectations, feature
        >>> one = Circuit(1).add("RY", 0, feature(0))
        >>> noise, z = NoiseModel(global_depolarizing=0.2), PauliExpectations.of("Z0")
        >>> x = torch.linspace(0.1, 1.4, 8, dtype=torch.float64)[:, None]
        >>> cdr = CDR(ridge=0.0).fit(one, x, torch.zeros(0), noise, z, generator=torch.Generator().manual_seed(0))
        >>> cdr.fitted.slope.round(decimals=6).tolist()
        [[1.25]]
    """

    variants: Mitigation = field(default_factory=Unmitigated)
    training: int = 64
    kept: float = 0.5
    replacement: str = "sampled"
    ridge: float = 1e-4
    fitted: FixedLinear | None = None
    cost: Cost = field(default_factory=Cost)
    linear = True

    def __post_init__(self) -> None:
        """Refuse what cannot be fitted."""
        if self.training < 2:
            raise UsageError(f"training of CDR is {self.training}; give at least 2 training circuits.")
        if self.ridge < 0:
            raise UsageError(f"ridge of CDR is {self.ridge}; give a number from 0.")

    @property
    def name(self) -> str:
        """`cdr`, or `cdr:` and the name of the technique whose variants it regresses on."""
        return "cdr" if isinstance(self.variants, Unmitigated) else f"cdr:{self.variants.name}"

    @property
    def fitting_cost(self) -> Cost:
        """What the training circuits cost."""
        return self.cost

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
    ) -> CDR:
        """The same technique with coefficients fitted to a circuit under a noise.

        Args:
            circuit: what will be mitigated.
            inputs: samples `(batch, inputs)` the training circuits are made of.
            weights: `(weights,)`.
            noise: what the circuits run under.
            measurement: what is measured.
            generator: makes the training circuits and draws their shots.
            shots: per training circuit, setting and variant; None: exact noisy values.
        """
        data = training_set(
            self.variants, circuit, inputs, weights, noise, measurement, count=self.training, kept=self.kept,
            replacement=self.replacement, generator=generator, shots=shots,
        )  # fmt: skip
        start = _start(self.variants, *data.noisy.shape[::2])
        fitted = regression(data.noisy, data.exact, start=start, ridge=self.ridge)
        return replace(self, fitted=fitted, cost=data.cost)

    def construct(self, circuit: Circuit, noise: NoiseModel) -> tuple[Variant, ...]:
        """The variants of the technique it regresses on."""
        return constructed(self.variants, circuit, noise)

    def combine(self, values: Tensor) -> Tensor:
        """Regressed values `(batch, values)` of `(variants, batch, values)`, attached to autograd.

        Raises:
            UsageError: not fitted yet.
            InputError: fitted to another number of variants or values.
        """
        return self._coefficients()(values)

    def linear_map(self, variants: int, values: int) -> tuple[Tensor, Tensor]:
        """The fitted coefficients as diagonal matrices.

        Raises:
            UsageError: not fitted yet.
        """
        return self._coefficients().as_map()

    def shot_factor(self, circuit: Circuit, noise: NoiseModel) -> float:
        """Variance of the value that grows most, at the same total of shots over all variants.

        Raises:
            UsageError: not fitted yet.
        """
        return len(self.construct(circuit, noise)) * self._coefficients().variance_factor()

    def _coefficients(self) -> FixedLinear:
        if self.fitted is None:
            raise UsageError(
                f"{self.name} is not fitted; call fit(circuit, inputs, weights, noise, measurement) first."
            )
        return self.fitted


def _start(variants: Mitigation, count: int, values: int) -> Tensor:
    """Coefficients of the technique itself where it is linear with the same ones for all values, else its first."""
    if variants.linear:
        return variants.linear_map(count, values)[0][:, 0, 0]
    return torch.eye(count, dtype=torch.float64)[0]
