"""Which engine runs here, why, and whether it computes what it should."""

import platform
from typing import Any

import torch
from torch import Tensor

from counterspin.circuits import Circuit, PauliExpectations, Readout, feature, weight
from counterspin.simulation import run
from counterspin.simulation.kernels.library import kernel, load_library

__all__ = ["engine_facts"]

# What the engines promise; each error counts as its share of the promise.
_TOLERANCES = {torch.float32: 1e-5, torch.float64: 1e-10}
_INSTRUCTIONS = {"v4": "AVX-512", "v3": "AVX2 but no AVX-512"}
_REINSTALL = "pip install --force-reinstall --no-deps --no-cache-dir counterspin (in a clone: --editable .)"


def engine_facts() -> dict[str, Any]:
    """Name, variant and threads of the engine, why it is this one, whether both engines are correct, and what to do.

    `error` is the deviation that is largest for the tolerance of its precision (1e-5 in float32, 1e-10 in float64).
    """
    variant, why = _chosen()
    engines = ("torch",) if variant is None else ("torch", "compiled")
    found = [(error, _TOLERANCES[dtype], engine) for dtype in _TOLERANCES for engine, error in _errors(dtype, engines)]
    error, tolerance, engine = max(found, key=lambda item: item[0] / item[1])
    return {
        "name": engines[-1],
        "variant": variant,
        "threads": torch.get_num_threads(),
        "correct": error <= tolerance,
        "error": error,
        "why": why,
        "advice": None if error <= tolerance else f"reinstall {'torch' if engine == 'torch' else 'counterspin'}",
    }


def _chosen() -> tuple[str | None, str]:
    """The kernel's variant and one sentence on why this engine runs."""
    try:
        load_library()
    except FileNotFoundError:
        return None, f"the compiled engine was not built: install a C compiler such as gcc, then run {_REINSTALL}"
    except OSError as reason:
        return None, f"the compiled engine cannot be loaded ({reason}): run {_REINSTALL}"
    compiled = kernel()
    variant = "default" if compiled is None else compiled.variant
    has = _INSTRUCTIONS.get(variant, "no wider registers the compiled engine knows")
    return variant, f"the compiled engine was built, and this processor ({platform.machine()}) has {has}"


def _errors(dtype: torch.dtype, engines: tuple[str, ...]) -> list[tuple[str, float]]:
    """Largest deviation of each engine from a closed form, and of the compiled one from torch with all gradients."""
    x = torch.linspace(0.0, 3.0, 35, dtype=dtype)[:, None]
    # ⟨Z⟩ = cos x: a broken torch build shows here first.
    cosine, readout = Circuit(1).add("RY", 0, feature(0)), Readout(PauliExpectations.of("Z0"))
    found = [(name, _deviation(run(cosine, x, x.new_zeros(0), readout, engine=name), x.cos())) for name in engines]
    if len(engines) == 2:
        values, expected = (_values_and_gradients(dtype, name) for name in engines)
        found.append(("compiled", max(map(_deviation, values, expected))))
    return found


def _values_and_gradients(dtype: torch.dtype, engine: str) -> tuple[Tensor, ...]:
    """Values `(35, 3)`, input gradients and weight gradients of three entangled qubits."""
    circuit = Circuit(3)
    for qubit in range(3):
        circuit = circuit.add("H", qubit).add("RX", qubit, feature(qubit) * weight(qubit)).add("RY", qubit, weight(3))
    circuit = circuit.add("CNOT", (0, 1)).add("RZZ", (1, 2), feature(0)).add("CRX", (2, 0), weight(4)).add("CZ", (0, 2))
    x = torch.linspace(-2.0, 2.0, 105, dtype=dtype).reshape(35, 3).requires_grad_()
    w = torch.linspace(0.3, 1.5, 5, dtype=dtype).requires_grad_()
    values = run(circuit, x, w, Readout(PauliExpectations.of("Z0", "X1", "Z1 Y2")), engine=engine)
    gradients = torch.autograd.grad((values * values.new_tensor([1.0, -0.5, 0.25])).mean(), (x, w))
    return values.detach(), *gradients


def _deviation(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).abs().max())
