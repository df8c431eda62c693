"""The kernel outside Python: a C driver for sanitizers and instruction counts, and what feeds it."""

from benchmarks.driver.build import build_driver, compiler_version, production_flags
from benchmarks.driver.case import Case, Results
from benchmarks.driver.run import DriverError, run_driver

__all__ = [
    "Case",
    "DriverError",
    "Results",
    "build_driver",
    "compiler_version",
    "production_flags",
    "run_driver",
]
