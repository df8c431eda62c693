"""The first call on a circuit never seen: lowering for us, tracing and caches for others."""

from collections.abc import Iterator

import torch
from torch import Tensor

from benchmarks.engines import COMPILED, engine_step
from benchmarks.peers import PENNYLANE, pennylane_step
from benchmarks.rows import Row
from benchmarks.timing import alternate
from benchmarks.workloads import Problem, Step
from counterspin.circuits import reuploading

__all__ = ["rows"]


def rows(n: int, depth: int, *, repeats: int) -> list[Row]:
    """One row: every turn calls a new circuit, its construction not counted, against a new QNode."""
    # A scale of its own makes each circuit a different one, with nothing remembered about it.
    circuits = [reuploading(n, depth, scale=1.0 + 1e-3 * k) for k in range(repeats)]
    problems = [Problem(workload="reuploading", circuit=circuit, depth=depth) for circuit in circuits]
    # PennyLane's circuit has no fixed scale: the same work.
    ours, theirs = iter([engine_step(p) for p in problems]), iter([pennylane_step(p) for p in problems])
    times = alternate({COMPILED: _next(ours), PENNYLANE: _next(theirs)}, repeats=repeats, turn=0.0, settle=False)
    return [
        Row(
            workload="first-call",
            problem=problems[0],
            threads=torch.get_num_threads(),
            engine=COMPILED,
            found=times[COMPILED],
            peer=PENNYLANE,
            against=times[PENNYLANE],
        )
    ]


def _next(steps: Iterator[Step]) -> Step:
    def call() -> tuple[Tensor, Tensor]:
        return next(steps)()

    return call
