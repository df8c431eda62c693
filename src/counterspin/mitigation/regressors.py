"""Regressors of learned mitigation: fitted and asked on batches, differentiable in what they are asked about."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from counterspin.errors import UsageError
from counterspin.mitigation.linear_fit import FixedLinear, regression

__all__ = ["KernelRidge", "MultilayerPerceptron", "Predictor", "Regressor", "Ridge", "Standardized"]


@runtime_checkable
class Predictor(Protocol):
    """A fitted regressor."""

    def __call__(self, noisy: Tensor, features: Tensor, /) -> Tensor:
        """Exact values `(batch, values)` of noisy ones `(variants, batch, values)` and circuit features."""
        ...


@runtime_checkable
class Regressor(Protocol):
    """How exact values are learned from noisy ones and circuit features."""

    @property
    def name(self) -> str:
        """What reports call it."""
        ...

    def fit(self, noisy: Tensor, features: Tensor, exact: Tensor, *, generator: torch.Generator) -> Predictor:
        """A predictor of `exact` `(count, values)` from `(variants, count, values)` and `(count, features)`."""
        ...


@dataclass(frozen=True, eq=False)
class Standardized:
    """Columns shifted and scaled to mean 0 and standard deviation 1 on the data they were made from.

    Example:
        >>> Standardized.of(torch.tensor([[1.0], [3.0]]))(torch.tensor([[3.0]])).tolist()
        [[1.0]]
    """

    mean: Tensor
    scale: Tensor

    @classmethod
    def of(cls, rows: Tensor) -> Standardized:
        """Of `(count, columns)`; a constant column is only shifted."""
        spread = rows.std(dim=0, correction=0)
        return cls(rows.mean(dim=0), torch.where(spread > 1e-9, spread, torch.ones_like(spread)))

    def __call__(self, rows: Tensor) -> Tensor:
        """The standardised rows."""
        return (rows - self.mean.to(rows)) / self.scale.to(rows)


@dataclass(frozen=True, eq=False)
class _WithFeatures:
    plain: FixedLinear
    standard: Standardized
    coefficients: Tensor

    def __call__(self, noisy: Tensor, features: Tensor) -> Tensor:
        return self.plain(noisy, features) + self.standard(features.to(noisy)) @ self.coefficients.to(noisy)


@dataclass(frozen=True, kw_only=True)
class Ridge:
    """Ridge regression, value by value; without circuit features it is linear with fixed coefficients.

    With features, a linear function of them is fitted to what the noisy values leave over.

    Args:
        strength: pull towards the plain noisy value, relative to the number of training circuits.
    """

    strength: float = 1e-4
    name: str = "ridge"

    def fit(self, noisy: Tensor, features: Tensor, exact: Tensor, *, generator: torch.Generator) -> Predictor:
        """Slopes per variant and value, an intercept per value."""
        start = torch.eye(len(noisy), dtype=torch.float64)[0]
        plain = regression(noisy, exact, start=start, ridge=self.strength)
        if not features.shape[1]:
            return plain
        standard = Standardized.of(features)
        rows, left = standard(features), exact - plain(noisy, features)
        pull = (self.strength * len(rows)) ** 0.5 * torch.eye(rows.shape[1]).to(rows)
        columns = torch.cat([rows, pull])
        target = torch.cat([left, left.new_zeros(rows.shape[1], left.shape[1])])
        return _WithFeatures(plain, standard, torch.linalg.pinv(columns, rtol=1e-10) @ target)


@dataclass(frozen=True, kw_only=True)
class KernelRidge:
    r"""Kernel ridge regression of the correction, with a Gaussian kernel on noisy values and circuit features.

    .. math:: f(z) = n(z) + \sum_i \alpha_i\, e^{-\|z - z_i\|^2 / (2 w^2)}, \quad (K + \lambda N 1)\alpha = t - n

    with n the noisy value of the first variant, so that far from all training circuits nothing is corrected.

    Args:
        width: w, in units of the median distance of two training circuits.
        strength: λ.

    Raises:
        UsageError: a width or strength not above 0.
    """

    width: float = 1.0
    strength: float = 1e-5
    name: str = "kernel"

    def __post_init__(self) -> None:
        """Refuse widths that are none."""
        if not (self.width > 0 and self.strength > 0):
            raise UsageError(f"width is {self.width} and strength {self.strength}; give numbers above 0.")

    def fit(self, noisy: Tensor, features: Tensor, exact: Tensor, *, generator: torch.Generator) -> Predictor:
        """One linear system of the size of the training set, for all values."""
        standard = Standardized.of(_columns(noisy, features))
        points = standard(_columns(noisy, features))
        median = float(torch.pdist(points).median()) if len(points) > 1 else 1.0
        width = self.width * (median or 1.0)
        gram = _gaussian(points, points, width)
        gram = gram + self.strength * len(points) * torch.eye(len(points)).to(gram)
        return _Kernel(standard, points, width, torch.linalg.solve(gram, exact - noisy[0]))


@dataclass(frozen=True, eq=False)
class _Kernel:
    standard: Standardized
    points: Tensor
    width: float
    alpha: Tensor

    def __call__(self, noisy: Tensor, features: Tensor) -> Tensor:
        rows = self.standard(_columns(noisy, features))
        return noisy[0] + _gaussian(rows, self.points.to(rows), self.width) @ self.alpha.to(rows)


# Steps between two looks at the validation error.
_LOOK = 5


@dataclass(frozen=True, kw_only=True)
class MultilayerPerceptron:
    """A small network that corrects the noisy value of the first variant, stopped early on a validation share.

    Args:
        hidden: width of its two hidden layers.
        steps: most full-batch steps of Adam; the validation error is looked at after every fifth.
        learning_rate: of Adam.
        decay: weight decay.
        validation: share of the training circuits held back for stopping.
        patience: looks without a better validation error after which it stops.

    Raises:
        UsageError: a share outside (0, 1), fewer than one hidden unit or step.
    """

    hidden: int = 16
    steps: int = 500
    learning_rate: float = 1e-2
    decay: float = 1e-4
    validation: float = 0.2
    patience: int = 10
    name: str = "mlp"

    def __post_init__(self) -> None:
        """Refuse networks and splits that are none."""
        if not 0.0 < self.validation < 1.0:
            raise UsageError(
                f"validation is {self.validation}; it is a share of the training circuits, between 0 and 1."
            )
        if min(self.hidden, self.steps, self.patience) < 1:
            raise UsageError(
                f"hidden is {self.hidden}, steps {self.steps} and patience {self.patience}; give whole numbers from 1."
            )

    def fit(self, noisy: Tensor, features: Tensor, exact: Tensor, *, generator: torch.Generator) -> Predictor:
        """Train from weights drawn by the generator; the weights of the best validation error are kept."""
        standard = Standardized.of(_columns(noisy, features))
        rows, left = standard(_columns(noisy, features)), exact - noisy[0]
        scale = float(left.std(correction=0)) or 1.0
        held = max(1, round(self.validation * len(rows)))
        order = torch.randperm(len(rows), generator=generator)
        check, train = order[:held], order[held:]
        network = _network(rows.shape[1], self.hidden, left.shape[1], generator)
        optimiser = torch.optim.AdamW(network.parameters(), lr=self.learning_rate, weight_decay=self.decay)
        best, kept, since = float("inf"), copy.deepcopy(network.state_dict()), 0
        with torch.enable_grad():
            for step in range(self.steps):
                optimiser.zero_grad()
                ((network(rows[train]) - left[train] / scale) ** 2).mean().backward()
                optimiser.step()
                if step % _LOOK:
                    continue
                with torch.no_grad():
                    error = float(((network(rows[check]) - left[check] / scale) ** 2).mean())
                since = since + 1
                if error < best:
                    best, kept, since = error, copy.deepcopy(network.state_dict()), 0
                if since >= self.patience:
                    break
        network.load_state_dict(kept)
        return _Network(standard, network.requires_grad_(False), scale)


@dataclass(frozen=True, eq=False)
class _Network:
    standard: Standardized
    network: nn.Module
    scale: float

    def __call__(self, noisy: Tensor, features: Tensor) -> Tensor:
        rows = self.standard(_columns(noisy, features))
        return noisy[0] + self.scale * self.network(rows.double()).to(rows)


def _columns(noisy: Tensor, features: Tensor) -> Tensor:
    """All a regressor may look at, `(batch, variants * values + features)`."""
    return torch.cat([noisy.transpose(0, 1).flatten(1), features.to(noisy)], dim=1)


def _gaussian(left: Tensor, right: Tensor, width: float) -> Tensor:
    # Squared distances by hand: cdist has no gradient at distance 0.
    squares = ((left[:, None] - right[None]) ** 2).sum(dim=2)
    return torch.exp(-squares / (2 * width**2))


def _network(inputs: int, hidden: int, outputs: int, generator: torch.Generator) -> nn.Sequential:
    sizes = (inputs, hidden, hidden, outputs)
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(sizes):
        # Parameters are drawn from the generator, never from the global one.
        layer = nn.utils.skip_init(nn.Linear, fan_in, fan_out, dtype=torch.float64)
        nn.init.normal_(layer.get_parameter("weight"), std=fan_in**-0.5, generator=generator)
        nn.init.zeros_(layer.get_parameter("bias"))
        layers += [layer, nn.SiLU()]
    # It starts as the unmitigated value: the last layer is small.
    with torch.no_grad():
        layers[-2].get_parameter("weight").mul_(0.1)
    return nn.Sequential(*layers[:-1])
