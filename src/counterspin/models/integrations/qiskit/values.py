"""Numbers the user gives for parameters of a circuit, by the name of a parameter or of its vector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from counterspin.errors import ModelError

__all__ = ["named_parameters", "numbers_of", "vector_name"]


def vector_name(parameter: Any) -> str:
    """The name of the vector a parameter is an element of, or its own."""
    vector = getattr(parameter, "vector", None)
    return parameter.name if vector is None else vector.name


def named_parameters(parameters: Sequence[Any], names: str) -> list[Any]:
    """The parameters that a comma-separated list names: vectors in their order, single parameters in the list's.

    Raises:
        ModelError: a name that occurs nowhere.
    """
    found = []
    for name in (part.strip() for part in names.split(",")):
        chosen = [p for p in parameters if p.name == name or vector_name(p) == name]
        if not chosen:
            raise ModelError(f"inputs names {name!r}; the circuit's parameters are {_listed(parameters)}.")
        found += sorted(chosen, key=lambda p: getattr(p, "index", 0))
    return list(dict.fromkeys(found))


def numbers_of(parameters: Sequence[Any], given: Mapping[str, Any]) -> dict[Any, float]:
    """The number of each parameter.

    Args:
        parameters: what needs a number.
        given: numbers by parameter name, or arrays by the name of a vector.

    Raises:
        ModelError: a parameter without a number, a name that occurs nowhere, a vector of another length.
    """
    names = {p.name for p in parameters} | {vector_name(p) for p in parameters}
    unknown = sorted(set(given) - names)
    if unknown:
        raise ModelError(f"weights names {unknown[0]!r}; the parameters that need numbers are {_listed(parameters)}.")
    missing = [p for p in parameters if p.name not in given and vector_name(p) not in given]
    if missing:
        raise ModelError(
            f"parameters {_listed(missing)} are not bound; give their numbers, for example "
            f"weights={{{vector_name(missing[0])!r}: [...]}} (on the command line a variable of that name in the file)."
        )
    return {p: _number(p, given) for p in parameters}


def _number(parameter: Any, given: Mapping[str, Any]) -> float:
    single = parameter.name in given
    name = parameter.name if single else vector_name(parameter)
    try:
        values = np.asarray(given[name], dtype=np.float64).ravel()
    except (TypeError, ValueError):
        raise ModelError(f"weights[{name!r}] is {type(given[name]).__name__}; give real numbers.") from None
    expected = 1 if single else len(parameter.vector)
    if len(values) != expected or not np.isfinite(values).all():
        raise ModelError(f"weights[{name!r}] holds {len(values)} numbers; give {expected} finite ones.")
    return float(values[0 if single else parameter.index])


def _listed(parameters: Sequence[Any]) -> str:
    """Names of parameters, vectors once."""
    names = list(dict.fromkeys(vector_name(p) for p in parameters))
    return (", ".join(repr(name) for name in names[:5]) + (", …" if len(names) > 5 else "")) or "none"
