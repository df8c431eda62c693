"""What happened during the queries of one budget: traces over the queries, notes per sample, cost."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from counterspin.attacks.oracle import Oracle
from counterspin.attacks.task import State, Task
from counterspin.types import Cost

__all__ = ["Journal"]


@dataclass(eq=False, kw_only=True)
class Journal:
    """The history of a budget, gathered oracle by oracle.

    Args:
        total: correctly classified samples, at least 1: traces are shares of, and means over, these.
        late_gain: how much the best margin of each sample fell over its last 10 queries `(batch,)`.
        traces: per query, by name.
        notes: per sample, by name, each `(batch,)`.
        cost: so far.
    """

    total: int
    late_gain: Tensor
    traces: dict[str, list[float]] = field(default_factory=dict)
    notes: dict[str, Tensor] = field(default_factory=dict)
    cost: Cost = field(default_factory=Cost)

    @classmethod
    def opened(cls, task: Task) -> Journal:
        """Nothing has happened yet."""
        traces: dict[str, list[float]] = {"broken": [], "best_margin": []}
        return cls(total=max(1, int(task.correct.sum())), late_gain=torch.zeros_like(task.margin), traces=traces)

    def note(self, oracle: Oracle, alive: Tensor, settled: int, trace: str = "best_margin") -> None:
        """Add what an oracle saw of the samples `alive` `(n,)` after `settled` others had been broken."""
        self.traces["broken"] += [(settled + broken) / self.total for broken, _ in oracle.trace]
        self.traces.setdefault(trace, []).extend(value / self.total for _, value in oracle.trace)
        self.late_gain[alive] = oracle.late_gain.to(self.late_gain)
        for name, values in oracle.notes.items():
            whole = self.notes.setdefault(name, torch.zeros_like(self.late_gain))
            whole[alive] = torch.maximum(whole[alive], values.to(whole))
        self.cost += oracle.cost

    def history(self, state: State) -> dict[str, list[float]]:
        """Everything as JSON lists, given the state the budget ended in."""
        late_gain = torch.where(state.success, 0.0, self.late_gain).tolist()
        return {**self.traces, "late_gain": late_gain, **{name: note.tolist() for name, note in self.notes.items()}}
