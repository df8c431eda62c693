"""What an attacker can do to each feature of a data set in the world it comes from."""

from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.errors import InputError

__all__ = ["FeatureConstraints"]


@dataclass(frozen=True, kw_only=True)
class FeatureConstraints:
    """Per feature: who controls it, which values occur, and why.

    Args:
        controlled: True where the attacker decides the value.
        values: the only values a discrete feature takes, ascending; None for a continuous one.
        reasons: one sentence per feature on why the attacker does or does not control it.

    Raises:
        InputError: lists of unequal length, or values that are not ascending.

    Example:
        >>> level = FeatureConstraints(controlled=(True,), values=((0.0, 0.5, 1.0),), reasons=("The page sets it.",))
        >>> level.admits(torch.tensor([[0.5], [0.7]])).tolist()
        [True, False]
    """

    controlled: tuple[bool, ...]
    values: tuple[tuple[float, ...] | None, ...]
    reasons: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuse lists that do not describe the same features."""
        if not len(self.controlled) == len(self.values) == len(self.reasons):
            raise InputError(
                f"constraints describe {len(self.controlled)} (controlled), {len(self.values)} (values) and "
                f"{len(self.reasons)} (reasons) features; give one entry per feature in each."
            )
        for feature, listed in enumerate(self.values):
            if listed is not None and (not listed or list(listed) != sorted(set(listed))):
                raise InputError(f"values of feature {feature} are {listed}; list them in ascending order, each once.")

    def admits(self, x: Tensor) -> Tensor:
        """Which rows of `x` `(samples, features)` hold listed values only, `(samples,)`."""
        fits = torch.ones(len(x), dtype=torch.bool)
        for feature, listed in enumerate(self.values):
            if listed is not None:
                fits &= torch.isin(x[:, feature], torch.tensor(listed, dtype=x.dtype))
        return fits
