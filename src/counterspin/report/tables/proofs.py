"""The certificates of an audit side by side."""

import torch

from counterspin.evaluation.records import AuditRecord
from counterspin.report.formats import number, percent
from counterspin.report.proofs import MethodProof, Proofs
from counterspin.report.tables.base import Table

__all__ = ["proofs_table"]


def proofs_table(record: AuditRecord, proofs: Proofs) -> Table:
    """Per method: shares proved at each ε, median radius, tightness, exact share, how often it is best, time."""
    chosen = proofs.chosen
    rows = []
    for place, method in enumerate(proofs.methods):
        best = float((chosen == place)[proofs.correct].double().mean()) if bool(proofs.correct.any()) else 0.0
        exact = float(method.exact[proofs.correct].double().mean()) if bool(proofs.correct.any()) else 0.0
        rows.append(
            (
                method.name,
                *(percent(_share(method, proofs, budget.eps)) for budget in record.budgets),
                _median(method.radius[proofs.correct]),
                _median(proofs.tightness(method)),
                percent(exact),
                percent(best),
                f"{method.seconds:.2f}",
            )
        )
    return Table(
        caption="Each certificate alone. Shares proved are of all samples; the other figures are of the correctly "
        "classified ones. Tightness: median of certified radius over the nearest input known to flip.",
        columns=(
            "Certificate",
            *(f"Proved at ε = {number(budget.eps)}" for budget in record.budgets),
            "Median radius",
            "Tightness",
            "Exact",
            "Best of all",
            "Seconds",
        ),
        rows=tuple(rows),
    )


def _share(method: MethodProof, proofs: Proofs, eps: float) -> float:
    return float((proofs.correct & (method.radius > eps)).double().mean())


def _median(values: torch.Tensor) -> str:
    if len(values) == 0:
        return "–"
    middle = float(values.double().quantile(0.5, interpolation="lower"))
    return "∞" if middle == float("inf") else number(middle)
