"""Instructions of the kernel for fixed workloads, counted by callgrind and compared with those of instructions.json.

A count repeats to a few instructions where a time does not to a few per cent, so it shows a slow-down on any machine.
Counted is the AVX2 copy of the kernel, because valgrind has no AVX-512. Needs x86_64, a C compiler and Debian's
valgrind. `make bench BENCH=instructions UPDATE=1` stores the counts found as the new ones to compare with.
"""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import torch

from benchmarks.driver import Case, build_driver, compiler_version, production_flags, run_driver
from benchmarks.outcome import Options, Outcome, columns
from benchmarks.tools import find
from counterspin.circuits import PauliExpectations, amplitude_encoding, reuploading, strongly_entangling

__all__ = ["STORED", "TOLERANCE_PERCENT", "WORKLOADS", "build_counted", "compared", "count", "run"]

STORED = Path(__file__).with_name("instructions.json")
TOLERANCE_PERCENT = 3.0

Z0_Z1 = PauliExpectations.of("Z0", "Z1")
WORKLOADS = {
    "re-uploading, 8 qubits, 6 layers, inputs": Case.random(reuploading(8, 6), Z0_Z1, 64, wanted=(True, False)),
    "amplitudes, 6 qubits, 30 layers, inputs and weights": Case.random(
        amplitude_encoding(64) + strongly_entangling(6, 30), Z0_Z1, 64
    ),
}


def run(options: Options) -> Outcome:
    """One row per workload: instructions of forward and backward, and how they changed against those stored.

    Raises:
        Unavailable: another processor than x86_64, no C compiler, no valgrind.
    """
    compiler = compiler_version()
    with tempfile.TemporaryDirectory() as name:
        driver = build_counted(Path(name))
        found = {workload: count(driver, case, Path(name)) for workload, case in WORKLOADS.items()}
    if os.environ.get("UPDATE", "") not in ("", "0"):
        STORED.write_text(json.dumps({"compiler": compiler, "instructions": found}, indent=1) + "\n")
    rows = compared(found, compiler, json.loads(STORED.read_text()))
    risen = sum(row["rose"] for row in rows)
    table = columns("instructions", rows)
    if risen:
        table.caption = "Instructions rose: make the kernel faster again, or accept them with UPDATE=1."
    return Outcome(rows=rows, tables=(table,), missed=risen)


def compared(found: dict[str, int], compiler: str, stored: dict[str, Any]) -> list[dict[str, Any]]:
    """One row per workload; a count rose if it is larger by more than the tolerance with the same compiler."""
    rows = []
    for workload, instructions in found.items():
        before = stored["instructions"][workload]
        change = 100 * (instructions / before - 1)
        rows.append(
            {
                "workload": workload,
                "instructions": instructions,
                "stored": before,
                "change_percent": change,
                "compiler": compiler,
                "stored_compiler": stored["compiler"],
                "rose": compiler == stored["compiler"] and change > TOLERANCE_PERCENT,
            }
        )
    return rows


def build_counted(folder: Path) -> Path:
    """The driver with the kernel's AVX2 copy, compiled as in the package."""
    width, flags = production_flags("v3")
    executable = folder / "driver"
    build_driver(executable, dtype=torch.float32, vector_bytes=width, flags=flags)
    return executable


def count(driver: Path, case: Case, folder: Path) -> int:
    """Instructions of one forward and backward: those of two repetitions without those of one."""
    return _total(driver, case, folder, repetitions=2) - _total(driver, case, folder, repetitions=1)


def _total(driver: Path, case: Case, folder: Path, repetitions: int) -> int:
    profile = folder / "callgrind.out"
    valgrind = find("valgrind", "install Debian's valgrind")
    under = [valgrind, "--quiet", "--tool=callgrind", f"--callgrind-out-file={profile}"]
    run_driver(driver, case, folder, repetitions=repetitions, under=under)
    totals = next(line for line in profile.read_text().splitlines() if line.startswith("totals:"))
    return int(totals.removeprefix("totals:"))
