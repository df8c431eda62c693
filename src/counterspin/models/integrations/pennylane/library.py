"""PennyLane itself, imported when it is needed: that takes seconds."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["pennylane"]


def pennylane() -> Any:
    """The library. Its stubs say too little about it to be checked against, hence `Any`."""
    return import_module("pennylane")
