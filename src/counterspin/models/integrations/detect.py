"""Which integration reads a model: found by the modules its class comes from, without importing them."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any, Protocol, cast, runtime_checkable

from counterspin.errors import ModelError
from counterspin.models.integrations.reading import Candidate, Options

__all__ = ["INTEGRATIONS", "Integration", "integration_of"]

# In the order they are asked: a module of a library is also a torch module, and that is also a callable.
INTEGRATIONS = ("pennylane", "qiskit", "sklearn_estimators", "jax_functions", "torch_modules", "callables")

_PICKLES = (".pkl", ".pickle", ".joblib", ".pt", ".pth")


@runtime_checkable
class Integration(Protocol):
    """A module that reads models of one library."""

    def claims(self, model: Any) -> bool:
        """Whether it reads `model`; looks at names of classes and imports no library."""
        ...

    def read(self, model: Any, options: Options) -> Candidate:
        """What it found out about `model`.

        Raises:
            ModelError: a model that can be neither imported nor wrapped.
        """
        ...


def integration_of(model: Any) -> Integration:
    """The integration that reads `model`.

    Raises:
        ModelError: text, a path, a class that is not instantiated, or an object that cannot be called.

    Example:
        >>> integration_of(lambda x: x.sum(dim=1)).__name__
        'counterspin.models.integrations.callables'
    """
    if isinstance(model, str | os.PathLike):
        raise ModelError(_about_path(os.fspath(model)))
    if isinstance(model, bytes | bytearray):
        raise ModelError(
            f"model is {type(model).__name__}; pickled models are not read, since loading runs code: pass the object."
        )
    if isinstance(model, type):
        raise ModelError(f"model is the class {model.__name__}; pass an instance of it, {model.__name__}(...).")
    for name in INTEGRATIONS:
        module = cast("Integration", import_module(f"counterspin.models.integrations.{name}"))
        if module.claims(model):
            return module
    raise ModelError(
        f"model is a {type(model).__name__}, which cannot be called; give a model of a supported library, a torch "
        "module or a function from (batch, features) to class scores."
    )


def _about_path(path: str | bytes) -> str:
    path = os.fsdecode(path)
    if path.endswith(_PICKLES):
        return f"model is {path!r}; pickled models are not read, since loading one runs its code: pass the object."
    return (
        f"model is {path!r}; pass the object itself. Models saved by counterspin are read with load_model(path), "
        "objects in a Python file by the command line as file.py:object."
    )
