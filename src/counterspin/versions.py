"""Versions of everything that may move a number."""

import platform
from importlib.metadata import version

__all__ = ["versions"]

_LIBRARIES = ("counterspin", "torch", "numpy", "scipy", "scikit-learn")


def versions() -> dict[str, str]:
    """Name and version of Python, counterspin and the libraries its numbers come from."""
    return {"python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}}
