"""Values of options as users type them."""

from collections.abc import Mapping, Sequence

from counterspin.errors import UsageError

__all__ = ["count", "real", "word"]


def real(options: Mapping[str, str], name: str, default: float) -> float:
    """The number given as `name`, or `default`.

    Raises:
        UsageError: it is no number.

    Example:
        >>> real({"eps": "0.1"}, "eps", 0.2), real({}, "eps", 0.2)
        (0.1, 0.2)
    """
    try:
        return float(options[name]) if name in options else default
    except ValueError:
        raise UsageError(f"{name} is {options[name]!r}; give a number, for example {name}={default:g}.") from None


def count(options: Mapping[str, str], name: str, default: int) -> int:
    """The whole number given as `name`, or `default`.

    Raises:
        UsageError: it is none, or below 1.
    """
    try:
        value = int(options[name]) if name in options else default
    except ValueError:
        value = 0
    if value < 1:
        raise UsageError(f"{name} is {options[name]!r}; give a whole number from 1, for example {name}={default}.")
    return value


def word(options: Mapping[str, str], name: str, default: str, allowed: Sequence[str]) -> str:
    """The word given as `name`, or `default`.

    Raises:
        UsageError: it is not allowed.
    """
    value = options.get(name, default)
    if value not in allowed:
        raise UsageError(f"{name} is {value!r}; allowed: {', '.join(allowed)}.")
    return value
