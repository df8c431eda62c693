"""One line of the result: an engine of ours against one peer on one problem."""

from dataclasses import dataclass
from typing import Any

from benchmarks.timing import Samples
from benchmarks.workloads import Problem

__all__ = ["Row"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One comparison.

    Args:
        workload: what was computed.
        problem: its size.
        threads: of both; one is pinned.
        engine: ours.
        found: times of ours.
        peer: what was timed in the same turns; None: nothing.
        against: times of the peer.
        floor: the least seconds on this machine, see `floor`; None where it has none.
        peak_mib: how much memory one call of ours took.
        peer_peak_mib: the peer's.
        max_difference: largest difference of the results, see `contest.difference`.
    """

    workload: str
    problem: Problem
    threads: int
    engine: str
    found: Samples
    peer: str | None = None
    against: Samples | None = None
    floor: float | None = None
    peak_mib: float | None = None
    peer_peak_mib: float | None = None
    max_difference: float | None = None

    @property
    def milliseconds(self) -> float:
        """Median of ours."""
        return 1e3 * self.found.median

    @property
    def ratio(self) -> float | None:
        """How many times faster than the peer."""
        return None if self.against is None else self.against.median / self.found.median

    @property
    def slowdown(self) -> float | None:
        """How many times slower than the peer, where the peer is an easier circuit."""
        return None if self.against is None else self.found.median / self.against.median

    @property
    def floor_ratio(self) -> float | None:
        """How many times slower than the floor."""
        return None if self.floor is None else self.found.median / self.floor

    @property
    def growth_mib(self) -> float | None:
        """How much more memory than the peer, where the peer is a shallower circuit."""
        if self.peak_mib is None or self.peer_peak_mib is None:
            return None
        return self.peak_mib - self.peer_peak_mib

    def to_json(self) -> dict[str, Any]:
        """The row as JSON values; times in milliseconds, `[fastest, slowest]` as ranges."""
        against = self.against
        return {
            "workload": self.workload,
            "n": self.problem.n,
            "batch": self.problem.batch,
            "depth": self.problem.depth,
            "engine": self.engine,
            "peer": self.peer,
            "milliseconds": self.milliseconds,
            "peer_milliseconds": None if against is None else 1e3 * against.median,
            "ratio": self.ratio,
            "floor_ratio": self.floor_ratio,
            "peak_mib": self.peak_mib,
            "peer_peak_mib": self.peer_peak_mib,
            "floor_milliseconds": None if self.floor is None else 1e3 * self.floor,
            "threads": self.threads,
            "gradient": self.problem.gradient,
            "dtype": str(self.problem.dtype).removeprefix("torch."),
            "samples": len(self.found.seconds),
            "range": _range(self.found),
            "peer_range": None if against is None else _range(against),
            "max_difference": self.max_difference,
        }


def _range(samples: Samples) -> list[float]:
    return [1e3 * samples.fastest, 1e3 * samples.slowest]
