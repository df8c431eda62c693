"""Learned mitigation: a regressor from noisy values of several variants, and features of the circuit, to exact values.

It is trained on near-Clifford circuits made of the circuit at hand, or (`kept=1`) on the circuit itself at training
samples, where it can be simulated.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from counterspin.circuits import Circuit, Measurement
from counterspin.errors import ConditionsError, UsageError
from counterspin.mitigation.base import Mitigation, Variant, constructed
from counterspin.mitigation.features import FEATURES, circuit_features
from counterspin.mitigation.linear_fit import FixedLinear
from counterspin.mitigation.regressors import Predictor, Regressor, Ridge
from counterspin.mitigation.training_set import training_set
from counterspin.mitigation.unmitigated import Unmitigated
from counterspin.noise import NoiseModel
from counterspin.types import Cost

__all__ = ["LearnedMitigation"]


@dataclass(frozen=True, kw_only=True, eq=False)
class LearnedMitigation:
    """Mitigation by a fitted regressor; to be fitted to a circuit before it is used.

    Without circuit features the same predictor serves every sample. With them it must be told the samples,
    `at(circuit, angles, inputs)`, before values are combined.

    Args:
        regressor: `Ridge`, `KernelRidge` or `MultilayerPerceptron`.
        variants: technique whose variants are looked at, for example zero-noise extrapolation.
        features: `"none"`, `"angles"` or `"clifford"`, see `circuit_features`.
        training: number of training circuits.
        kept: share of non-Clifford rotations left in them; 1: the circuit itself at the training samples.
        replacement: how the others are replaced, see `near_clifford`.
        predictor: what was fitted; None: not fitted yet.
        told: circuit features of the samples at hand, `(batch, features)`; None: not told.
        gain: growth of the variance of the value that grows most, from independent noisy values of one variance; the
            mean over the training circuits.
        cost: what the training circuits took.

    Raises:
        UsageError: fewer than eight training circuits, unknown features.

    Example:
        >>> from counterspin.circuits import PauliExpectations, feature
        >>> one, z = Circuit(1).add("RY", 0, feature(0)), PauliExpectations.of("Z0")
        >>> x = torch.linspace(0.1, 1.4, 8, dtype=torch.float64)[:, None]
        >>> noise, seeded = NoiseModel(global_depolarizing=0.2), torch.Generator().manual_seed(0)
        >>> fitted = LearnedMitigation().fit(one, x, torch.zeros(0), noise, z, generator=seeded)
        >>> fitted.combine(torch.tensor([[[0.4]]], dtype=torch.float64)).round(decimals=2).tolist()
        [[0.5]]
    """

    regressor: Regressor = field(default_factory=Ridge)
    variants: Mitigation = field(default_factory=Unmitigated)
    features: str = "none"
    training: int = 128
    kept: float = 0.5
    replacement: str = "sampled"
    predictor: Predictor | None = None
    told: Tensor | None = None
    gain: float = 1.0
    cost: Cost = field(default_factory=Cost)

    # Samples it was told hang on autograd graphs, which a cache keyed by this object would keep alive.
    __hash__ = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        """Refuse what cannot be fitted."""
        if self.training < 8:
            raise UsageError(f"training of learned mitigation is {self.training}; give at least 8 training circuits.")
        if self.features not in FEATURES:
            raise UsageError(f"features is {self.features!r}; allowed: {', '.join(FEATURES)}.")

    @property
    def name(self) -> str:
        """For example `learned:mlp`, or `learned:ridge+angles` with circuit features."""
        return f"learned:{self.regressor.name}" + ("" if self.features == "none" else f"+{self.features}")

    @property
    def linear(self) -> bool:
        """Whether it combines values linearly with fixed coefficients: ridge without circuit features."""
        return isinstance(self.regressor, Ridge) and self.features == "none"

    @property
    def looks_at_samples(self) -> bool:
        """Whether it looks at circuit features."""
        return self.features != "none"

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
    ) -> LearnedMitigation:
        """The same technique with a predictor fitted to a circuit under a noise.

        Args:
            circuit: what will be mitigated.
            inputs: samples `(batch, inputs)` the training circuits are made of.
            weights: `(weights,)`.
            noise: what the circuits run under.
            measurement: what is measured.
            generator: makes the training circuits, draws their shots, and what else the regressor draws.
            shots: per training circuit, setting and variant; None: exact noisy values.
        """
        data = training_set(
            self.variants, circuit, inputs, weights, noise, measurement, count=self.training, kept=self.kept,
            replacement=self.replacement, generator=generator, shots=shots,
        )  # fmt: skip
        features = circuit_features(self.features, circuit, data.circuits.angles, data.circuits.inputs)
        predictor = self.regressor.fit(data.noisy, features, data.exact, generator=generator)
        gain = _gain(predictor, data.noisy, features)
        return replace(self, predictor=predictor, told=None, gain=gain, cost=data.cost)

    def at(self, circuit: Circuit, angles: Tensor, inputs: Tensor) -> LearnedMitigation:
        """The same mitigation, told the samples whose values it will combine, attached to autograd for them.

        Args:
            circuit: the one it was fitted to.
            angles: all angles of that circuit at the samples, `(batch, angles)`, see `rotation_angles`.
            inputs: `(batch, inputs)`, of which encoded amplitudes are read.
        """
        if self.features == "none":
            return self
        return replace(self, told=circuit_features(self.features, circuit, angles, inputs))

    def construct(self, circuit: Circuit, noise: NoiseModel) -> tuple[Variant, ...]:
        """The variants it looks at."""
        return constructed(self.variants, circuit, noise)

    def combine(self, values: Tensor) -> Tensor:
        """Predicted values `(batch, values)` of `(variants, batch, values)`, attached to autograd.

        Raises:
            UsageError: not fitted yet, or with circuit features and not told the samples.
        """
        predictor = self._fitted()
        if self.features == "none":
            return predictor(values, values.new_zeros(values.shape[1], 0))
        if self.told is None or len(self.told) != values.shape[1]:
            known = "none" if self.told is None else len(self.told)
            raise UsageError(
                f"{self.name} looks at the circuits of {values.shape[1]} samples and was told {known}; call "
                "at(circuit, angles, inputs) with these samples first."
            )
        return predictor(values, self.told)

    def linear_map(self, variants: int, values: int) -> tuple[Tensor, Tensor]:
        """The coefficients of ridge as diagonal matrices.

        Raises:
            ConditionsError: another regressor, or circuit features.
            UsageError: not fitted yet.
        """
        predictor = self._fitted()
        if not self.linear or not isinstance(predictor, FixedLinear):
            raise ConditionsError(
                f"{self.name} is not linear with fixed coefficients, so it cannot be folded; use 'learned' (ridge "
                "without circuit features), or a linear technique such as 'zne' or 'cdr'."
            )
        return predictor.as_map()

    def shot_factor(self, circuit: Circuit, noise: NoiseModel) -> float:
        """Number of variants times the gain: exact for ridge, for the others to first order at the training circuits.

        Raises:
            UsageError: not fitted yet.
        """
        self._fitted()
        return len(self.construct(circuit, noise)) * self.gain

    def _fitted(self) -> Predictor:
        if self.predictor is None:
            raise UsageError(
                f"{self.name} is not fitted; call fit(circuit, inputs, weights, noise, measurement) first."
            )
        return self.predictor


def _gain(predictor: Predictor, noisy: Tensor, features: Tensor) -> float:
    """Largest over the values of the mean squared norm of their gradient with respect to all noisy values."""
    values = noisy.detach().clone().requires_grad_()
    with torch.enable_grad():
        predicted = predictor(values, features.detach())
        slopes = [torch.autograd.grad(column.sum(), values, retain_graph=True)[0] for column in predicted.T]
    return max(float(slope.square().sum(dim=(0, 2)).mean()) for slope in slopes)
