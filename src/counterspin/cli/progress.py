"""Progress on the terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

__all__ = ["progress_display"]


@contextmanager
def progress_display(*, hidden: bool) -> Iterator[Callable[[str, int, int], None]]:
    """A callback that shows label, finished and total steps on standard error; silent where that is no terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=hidden or not console.is_terminal, transient=True) as display:
        task = display.add_task("starting", total=None)

        def show(label: str, finished: int, total: int) -> None:
            display.update(task, description=label, completed=finished, total=total)

        yield show
