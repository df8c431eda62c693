"""The compiled engine: circuits as flat programs for a batched adjoint kernel in C."""

from counterspin.simulation.kernels.function import kernel_values
from counterspin.simulation.kernels.library import Kernel, kernel
from counterspin.simulation.kernels.lowering import lower
from counterspin.simulation.kernels.program import FlatProgram, Pass, PassKind, Rotation

__all__ = ["FlatProgram", "Kernel", "Pass", "PassKind", "Rotation", "kernel", "kernel_values", "lower"]
