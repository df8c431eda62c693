"""Whole audits as a user runs them: wall time and peak memory of one process."""

import os
import subprocess
import sys
import tempfile
import time
from typing import Any

from benchmarks.outcome import Options, Outcome, columns

RUNS: dict[str, dict[str, Any]] = {
    "make audit": {"arguments": ["digits-amplitude", "--quick"], "target_seconds": 60.0, "target_mib": None},
    "mnist-amplitude, 500": {
        "arguments": ["mnist-amplitude", "--samples", "500"],
        "target_seconds": None,
        "target_mib": 2048.0,
    },
}


def run(options: Options) -> Outcome:
    """One row per audit; quickly, the first one only."""
    rows = [_row(name, **case) for name, case in list(RUNS.items())[: 1 if options.quick else None]]
    return Outcome(rows=rows, tables=(columns("audit", rows),))


def _row(name: str, arguments: list[str], target_seconds: float | None, target_mib: float | None) -> dict[str, Any]:
    command = [sys.executable, "-c", "from counterspin.cli import main; main()", "audit", *arguments]
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        process = subprocess.Popen([*command, "--out", f"{folder}/run"], stdout=subprocess.DEVNULL)
        # wait4 and not RUSAGE_CHILDREN: the latter keeps the largest child ever.
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
    return {
        "audit": name,
        "exit_code": os.waitstatus_to_exitcode(status),
        "seconds": seconds,
        "target_seconds": target_seconds,
        "peak_mib": usage.ru_maxrss / 1024,
        "target_mib": target_mib,
    }
