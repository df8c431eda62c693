"""What benchmarks need of the machine."""

import shutil

__all__ = ["Unavailable", "find"]


class Unavailable(Exception):
    """This machine lacks what a benchmark needs."""


def find(name: str, advice: str) -> str:
    """Path of a program; `advice` says how to get it.

    Raises:
        Unavailable: it is not on PATH.
    """
    path = shutil.which(name)
    if path is None:
        raise Unavailable(f"{name} is not on PATH; {advice}.")
    return path
