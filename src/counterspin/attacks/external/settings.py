"""Settings of foreign attacks as values: hashable, comparable, JSON."""

from collections.abc import Mapping
from typing import Any

from counterspin.errors import UsageError

__all__ = ["as_settings"]


def as_settings(given: Mapping[str, Any] | tuple[tuple[str, Any], ...]) -> tuple[tuple[str, Any], ...]:
    """Name-value pairs in the order of their names.

    Raises:
        UsageError: a value that is no number, text, truth value or None.

    Example:
        >>> as_settings({"steps": 40, "random_start": False})
        (('random_start', False), ('steps', 40))
    """
    pairs = tuple(sorted(dict(given).items()))
    odd = [name for name, value in pairs if not isinstance(value, (int, float, str, type(None)))]
    if odd:
        raise UsageError(
            f"settings hold {', '.join(odd)}, which JSON cannot store; give numbers, texts, truth values or None."
        )
    return pairs
