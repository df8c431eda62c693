"""Effective observables of a frozen model, kept until what they were made of changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from counterspin.simulation import EffectiveObservables

__all__ = ["FoldedForms"]


class FoldedForms:
    """The last folding of a model, and its quadratic forms in each precision that was asked for.

    Example:
        >>> from counterspin.circuits import OutcomeGroups, Readout, amplitude_encoding
        >>> from counterspin.simulation import fold
        >>> circuit, weights = amplitude_encoding(2), torch.zeros(0)
        >>> readout = Readout(OutcomeGroups((0,), ((0,), (1,))))
        >>> kept = FoldedForms()
        >>> first = kept.observables([weights], lambda: fold(circuit, weights, readout))
        >>> first is kept.observables([weights], lambda: fold(circuit, weights, readout))
        True
    """

    def __init__(self) -> None:
        self._folded: tuple[Tensor, EffectiveObservables] | None = None
        self._forms: dict[tuple[torch.dtype, torch.device], Tensor] = {}

    def observables(
        self, tensors: Iterable[Tensor], compute: Callable[[], EffectiveObservables]
    ) -> EffectiveObservables:
        """What `compute` gives, computed again only where a value of `tensors` has changed.

        Args:
            tensors: everything `compute` depends on and that may change.
            compute: folds the model.
        """
        # Compared by value: tensors may be replaced or written through `.data`, which no version counter shows.
        values = torch.cat([tensor.detach().flatten().to("cpu", torch.float64) for tensor in tensors])
        if self._folded is None or not torch.equal(self._folded[0], values):
            self._folded, self._forms = (values, compute()), {}
        return self._folded[1]

    def stacked(self, x: Tensor, tensors: Iterable[Tensor], compute: Callable[[], EffectiveObservables]) -> Tensor:
        """Forms of all classes side by side in the precision of `x`, `(features, classes * features)`."""
        observables = self.observables(tensors, compute)
        key = (x.dtype, x.device)
        if key not in self._forms:
            self._forms[key] = observables.stacked(x)
        return self._forms[key]
