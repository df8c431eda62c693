"""Foreign libraries, imported where they are used and named by their extra where they are missing."""

import importlib
import warnings
from typing import Any

from counterspin.errors import MissingExtraError

__all__ = ["imported"]


def imported(module: str) -> Any:
    """A module of the `crosscheck` extra.

    Raises:
        MissingExtraError: it is not installed.

    Example:
        >>> imported("foolbux")
        Traceback (most recent call last):
        counterspin.errors.MissingExtraError: foolbux is not installed; run: pip install counterspin[crosscheck]
    """
    try:
        with warnings.catch_warnings():
            # Foolbox 3.3.4 still imports from a namespace of SciPy that has moved.
            warnings.filterwarnings("ignore", "Please import `gaussian_filter`", DeprecationWarning)
            return importlib.import_module(module)
    except ImportError as error:
        missing = error.name or module
        raise MissingExtraError(f"{missing} is not installed; run: pip install counterspin[crosscheck]") from error
