"""A class against a rival: the form and its spectrum on the features that may move."""

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Pair"]

_EPS = torch.finfo(torch.float64).eps
# Beyond this share of the largest multiplier a programme is too flat to solve and nothing is left to gain.
_POLE = 1 - 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class Pair:
    """The form of a class against a rival, which wins where `z'Az <= 0`.

    Args:
        form: symmetric `A` `(d, d)` float64.
        eigenvalues: of the block of the features that may move, ascending `(m,)`.
        vectors: its eigenvectors as columns, 0 on the features that may not `(d, m)`.
        doubt: by how much the form was lowered so as not to exceed the one it stands for: 0 where it is that one.

    Example:
        >>> pair = Pair.of(torch.diag(torch.tensor([1.0, -2.0])).double())
        >>> round(pair.ceiling, 6)
        0.5
    """

    form: Tensor
    eigenvalues: Tensor
    vectors: Tensor
    doubt: float = 0.0

    @classmethod
    def of(cls, form: Tensor, movable: Tensor | None = None, doubt: float = 0.0) -> "Pair":
        """Decompose the block of the features `movable` `(d,)` bool, at least one; None: all."""
        if movable is None or bool(movable.all()):
            eigenvalues, vectors = torch.linalg.eigh(form)
            return cls(form=form, eigenvalues=eigenvalues, vectors=vectors, doubt=doubt)
        index = movable.nonzero()[:, 0]
        eigenvalues, block = torch.linalg.eigh(form[index][:, index])
        vectors = form.new_zeros(len(form), len(index))
        vectors[index] = block
        return cls(form=form, eigenvalues=eigenvalues, vectors=vectors, doubt=doubt)

    def reversed(self) -> "Pair":
        """The rival against the class: lowered as well, by as much on the other side."""
        form, values = -self.form, -self.eigenvalues.flip(0)
        if self.doubt > 0:
            form.diagonal().sub_(2 * self.doubt)
            values = values - 2 * self.doubt
        return Pair(form=form, eigenvalues=values, vectors=self.vectors.flip(1), doubt=self.doubt)

    @property
    def slack(self) -> float:
        """How far an eigenvalue may be off: about four times the largest backward error of LAPACK seen."""
        return 8 * (len(self.form) + 8) * _EPS * float(self.eigenvalues.abs().max())

    @property
    def spectrum(self) -> tuple[float, float]:
        """Outer bounds on the lowest and highest eigenvalue of the block."""
        return float(self.eigenvalues[0]) - self.slack, float(self.eigenvalues[-1]) + self.slack

    @property
    def ceiling(self) -> float:
        """The largest multiplier whose programme is convex; infinite where all are."""
        return -_POLE / self.spectrum[0] if self.spectrum[0] < 0 else torch.inf
