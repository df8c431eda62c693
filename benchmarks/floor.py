"""The floating-point floor: what the machine could do at best, measured in the same turns as the engines."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from benchmarks.timing import Samples
from benchmarks.workloads import MEASUREMENT, READOUT, Problem
from counterspin.simulation.kernels import lower

__all__ = ["BANDWIDTH", "PRODUCT", "Work", "circuit_work", "floor_seconds", "folded_work", "probes"]

PRODUCT, BANDWIDTH = "matrix product", "copy"

_SIZE = 1024  # of the square matrices
_COPIED = 2**26  # bytes, beyond the caches


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a call cannot avoid.

    Args:
        flops: floating-point operations of values and gradient.
        bytes: traffic: inputs, values and gradients once each way, kept states written and read once.
    """

    flops: float
    bytes: float


def circuit_work(problem: Problem) -> Work:
    """Work of the compiled circuit, forward and backward."""
    forward, backward = lower(problem.circuit, MEASUREMENT).flops
    real = problem.x.element_size()
    inputs, values, states = problem.circuit.inputs, READOUT.classes, 2 * 2**problem.n
    gradient = inputs if problem.gradient == "inputs" else problem.circuit.weights / problem.batch
    # Inputs are read on both ways, the values' gradient comes back, the kept states go out and in.
    moved = 2 * inputs + 2 * values + 2 * states + gradient
    return Work(flops=problem.batch * (forward + backward), bytes=problem.batch * real * moved)


def folded_work(problem: Problem) -> Work:
    """Work of K quadratic forms on F features: one product for the images, two sums over them."""
    classes, features = READOUT.classes, problem.circuit.inputs
    flops = problem.batch * (2.0 * classes * features**2 + 4.0 * classes * features)
    # The images, as long as the inputs for every class, go out and in like the states above.
    numbers = classes * features**2 + problem.batch * features * (3 + 2 * classes)
    return Work(flops=flops, bytes=float(problem.x.element_size() * numbers))


def probes(dtype: torch.dtype) -> dict[str, Callable[[], object]]:
    """Calls to time: one matrix product in `dtype` and one copy."""
    a, b = torch.ones(_SIZE, _SIZE, dtype=dtype), torch.ones(_SIZE, _SIZE, dtype=dtype)
    product = torch.empty_like(a)
    # Into memory that is there: a fresh tensor would time the page faults of the operating system.
    source = torch.ones(_COPIED, dtype=torch.uint8)
    target = torch.zeros_like(source)
    return {PRODUCT: lambda: torch.mm(a, b, out=product), BANDWIDTH: lambda: target.copy_(source)}


def floor_seconds(work: Work, product: Samples, copy: Samples) -> float:
    r"""The least time of a call, :math:`\max(\text{flops}/\text{rate}, \text{bytes}/\text{bandwidth})`.

    Args:
        work: of the call.
        product: turns of the matrix product of `probes`.
        copy: turns of the copy; it reads and writes.
    """
    rate = 2.0 * _SIZE**3 / product.median
    bandwidth = 2.0 * _COPIED / copy.median
    return max(work.flops / rate, work.bytes / bandwidth)
