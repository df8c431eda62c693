"""`file.py:object` on the command line: a model in a Python file of the user."""

import hashlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from counterspin.errors import ModelError, UsageError

__all__ = ["UserModel", "is_user_file", "load_user_model"]

# Names a model file may define beside the model.
_SAMPLES, _LABELS, _BOUNDS = "x", "y", "bounds"


@dataclass(frozen=True, kw_only=True, eq=False)
class UserModel:
    """An object of a Python file, and what the file says of it.

    Args:
        model: the object.
        weights: values of the file for those arguments or parameters of the model that have the same name.
        x: samples, where the file defines `x`; None: it does not. So the next two.
        y: labels.
        bounds: lowest and highest value of a feature, or a box.
    """

    model: Any
    weights: Mapping[str, Any]
    x: Any
    y: Any
    bounds: Any


def is_user_file(model: str) -> bool:
    """Whether MODEL means an object in a Python file.

    Example:
        >>> is_user_file("models/mine.py:qnode"), is_user_file("digits-amplitude")
        (True, False)
    """
    path, colon, _ = model.rpartition(":")
    return model.endswith(".py") or bool(colon and path.endswith(".py"))


def load_user_model(model: str) -> UserModel:
    """Run the file and take the object out of it.

    Raises:
        UsageError: no such file, or no such object in it.
        ModelError: the file raised an exception.
    """
    place, _, name = (model, "", "") if model.endswith(".py") else model.rpartition(":")
    path = Path(place)
    if not path.is_file():
        raise UsageError(f"{path} is no file; MODEL is file.py:object, where file.py defines the object.")
    if not name:
        raise UsageError(f"{path} may hold several objects; say which one is the model, for example {path}:model.")
    module = _run(path)
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            known = sorted(key for key in vars(module) if not key.startswith("_"))
            raise UsageError(f"{path} defines no {name!r}; it defines {', '.join(known) or 'nothing'}.")
        found = getattr(found, part)
    if isinstance(found, ModuleType | str | bytes | Path):
        raise UsageError(
            f"{model} is a {type(found).__name__}; name a model: a callable, circuit, network or estimator."
        )
    values = vars(module)
    weights = {key: values[key] for key in _unbound(found) if key in values and key not in (_SAMPLES, _LABELS)}
    return UserModel(
        model=found,
        weights=weights,
        x=values.get(_SAMPLES),
        y=values.get(_LABELS),
        bounds=values.get(_BOUNDS),
    )


def _run(path: Path) -> ModuleType:
    """The module of a file; files beside it can be imported by it, as by `python file.py`."""
    path = path.resolve()
    # A name of its own: `model.py` must not hide a package called `model`, and two files of one name must not meet.
    unique = f"{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if unique in sys.modules:
        return sys.modules[unique]
    spec = importlib.util.spec_from_file_location(unique, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} cannot be imported; give a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[unique] = module
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except (KeyboardInterrupt, MemoryError):
        del sys.modules[unique]
        raise
    except BaseException as error:  # SystemExit too: a script that ends itself gives no model
        del sys.modules[unique]
        raise ModelError(f"{path.name} raised {_described(error, path)} when it was run; mend the file.") from error
    finally:
        sys.path.remove(str(path.parent))
    return module


def _described(error: BaseException, path: Path) -> str:
    """Kind, text and, where it lies in the file, the line of an exception."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    line = error.lineno if isinstance(error, SyntaxError) else (lines[-1] if lines else None)
    text = " ".join(str(error).split())
    return f"{type(error).__name__}{f' ({text})' if text else ''}{f' in line {line}' if line else ''}"


def _unbound(model: Any) -> list[str]:
    """Names of what the model takes besides the samples: arguments of a function, parameters of a circuit."""
    weights = getattr(model, "weight_params", None)
    if weights is not None:  # a Qiskit network: all at once, or one by one
        return ["weights", *(one.name for one in weights)]
    parameters = getattr(model, "parameters", None)
    if parameters is not None and not callable(parameters):  # a Qiskit circuit
        return sorted({getattr(getattr(one, "vector", one), "name", "") for one in parameters})
    function = getattr(model, "func", model)
    if isinstance(function, type) or not callable(function):
        return []
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # built-in callables have no signature
        return []
