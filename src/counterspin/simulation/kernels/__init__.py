"""The compiled engine: circuits as flat programs for a batched adjoint kernel in C."""

from counterspin.simulation.kernels.function import kernel_values
from counterspin.simulation.kernels.library import Kernel, kernel
from counterspin.simulation.kernels.lowering import lower
from counterspin.simulation.kernels.program import FlatProgram, Pass, PassKind, Rotation
from counterspin.simulation.kernels.states import kernel_states

__all__ = ["FlatProgram", "Kernel", "Pass", "PassKind", "Rotation", "kernel", "kernel_states", "kernel_values", "lower"]
