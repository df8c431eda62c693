"""Which engine runs a circuit: the compiled one where it can, otherwise torch."""

from __future__ import annotations

import torch
from torch import Tensor

from counterspin.errors import UsageError
from counterspin.simulation.kernels import Kernel, kernel

__all__ = ["ENGINES", "check_engine", "choose", "engine_name"]

ENGINES = ("auto", "compiled", "torch")


def check_engine(engine: str) -> str:
    """The engine's name.

    Raises:
        UsageError: there is no such engine.
    """
    if engine not in ENGINES:
        raise UsageError(f"engine is {engine!r}; allowed: {', '.join(ENGINES)}.")
    return engine


def choose(engine: str, inputs: Tensor, weights: Tensor, *, obstacle: str | None = None) -> Kernel | None:
    """The compiled kernel, or None for the torch engine.

    Args:
        engine: `"auto"` takes the kernel wherever it can serve: on the CPU, outside `torch.func` transforms.
            `"compiled"` insists on it, `"torch"` never takes it.
        inputs: of the circuit.
        weights: of the circuit.
        obstacle: why it cannot serve what is asked for, as a clause; None: it can.

    Raises:
        UsageError: an unknown engine, or the compiled one where it cannot serve.
    """
    if check_engine(engine) == "torch":
        return None
    obstacle = obstacle or _obstacle(inputs, weights)
    if obstacle is None:
        return kernel()
    if engine == "compiled":
        raise UsageError(f"engine is 'compiled', but {obstacle}; use engine='auto' or 'torch'.")
    return None


def engine_name() -> str:
    """The engine that `"auto"` takes on the CPU, for example `compiled (v4)`."""
    compiled = kernel()
    return "torch" if compiled is None else f"compiled ({compiled.variant})"


def _obstacle(inputs: Tensor, weights: Tensor) -> str | None:
    if inputs.device.type != "cpu" or weights.device.type != "cpu":
        return f"the inputs are on {inputs.device} and the weights on {weights.device}; it runs on the CPU"
    # No public question asks whether torch.func is at work; its wrapped tensors have no memory to point at.
    if torch._C._are_functorch_transforms_active():
        return "a torch.func transform is active, which it cannot be traced by"
    if kernel() is None:
        return "it is not installed here (`counterspin doctor` says why)"
    return None
