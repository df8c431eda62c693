"""What happened query by query: traces of each attack, thinned to what a figure can show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from counterspin.attacks import BudgetResult

__all__ = ["MOST_POINTS", "Trace", "stored_traces", "thinned"]

MOST_POINTS = 200

# Values are drawn a few hundred pixels high.
_DIGITS = 4

# Of all traces together: a report must stay small however many ε were asked for.
_ALL_POINTS = 6000


@dataclass(frozen=True, kw_only=True)
class Trace:
    """One attack at one ε.

    Args:
        attack: name of the attack.
        eps: budget; for a minimum-norm attack, which searches once for all, the largest.
        queries: number of queries that each value stands after.
        broken: share of the correctly classified samples broken so far.
        best_margin: mean over them of the smallest margin so far, 0 where broken; empty for a minimum-norm attack.
        distance: mean over them of the smallest distance so far, the largest ε where unbroken; empty for the others.
    """

    attack: str
    eps: float
    queries: tuple[int, ...]
    broken: tuple[float, ...]
    best_margin: tuple[float, ...] = ()
    distance: tuple[float, ...] = ()


def thinned(length: int, most: int = MOST_POINTS) -> list[int]:
    """At most `most` of the places 0 to `length - 1`, denser at the beginning, always with the first and the last.

    Queries are drawn on a logarithmic axis, so the places are chosen evenly on it.

    Example:
        >>> thinned(3), thinned(1000, most=4)
        ([0, 1, 2], [0, 9, 99, 999])
    """
    if length <= most:
        return list(range(length))
    return sorted({round(length ** (place / (most - 1))) - 1 for place in range(most)})


def stored_traces(results: Mapping[str, Sequence[BudgetResult]], largest: float) -> tuple[Trace, ...]:
    """The traces of a run, attack by attack in ascending ε; attacks that ask no queries have none.

    Args:
        results: finished budgets of each attack.
        largest: the largest ε.
    """
    most = max(2, min(MOST_POINTS, _ALL_POINTS // max(1, sum(map(len, results.values())))))
    traces = []
    for name, budgets in results.items():
        for result in budgets:
            history = result.history
            broken = history.get("broken", [])
            if not broken:
                continue
            nearest = "distance" in history
            other = history.get("distance" if nearest else "best_margin", [])
            kept = _bends(thinned(len(broken), most), broken, other if len(other) == len(broken) else broken)
            reached = tuple(round(other[place], _DIGITS) for place in kept) if len(other) == len(broken) else ()
            traces.append(
                Trace(
                    attack=name,
                    eps=largest if nearest else result.eps,
                    queries=tuple(place + 1 for place in kept),
                    broken=tuple(round(broken[place], _DIGITS) for place in kept),
                    best_margin=() if nearest else reached,
                    distance=reached if nearest else (),
                )
            )
    return tuple(traces)


def _bends(places: list[int], *traces: Sequence[float]) -> list[int]:
    """The places without those in the middle of a stretch where every trace is level: lines look the same."""
    found = [tuple(trace[place] for trace in traces) for place in places]
    return [
        place
        for k, place in enumerate(places)
        if k in (0, len(places) - 1) or not found[k - 1] == found[k] == found[k + 1]
    ]
