"""Running a driver on a case."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from benchmarks.driver.case import Case, Results
from benchmarks.driver.transfer_case import TransferCase

__all__ = ["DriverError", "run_driver"]


class DriverError(Exception):
    """The driver failed or said something: its error, or what a sanitizer found."""


def run_driver(
    executable: Path,
    case: Case | TransferCase,
    folder: Path,
    *,
    threads: int = 1,
    repetitions: int = 1,
    under: Sequence[str] = (),
) -> Results:
    """What the kernel computes for a case.

    Args:
        executable: of `build_driver`, for this kind of case in its precision.
        case: what to run.
        folder: where the files for and from the driver go.
        threads: of the kernel.
        repetitions: how often forward and backward run.
        under: a program with its options that runs the driver, for example valgrind.

    Raises:
        DriverError: the driver failed or wrote to standard error.
    """
    case.write(folder / "case")
    command = [*under, str(executable), str(folder / "case"), str(folder / "result"), str(threads), str(repetitions)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode or done.stderr:
        raise DriverError(f"exit code {done.returncode}\n{done.stderr}")
    return case.read_results(folder / "result")
