"""Wall time of several calls taken in turns, so that whatever slows the machine down slows all of them."""

import os
import statistics
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import TypeVar

import torch

__all__ = ["TURN_SECONDS", "Samples", "alternate", "available_threads", "threads"]

# A call shorter than this repeats within its turn: an attack calls the circuit again and again, it does not find the
# caches as a hundred times longer call of another library left them.
TURN_SECONDS = 0.02

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
    clock: Callable[[], float] = perf_counter,
) -> dict[Name, Samples]:
    """Time the calls in turns, A B C A B C …

    Args:
        calls: what to time, by name, warmed up.
        repeats: turns of each.
        turn: seconds a turn lasts at least; a turn counts as the mean of its calls.
        clock: seconds.
    """
    seconds: dict[Name, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            seconds[name].append(_turn(call, turn, clock))
    return {name: Samples(tuple(values)) for name, values in seconds.items()}


def available_threads() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Run the body with `count` threads; one thread is pinned to one processor where the system can."""
    before = torch.get_num_threads()
    processors = os.sched_getaffinity(0) if count == 1 and hasattr(os, "sched_setaffinity") else None
    torch.set_num_threads(count)
    if processors is not None:
        os.sched_setaffinity(0, {max(processors)})
    try:
        yield
    finally:
        # Threads inherit the processors of the one that starts them: pools must start after the pin is gone.
        if processors is not None:
            os.sched_setaffinity(0, processors)
        torch.set_num_threads(before)


def _turn(call: Callable[[], object], least: float, clock: Callable[[], float]) -> float:
    began, count = clock(), 0
    while True:
        call()
        count += 1
        elapsed = clock() - began
        if elapsed >= least:
            return elapsed / count
