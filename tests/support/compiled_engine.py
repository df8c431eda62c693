"""What of the compiled engine this machine can test; without a C compiler, its tests are skipped."""

import pytest

from counterspin.simulation.kernels import Kernel, kernel
from counterspin.simulation.kernels.library import VARIANTS

__all__ = ["ENGINES", "KERNELS", "each_engine", "each_kernel", "needs_kernel"]

_BEST = kernel()

needs_kernel = pytest.mark.skipif(_BEST is None, reason="the compiled engine was not built")

# One for each instruction set the processor has: the best one and everything below it.
_NAMES = () if _BEST is None else VARIANTS[VARIANTS.index(_BEST.variant) :]
KERNELS = () if _BEST is None else tuple(Kernel(_BEST.library, name) for name in _NAMES)
ENGINES = ("torch",) if _BEST is None else ("torch", "compiled")

each_engine = pytest.mark.parametrize("engine", ["torch", pytest.param("compiled", marks=needs_kernel)])
each_kernel = pytest.mark.parametrize(
    "kernel", KERNELS or [pytest.param(None, marks=needs_kernel)], ids=lambda k: "missing" if k is None else k.variant
)
