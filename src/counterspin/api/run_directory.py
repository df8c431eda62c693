"""Where a run of a public function is kept: a directory somebody named, one of its own, or a temporary one."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from counterspin.api.subjects import run_name

__all__ = ["kept_run"]

Report = TypeVar("Report")


def kept_run(
    produce: Callable[[Path], Report],
    *,
    name: str,
    config: Mapping[str, Any],
    out: str | Path | None,
    runs: str | Path | None,
) -> Report:
    """The report of a run, made in its directory: `out`, else one of its own in `runs`, else a temporary one.

    A temporary directory lives as long as the report, and not at all where making it failed.

    Args:
        produce: does or reads the run in the directory it is given.
        name: of the run, for a directory of its own.
        config: what keys the run.
        out: run directory.
        runs: directory of run directories.

    Example:
        >>> found = kept_run(lambda directory: {directory.name}, name="net", config={"seed": 0}, out=None, runs="runs")
        >>> found
        {'net-bd0488843468'}
    """
    if out is not None:
        return produce(Path(out))
    own_name = run_name(name, config)
    if runs is not None:
        return produce(Path(runs) / own_name)
    temporary = tempfile.mkdtemp(prefix="counterspin-")
    try:
        report = produce(Path(temporary) / own_name)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    weakref.finalize(report, shutil.rmtree, temporary, ignore_errors=True)
    return report
