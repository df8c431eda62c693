"""Counting the finished steps of an audit for a progress display."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from counterspin.attacks import BudgetResult

__all__ = ["Progress", "Steps"]

# Called with a label, finished and total steps.
Progress = Callable[[str, int, int], None]


class Steps:
    """Counts finished steps.

    Args:
        progress: the display.
        total: number of steps.
    """

    def __init__(self, progress: Progress, total: int) -> None:
        self.progress, self.total, self.finished = progress, total, 0

    def done(self, label: str) -> None:
        """Show a step that begins, after the finished ones."""
        self.progress(label, self.finished, self.total)
        self.finished += 1

    def show(self, label: str) -> None:
        """Say what happens within the step that runs."""
        self.progress(label, max(0, self.finished - 1), self.total)

    def announcing(self, fresh: Iterator[BudgetResult], name: str, eps: tuple[float, ...]) -> Iterator[BudgetResult]:
        """The results of an attack `name` at the budgets `eps`, each shown before it is computed."""
        for value in eps:
            self.done(f"{name} at ε = {value:g}")
            result = next(fresh, None)
            if result is None:
                return
            yield result

    def several(self, count: int) -> Callable[[str, int], None]:
        """A display of the next `count` steps, which takes a label and the place of its step."""
        first = self.finished
        self.finished += count
        return lambda label, place: self.progress(label, first + place, self.total)
