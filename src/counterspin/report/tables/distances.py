"""Distances and traces in numbers."""

from collections.abc import Sequence

import torch
from torch import Tensor

from counterspin.report.charts.distances import UNION, proved_label
from counterspin.report.distances import Distances
from counterspin.report.formats import number, percent
from counterspin.report.tables.base import Table
from counterspin.report.traces import Trace

__all__ = ["distances_table", "traces_table"]


def distances_table(distances: Distances) -> Table:
    """Per attack: how many correct samples it broke, its median distance, and its ratio to the best distance known.

    The best is the exact distance where it is known of every sample, else the nearest point of any attack.
    """
    exact = distances.proved is not None and distances.exact
    best = distances.proved if exact else distances.union
    shown = dict(distances.attacks) | {UNION: distances.union}
    if distances.proved is not None:
        shown |= {proved_label(distances): distances.proved}
    rows = []
    for name, found in shown.items():
        within = found[distances.correct]
        broken = within <= distances.largest * (1 + 1e-6)
        share = percent(float(broken.double().mean())) if len(within) else "–"
        rows.append((name, share, _median(within, distances.largest), *_ratios(found, best, distances)))
    known = "the exact distance" if exact else "the nearest point of any attack"
    return Table(
        caption=f"Distances of the correctly classified samples; ratio: distance over {known}, where both are known.",
        columns=("Attack", "Broken within the largest ε", "Median distance", "Median ratio", "Largest ratio"),
        rows=tuple(rows),
    )


def traces_table(traces: Sequence[Trace]) -> Table:
    """How far each attack had come after a tenth of its queries, after half of them, and in the end."""
    rows = [
        (t.attack, number(t.eps), str(t.queries[-1]), *(percent(_after(t, part)) for part in (0.1, 0.5, 1.0)))
        for t in traces
    ]
    return Table(
        caption="Share of the correctly classified samples broken after a part of the queries, larger ε after smaller.",
        columns=("Attack", "ε", "Queries", "After 10 %", "After half", "In the end"),
        rows=tuple(rows),
    )


def _median(values: Tensor, largest: float) -> str:
    """The median; above `largest` nothing was looked for."""
    if len(values) == 0:
        return "–"
    middle = float(values.double().quantile(0.5, interpolation="higher"))
    return f"above {number(largest)}" if middle > largest * (1 + 1e-6) else number(middle)


def _ratios(found: Tensor, best: Tensor | None, distances: Distances) -> tuple[str, str]:
    if best is None or found is best:
        return "–", "–"
    both = distances.correct & torch.isfinite(found) & torch.isfinite(best) & (best > 0)
    ratio = (found[both] / best[both]).double()
    return (f"{float(ratio.median()):.4f}", f"{float(ratio.max()):.4f}") if len(ratio) else ("–", "–")


def _after(trace: Trace, part: float) -> float:
    limit = part * trace.queries[-1]
    return max((b for q, b in zip(trace.queries, trace.broken, strict=True) if q <= max(1.0, limit)), default=0.0)
