"""What each certificate proved of each sample, beside the nearest input that anything found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.attacks import BudgetResult
from counterspin.evaluation.records import AuditRecord
from counterspin.evaluation.run_store import RunStore
from counterspin.report.distances import threat_scale

__all__ = ["MethodProof", "Proofs", "stored_proofs"]


@dataclass(frozen=True, eq=False, kw_only=True)
class MethodProof:
    """One certificate on all samples.

    Args:
        name: of the method.
        radius: certified radius `(samples,)` in the units of the threat.
        exact: samples `(samples,)` bool whose radius it knows to 1e-6.
        seconds: wall time.
    """

    name: str
    radius: Tensor
    exact: Tensor
    seconds: float


@dataclass(frozen=True, eq=False, kw_only=True)
class Proofs:
    """Everything proved, in the units of the threat.

    Args:
        methods: the certificates that apply, in the order in which ties are resolved.
        nearest: distance `(samples,)` of the nearest input known to flip, by attack or certificate; infinite where
            none is known.
        correct: samples classified correctly `(samples,)`.
        largest: the largest ε.
    """

    methods: tuple[MethodProof, ...]
    nearest: Tensor
    correct: Tensor
    largest: float

    @property
    def radius(self) -> Tensor:
        """Best certified radius of each sample `(samples,)`."""
        return torch.stack([method.radius for method in self.methods]).amax(dim=0)

    @property
    def chosen(self) -> Tensor:
        """Place of the method that proves most of each sample `(samples,)`."""
        return torch.stack([method.radius for method in self.methods]).argmax(dim=0)

    def tightness(self, method: MethodProof) -> Tensor:
        """Certified radius over distance of the nearest known flip, of the correct samples where one is known."""
        known = self.correct & torch.isfinite(self.nearest) & (self.nearest > 0)
        return method.radius[known] / self.nearest[known]


def stored_proofs(record: AuditRecord, store: RunStore, results: Mapping[str, Sequence[BudgetResult]]) -> Proofs | None:
    """What a run proved; None where no certificate applies.

    Args:
        record: the record of the run.
        store: its directory.
        results: finished budgets of each attack.
    """
    inputs, clean = store.tensors("inputs"), store.tensors("clean")
    cards = [card for card in record.certificates if card.get("applies", True)]
    stored = [store.tensors(f"certificate-{card['method']}") for card in cards]
    found = [(card, tensors) for card, tensors in zip(cards, stored, strict=True) if tensors is not None]
    if inputs is None or clean is None or not found:
        return None
    scale = threat_scale(inputs["x"], record.threat)
    distances = [budgets[-1].distance for budgets in results.values()]
    nearest = torch.stack([*distances, *(tensors["radius_upper"] for _, tensors in found)]).amin(dim=0)
    return Proofs(
        methods=tuple(
            MethodProof(
                name=str(card["method"]),
                radius=tensors["radius_lower"] / scale,
                exact=tensors["exact"],
                seconds=float(card["seconds"]),
            )
            for card, tensors in found
        ),
        nearest=nearest / scale,
        correct=clean["correct"],
        largest=record.budgets[-1].eps,
    )
