"""The kernels outside Python: C drivers for sanitizers and instruction counts, and what feeds them."""

from benchmarks.driver.build import build_driver, compiler_version, production_flags
from benchmarks.driver.case import Case, Results
from benchmarks.driver.run import DriverError, run_driver
from benchmarks.driver.transfer_case import TransferCase

__all__ = [
    "Case",
    "DriverError",
    "Results",
    "TransferCase",
    "build_driver",
    "compiler_version",
    "production_flags",
    "run_driver",
]
