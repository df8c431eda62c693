"""Parsing of option values."""

from counterspin.errors import UsageError

__all__ = ["numbers"]


def numbers(option: str, text: str) -> tuple[float, ...]:
    """Comma-separated numbers.

    Raises:
        UsageError: something else.

    Example:
        >>> numbers("--eps", "0.05,0.1")
        (0.05, 0.1)
    """
    try:
        return tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise UsageError(f"{option} is {text!r}; give comma-separated numbers, for example 0.05,0.1.") from None
