"""One problem; our engines, the peers and the machine itself in turns: the rows of the result."""

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter

import torch
from torch import Tensor

from benchmarks.floor import BANDWIDTH, PRODUCT, Work, floor_seconds, probes
from benchmarks.memory import peak_mib
from benchmarks.rows import Row
from benchmarks.timing import alternate
from benchmarks.workloads import Problem, Step

__all__ = ["contest", "difference"]

# Where one call of a peer takes longer than this, three turns must do.
_LONG_SECONDS = 10.0
_FEW = 3

# Beyond this they did not compute the same thing, and their times mean nothing.
_SAME = 1e-3


@dataclass(frozen=True, kw_only=True)
class _Trial:
    """A contender's results, kept from the call that warms it up and measures its memory."""

    results: tuple[Tensor, Tensor]
    peak: float | None
    seconds: float


def contest(
    problem: Problem,
    ours: Mapping[str, Step],
    peers: Mapping[str, Step],
    *,
    repeats: int,
    work: Work | None = None,
    workload: str | None = None,
    same: bool = True,
) -> list[Row]:
    """Time all contenders in turns; one row for each of ours against each peer, or alone without peers.

    Args:
        problem: what is computed.
        ours: our engines' calls by name.
        peers: the peers' calls by name, other names than ours.
        repeats: turns of each; three where a peer's call takes more than ten seconds.
        work: for the floor; None: the rows have none.
        workload: name in the rows; None: that of the problem.
        same: whether the peers compute the same numbers, which is checked.

    Raises:
        RuntimeError: results that differ.
    """
    trials = {name: _trial(call) for name, call in {**ours, **peers}.items()}
    if any(trials[name].seconds > _LONG_SECONDS for name in peers):
        repeats = min(repeats, _FEW)
    machine = {} if work is None else probes(problem.dtype)
    times = alternate({**ours, **peers, **machine}, repeats=repeats)
    floor = None if work is None else floor_seconds(work, times[PRODUCT], times[BANDWIDTH])
    rows = []
    for name in ours:
        for peer in list(peers) or [None]:
            far = None
            if peer is not None and same:
                far = difference(trials[name].results, trials[peer].results)
                if far > _SAME:
                    raise RuntimeError(f"{name} and {peer} differ by {far:.1e} on {problem.workload}, n={problem.n}.")
            rows.append(
                Row(
                    workload=workload or problem.workload,
                    problem=problem,
                    threads=torch.get_num_threads(),
                    engine=name,
                    found=times[name],
                    peer=peer,
                    against=None if peer is None else times[peer],
                    floor=floor,
                    peak_mib=trials[name].peak,
                    peer_peak_mib=None if peer is None else trials[peer].peak,
                    max_difference=far,
                )
            )
    return rows


def difference(found: tuple[Tensor, ...], expected: tuple[Tensor, ...]) -> float:
    """Largest difference of any entry, relative to the largest entry expected where that is above 1."""
    pairs = zip(found, expected, strict=True)
    return max(float((a.double() - b).abs().max() / b.double().abs().max().clamp_min(1.0)) for a, b in pairs)


def _trial(call: Step) -> _Trial:
    call()  # what happens once is not memory of a call
    began = perf_counter()
    results, peak = peak_mib(call)
    return _Trial(results=results, peak=peak, seconds=perf_counter() - began)
