"""Wall time of several calls taken in turns, so that whatever slows the machine down slows all of them."""

import ctypes
import os
import statistics
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import TypeVar

import torch
from threadpoolctl import threadpool_limits

__all__ = ["TURN_SECONDS", "Samples", "alternate", "available_threads", "threads"]

# A call shorter than this repeats within its turn.
TURN_SECONDS = 0.02

# Only glibc has it, and only glibc would otherwise do the same within somebody's call.
_TRIM: Callable[[int], object] = getattr(ctypes.CDLL(None), "malloc_trim", lambda keep: None)

Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True)
class Samples:
    """Seconds per call, one value per turn."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle turn."""
        return statistics.median(self.seconds)

    @property
    def fastest(self) -> float:
        """The shortest turn."""
        return min(self.seconds)

    @property
    def slowest(self) -> float:
        """The longest turn."""
        return max(self.seconds)


def alternate(
    calls: Mapping[Name, Callable[[], object]],
    *,
    repeats: int,
    turn: float = TURN_SECONDS,
    settle: bool = True,
    clock: Callable[[], float] = perf_counter,
) -> dict[Name, Samples]:
    """Time the calls in turns, A B C A B C …

    Args:
        calls: what to time, by name, warmed up.
        repeats: turns of each.
        turn: seconds a turn lasts at least; a turn counts as the mean of its calls.
        settle: before a turn, free memory goes back to the system and one call is made, neither of them timed: an
            attack calls the circuit again and again, it does not find the caches as another library left them, nor pays
            for giving back that library's memory (20 to 100 ms after PennyLane at 10 qubits).
        clock: seconds.
    """
    seconds: dict[Name, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            seconds[name].append(_turn(call, turn, clock, settle=settle))
    return {name: Samples(tuple(values)) for name, values in seconds.items()}


def available_threads() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Run the body with `count` threads, also of numpy's BLAS; one thread is pinned to one processor where possible."""
    before = torch.get_num_threads()
    processors = os.sched_getaffinity(0) if count == 1 and hasattr(os, "sched_setaffinity") else None
    torch.set_num_threads(count)
    if processors is not None:
        os.sched_setaffinity(0, {max(processors)})
    try:
        with threadpool_limits(limits=count, user_api="blas"):
            yield
    finally:
        # Threads inherit the processors of the one that starts them: pools must start after the pin is gone.
        if processors is not None:
            os.sched_setaffinity(0, processors)
        torch.set_num_threads(before)


def _turn(call: Callable[[], object], least: float, clock: Callable[[], float], *, settle: bool) -> float:
    if settle:
        _TRIM(0)
        call()
    began, count = clock(), 0
    while True:
        call()
        count += 1
        elapsed = clock() - began
        if elapsed >= least:
            return elapsed / count
