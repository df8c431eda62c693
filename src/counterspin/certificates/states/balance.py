r"""When global depolarising noise moves a decision, and when it cannot.

The channel :math:`\rho \mapsto (1 - p)\rho + p\,1/D` maps the margin observable of a class pair to

.. math:: A \mapsto (1 - p) A + p\,\frac{\mathrm{Tr} A}{D} 1,

with `D` the dimension of all qubits and `A` including its bias. If :math:`\mathrm{Tr} A = 0` for every pair that can
flip, margins only shrink: decisions and exact robust radii stay what they were (at infinitely many shots). Otherwise
the boundary of the noisy pair lies where the noiseless margin is :math:`-\frac{p}{1 - p} \mathrm{Tr}(A)/D`. To our
knowledge the trace condition is new.
"""

from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from counterspin.errors import ConditionsError
from counterspin.simulation import EffectiveObservables

__all__ = ["DepolarizingBalance", "depolarizing_balance"]

_EPS = torch.finfo(torch.float64).eps


@dataclass(frozen=True, kw_only=True)
class DepolarizingBalance:
    """How global depolarising acts on the class pairs of one model.

    Args:
        means: `Tr(M_y - M_j) / D` `(classes, classes)`: the margin of the maximally mixed state, in score units.
        can_flip: pairs `(classes, classes)` bool, symmetric, whose margin changes sign for some input.
        unbalanced: pairs `(y, j)`, `y < j`, that can flip and whose mean is not 0.
    """

    means: Tensor
    can_flip: Tensor
    unbalanced: tuple[tuple[int, int], ...]

    @property
    def is_balanced(self) -> bool:
        """Whether no strength below 1 moves any decision or exact radius."""
        return not self.unbalanced

    def boundary(self, strength: float) -> Tensor:
        """Noiseless margin `(classes, classes)` of `y` over `j` at which the noisy pair ties.

        Raises:
            ConditionsError: a strength outside [0, 1).
        """
        if not 0 <= strength < 1:
            raise ConditionsError(f"strength is {strength}; at least 0 and less than 1 leaves something of the state.")
        return -strength / (1 - strength) * self.means


def depolarizing_balance(observables: EffectiveObservables) -> DepolarizingBalance:
    """Which class pairs of a frozen model global depolarising noise leaves alone.

    A pair can flip where its form on the features (zero padding and the reality of the data included) is not definite.
    Means within `8 (D + 8)` units of rounding of the observables count as 0.

    Example:
        >>> halves = torch.diag_embed(torch.tensor([[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]])).cdouble()
        >>> depolarizing_balance(EffectiveObservables(halves, length=4)).is_balanced
        True
        >>> thirds = torch.diag_embed(torch.tensor([[1.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]])).cdouble()
        >>> depolarizing_balance(EffectiveObservables(thirds, length=4)).unbalanced
        ((0, 1),)
    """
    matrices, forms = observables.matrices, observables.forms()
    dimension, classes = matrices.shape[1], len(matrices)
    traces = matrices.diagonal(dim1=1, dim2=2).sum(dim=1).real / dimension
    means = traces[:, None] - traces[None, :]
    rounding = 8 * (dimension + 8) * _EPS * matrices.abs().amax(dim=(1, 2))
    can_flip = torch.zeros(classes, classes, dtype=torch.bool)
    unbalanced = []
    for first, second in combinations(range(classes), 2):
        eigenvalues = torch.linalg.eigvalsh(forms[first] - forms[second])
        slack = float(rounding[first] + rounding[second])
        flips = float(eigenvalues[0]) <= slack and float(eigenvalues[-1]) >= -slack
        can_flip[first, second] = can_flip[second, first] = flips
        if flips and abs(float(means[first, second])) > slack:
            unbalanced.append((first, second))
    return DepolarizingBalance(means=means, can_flip=can_flip, unbalanced=tuple(unbalanced))
