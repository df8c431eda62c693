"""Numbers as the report prints them."""

__all__ = ["NBSP", "count", "number", "p_value", "percent", "seconds"]

NBSP = "\u00a0"


def number(value: float | None) -> str:
    """A number with four significant digits; a dash for None.

    Example:
        >>> number(0.1), number(1234567.0), number(None)
        ('0.1', '1.235e+06', '–')
    """
    return "–" if value is None else f"{value:.4g}"


def count(value: int) -> str:
    """A whole number with thin gaps between thousands, which no line break splits."""
    return f"{value:,}".replace(",", "\u202f")


def p_value(p: float | None) -> str:
    r"""A p-value with two digits, where they say something; a dash for None.

    Example:
        >>> p_value(0.03125), p_value(1.6e-27), p_value(None)
        ('0.031', '<\xa00.0001', '–')
    """
    return "–" if p is None else f"<{NBSP}0.0001" if p < 1e-4 else f"{p:.2g}"


def seconds(value: float) -> str:
    """A duration: `0.42 s`, `12.3 s`, `3 min 5 s`."""
    if value < 60:
        return f"{value:.2f}{NBSP}s" if value < 10 else f"{value:.1f}{NBSP}s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes}{NBSP}min{NBSP}{rest}{NBSP}s"


def percent(value: float) -> str:
    """A share in per cent with one digit and a gap that no line break splits.

    Example:
        >>> percent(0.475).replace(NBSP, " ")
        '47.5 %'
    """
    return f"{100 * value:.1f}{NBSP}%"
