"""Versions of everything that may move a number."""

import platform
from functools import cache
from importlib.metadata import version

__all__ = ["versions"]

_LIBRARIES = ("counterspin", "torch", "numpy", "scipy", "scikit-learn")


def versions() -> dict[str, str]:
    """Name and version of Python, counterspin and the libraries its numbers come from."""
    return {"python": platform.python_version(), **_installed()}


@cache
def _installed() -> dict[str, str]:
    # Read once: parsing the metadata takes 20 ms, longer than many an attack.
    return {name: version(name) for name in _LIBRARIES}
