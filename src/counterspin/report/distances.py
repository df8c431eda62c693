"""How far each sample had to be moved: distances found by minimum-norm attacks against those known exactly."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from counterspin.attacks import BudgetResult
from counterspin.evaluation.records import AuditRecord
from counterspin.evaluation.run_store import RunStore
from counterspin.evaluation.summary import EXACT_ATTACKS

__all__ = ["Distances", "ecdf", "found_distances", "threat_scale"]

# A point at the edge of the largest ball may lie beyond it by rounding.
_EDGE = 1e-6


@dataclass(frozen=True, eq=False, kw_only=True)
class Distances:
    """Distances `(samples,)` in the units of the threat: 0 for misclassified samples, infinite where nothing was found.

    Args:
        attacks: of each minimum-norm attack, by name.
        union: nearest point of all attacks together, without the exact method.
        proved: distance within which no attack can succeed; None without a certificate.
        exact: whether `proved` is the exact distance of every correctly classified sample, or beyond the largest ε.
        correct: samples classified correctly.
        largest: the largest ε; beyond it nothing is counted.
    """

    attacks: Mapping[str, Tensor]
    union: Tensor
    proved: Tensor | None
    exact: bool
    correct: Tensor
    largest: float


def ecdf(distances: Tensor, largest: float) -> list[tuple[float, float]]:
    """Steps of the share of samples with at most this distance, from 0 to `largest`, as `(distance, share)`.

    Example:
        >>> ecdf(torch.tensor([0.0, 0.25, 0.25, torch.inf]), largest=0.5)
        [(0.0, 0.25), (0.25, 0.75), (0.5, 0.75)]
    """
    counted = distances[distances <= largest * (1 + _EDGE)].clamp(max=largest)
    values, counts = torch.unique(counted, return_counts=True)
    shares = (counts.cumsum(0).double() / max(1, len(distances))).tolist()
    steps = list(zip(values.tolist(), shares, strict=True))
    if not steps or steps[0][0] > 0:
        steps.insert(0, (0.0, 0.0))
    return steps if steps[-1][0] >= largest else [*steps, (largest, steps[-1][1])]


def found_distances(
    record: AuditRecord, store: RunStore, results: Mapping[str, Sequence[BudgetResult]]
) -> Distances | None:
    """The distances of a run; None where no attack looked for the nearest point.

    Args:
        record: the record of the run.
        store: its directory.
        results: finished budgets of each attack.
    """
    inputs = store.tensors("inputs")
    nearest = [name for name, budgets in results.items() if "distance" in budgets[0].history]
    if inputs is None or not nearest:
        return None
    correct, scale = store.rows(nearest[0]).correct, threat_scale(inputs["x"], record.threat)

    def scaled(distances: Tensor) -> Tensor:
        return torch.where(correct, distances / scale, 0.0)

    # A sample stays broken with its first point, so the last budget knows all of them.
    last = {name: budgets[-1].distance for name, budgets in results.items()}
    union = torch.stack([found for name, found in last.items() if name not in EXACT_ATTACKS]).amin(dim=0)
    proved, exact = _proved(record, store)
    largest = record.budgets[-1].eps
    return Distances(
        attacks={name: scaled(last[name]) for name in nearest},
        union=scaled(union),
        proved=None if proved is None else scaled(proved),
        # A search may end at the largest ε, beyond which no curve is drawn.
        exact=proved is not None and exact is not None and bool((exact | (proved > largest * scale))[correct].all()),
        correct=correct,
        largest=largest,
    )


def _proved(record: AuditRecord, store: RunStore) -> tuple[Tensor | None, Tensor | None]:
    """Largest certified radius `(samples,)` in feature units, and where it is the exact distance."""
    methods = [str(card["method"]) for card in record.certificates if card.get("applies", True)]
    found = [tensors for name in methods if (tensors := store.tensors(f"certificate-{name}")) is not None]
    if not found:
        return None, None
    radius = torch.stack([tensors["radius_lower"] for tensors in found]).amax(dim=0)
    return radius, torch.stack([tensors["exact"] for tensors in found]).any(dim=0)


def threat_scale(x: Tensor, threat: Mapping[str, object]) -> Tensor:
    """What one unit of ε means for each sample `(samples,)`, in feature units."""
    if threat.get("units") != "relative":
        return torch.ones(len(x), dtype=torch.float64)
    order = {"linf": torch.inf, "l2": 2.0, "l1": 1.0}[str(threat["norm"])]
    return torch.linalg.vector_norm(x.double(), ord=order, dim=1)
