"""Hybrid torch modules whose quantum layers run here instead of in their own library."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from counterspin.errors import CounterspinError, InputError, ModelError
from counterspin.models.integrations.layer import ImportedLayer, LayerReading
from counterspin.models.integrations.reading import Unreadable
from counterspin.models.modes import frozen

__all__ = ["Replacement", "accelerate", "replacements"]

_EQUAL = 1e-6


@dataclass(frozen=True, kw_only=True)
class Replacement:
    """What became of one quantum layer.

    Args:
        name: where it is in the module, `""` for the module itself.
        kind: for example `"pennylane.TorchLayer"`.
        replaced: whether it runs here now.
        reason: what it is now, or why it stayed, one sentence.
    """

    name: str
    kind: str
    replaced: bool
    reason: str


def accelerate(module: nn.Module, x: Tensor) -> nn.Module:
    """A copy of a hybrid module in which quantum layers that can be read run in counterspin.

    Layers of PennyLane (`TorchLayer`) and Qiskit Machine Learning (`TorchConnector`) are looked for. Each is called on
    what reaches it when the module is called on `x`, and replaced only if its replacement gives the same values to
    1e-6. Parameters keep their names and shapes, so that a `state_dict` fits both ways, and stay trainable.
    `replacements` of the copy says what was done.

    Args:
        module: a torch module; it is left as it is.
        x: some samples as the module takes them, at least 2.

    Raises:
        InputError: fewer than two samples.
        ModelError: the module cannot be copied, or fails on `x`.

    Example:
        >>> fast = accelerate(hybrid, x)  # doctest: +SKIP
        >>> [(r.name, r.replaced) for r in replacements(fast)]  # doctest: +SKIP
        [('1', True)]
    """
    if x.ndim < 2 or len(x) < 2:
        raise InputError(f"x has shape {tuple(x.shape)}; give at least 2 samples, (samples, features).")
    try:
        copied = copy.deepcopy(module)
    except Exception as error:  # third-party classes decide what copying does
        raise ModelError(f"the module cannot be copied ({type(error).__name__}: {error}).") from error
    found = [(name, part) for name, part in copied.named_modules(remove_duplicate=False) if _kind(part)]
    seen = _activations(copied, [part for _, part in found], x)
    made: dict[int, nn.Module | str] = {}
    report = []
    for name, part in found:
        if id(part) not in made:
            made[id(part)] = _replacement(part, seen.get(id(part)))
        new = made[id(part)]
        kind = str(_kind(part))
        if isinstance(new, str):
            report.append(Replacement(name=name, kind=kind, replaced=False, reason=new))
            continue
        reason = f"it is a circuit of {new.extra_repr()} of ours"
        report.append(Replacement(name=name, kind=kind, replaced=True, reason=reason))
        if not name:
            copied = new
            continue
        parent, _, last = name.rpartition(".")
        setattr(copied.get_submodule(parent), last, new)
    object.__setattr__(copied, "_replacements", tuple(report))
    return copied


def replacements(module: nn.Module) -> tuple[Replacement, ...]:
    """What `accelerate` did to the quantum layers of the module it returned."""
    return getattr(module, "_replacements", ())


def _kind(module: nn.Module) -> str | None:
    """Which kind of quantum layer it is, told by the names of its classes; None: none that is known."""
    for base in type(module).__mro__:
        library = base.__module__.split(".")[0]
        if (library, base.__name__) == ("pennylane", "TorchLayer"):
            return "pennylane.TorchLayer"
        if (library, base.__name__) == ("qiskit_machine_learning", "TorchConnector"):
            return "qiskit.TorchConnector"
    return None


def _activations(module: nn.Module, layers: list[nn.Module], x: Tensor) -> dict[int, tuple[Tensor, Any]]:
    """First input and output of each layer when the module is called on `x`, by the layer's id."""
    seen: dict[int, tuple[Tensor, Any]] = {}

    def remember(layer: nn.Module, given: tuple[Any, ...], output: Any) -> None:
        if len(given) == 1 and isinstance(given[0], Tensor):
            seen.setdefault(id(layer), (given[0].detach(), output))

    hooks = [layer.register_forward_hook(remember) for layer in layers]
    try:
        with torch.no_grad(), frozen(module):
            module(x)
    except Exception as error:  # the user's module runs here
        raise ModelError(f"the module failed on x ({type(error).__name__}: {error}).") from error
    finally:
        for hook in hooks:
            hook.remove()
    return seen


def _replacement(layer: nn.Module, seen: tuple[Tensor, Any] | None) -> ImportedLayer | str:
    """The layer of ours, or why there is none."""
    if seen is None:
        return "it was not reached when the module was called on x"
    given, output = seen
    if not isinstance(output, Tensor) or output.shape[:-1] not in (given.shape[:-1], given.shape[:-2]):
        return "its output is not one row of values for each row of its input"
    read: Callable[[Any, Tensor], LayerReading] = _pennylane if _kind(layer) == "pennylane.TorchLayer" else _qiskit
    try:
        reading = read(layer, given.reshape(-1, given.shape[-1]).double())
        parameters = dict(layer.named_parameters(remove_duplicate=False))
        new = ImportedLayer(reading, parameters, flat=output.ndim == given.ndim - 1)
        with torch.no_grad():
            error = float((new(given) - output).abs().max())
    except (Unreadable, CounterspinError) as obstacle:
        return f"it cannot be imported: {obstacle}"
    if not error <= _EQUAL * max(1.0, float(output.abs().max())):
        return f"its values would differ by {error:.2g}"
    return new.train(layer.training)


def _pennylane(layer: Any, x: Tensor) -> LayerReading:
    from counterspin.models.integrations.pennylane.layers import read_layer

    return read_layer(layer, x)


def _qiskit(connector: Any, x: Tensor) -> LayerReading:
    from counterspin.models.integrations.qiskit.networks import torch_connector_layer

    reading = torch_connector_layer(connector)
    front, count = reading.front, reading.circuit.weights
    return LayerReading(
        circuit=reading.circuit,
        inputs=(lambda rows, _: rows) if front is None else (lambda rows, _: front(rows)),
        weights=lambda parameters: parameters["weight"][:count].double(),
        measurement=reading.measurement,
        head=reading.head,
    )
