"""What the engine must reach, and whether it did."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch

from benchmarks.engines import COMPILED, FOLDED
from benchmarks.peers import PENNYLANE
from benchmarks.rows import Row

__all__ = ["REQUIREMENTS", "Requirement", "Verdict", "verdicts"]


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """A bound on one figure of the rows it is about.

    Args:
        workload: of the rows.
        measure: attribute of a row: `"ratio"`, `"floor_ratio"`, `"slowdown"`, `"growth_mib"`, `"max_difference"` or
            `"milliseconds"`.
        bound: what must be reached: at least, for a ratio; at most, for everything else.
        goal: what is aimed at.
        n: qubits of the rows; None: any.
        engine: of the rows.
        peer: of the rows; None: any or none.
    """

    workload: str
    measure: str
    bound: float
    goal: float | None = None
    n: int | None = None
    engine: str = COMPILED
    peer: str | None = None

    def concerns(self, row: Row) -> bool:
        """Whether it is about this row: one thread, float32; the main workload at its main size."""
        problem = row.problem
        usual = row.peer in (None, PENNYLANE) and (problem.batch, problem.depth) == (256, 6)
        return (
            (row.workload, row.engine, problem.dtype) == (self.workload, self.engine, torch.float32)
            and self.n in (None, problem.n)
            and self.peer in (None, row.peer)
            and row.threads == 1
            and (usual or row.workload != "reuploading")
            and getattr(row, self.measure) is not None
        )

    def reached(self, figure: float, bound: float) -> bool:
        """Whether a figure is on the right side of a bound."""
        return figure >= bound if self.measure == "ratio" else figure <= bound


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One requirement on one row."""

    requirement: Requirement
    row: Row

    @property
    def figure(self) -> float:
        """What was measured."""
        return getattr(self.row, self.requirement.measure)

    @property
    def met(self) -> bool:
        """Whether the bound was reached."""
        return self.requirement.reached(self.figure, self.requirement.bound)

    @property
    def words(self) -> str:
        """`goal`, `met` or `NOT MET`."""
        if not self.met:
            return "NOT MET"
        goal = self.requirement.goal
        return "goal" if goal is not None and self.requirement.reached(self.figure, goal) else "met"

    def to_json(self) -> dict[str, Any]:
        """Measure, required, goal and whether it was met."""
        requirement = self.requirement
        return {
            "measure": requirement.measure,
            "required": requirement.bound,
            "goal": requirement.goal,
            "figure": self.figure,
            "met": self.met,
        }


def verdicts(rows: Iterable[Row], requirements: Iterable[Requirement] | None = None) -> list[Verdict]:
    """Every requirement on every row it concerns, in the order of the rows."""
    chosen = REQUIREMENTS if requirements is None else tuple(requirements)
    return [Verdict(requirement=r, row=row) for row in rows for r in chosen if r.concerns(row)]


def _ratio(workload: str, n: int | None, bound: float, goal: float | None = None, **others: str) -> Requirement:
    return Requirement(workload=workload, measure="ratio", n=n, bound=bound, goal=goal, peer=PENNYLANE, **others)


def _at_most(workload: str, measure: str, bound: float, goal: float | None = None, n: int | None = None) -> Requirement:
    return Requirement(workload=workload, measure=measure, n=n, bound=bound, goal=goal)


REQUIREMENTS = (
    _ratio("reuploading", 4, 30.0, 45.0),
    _ratio("reuploading", 8, 45.0, 60.0),
    _ratio("reuploading", 10, 70.0, 90.0),
    _at_most("reuploading", "floor_ratio", 2.0, 1.5, n=8),
    _at_most("reuploading", "floor_ratio", 1.5, 1.2, n=10),
    _at_most("reuploading", "floor_ratio", 1.5, 1.2, n=12),
    _at_most("brick-rzz against brick-cnot", "slowdown", 2.5),
    _at_most("crx-ladder against cnot-ladder", "slowdown", 2.5),
    _ratio("amplitude-folded", 8, 50.0, engine=FOLDED),
    _ratio("amplitude-folded", 10, 25.0, engine=FOLDED),
    _ratio("pgd-20", None, 35.0),
    _at_most("pgd-20", "max_difference", 1e-5),
    # Rounding of the allocator and of the counter; one kept state per layer would be 180 times that.
    _at_most("memory-of-depth", "growth_mib", 1.0),
    # Nobody notices less than a tenth of a second.
    _at_most("first-call", "milliseconds", 100.0),
)
