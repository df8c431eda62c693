"""Peak memory of one call, as the kernel of the operating system counted it."""

import ctypes
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

__all__ = ["peak_mib"]

Result = TypeVar("Result")


def peak_mib(call: Callable[[], Result]) -> tuple[Result, float | None]:
    """The call's result, and by how much resident memory rose at most meanwhile, in MiB; None where unknown.

    The high-water mark of Linux is reset and read again: no sampling, so that no short peak is missed.
    """
    if sys.platform != "linux":
        return call(), None
    # What earlier calls freed would be used again unseen.
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    result = call()
    return result, max(0.0, _status("VmHWM") - before)


def _status(name: str) -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024
