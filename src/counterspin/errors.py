"""The exception tree: every refusal counterspin makes, and the exit code the command line gives it.

A message names the argument, what was given, what is allowed and what to do. Errors are raised before any compute.
"""

__all__ = [
    "BudgetReachedError",
    "CapabilityError",
    "ConditionsError",
    "CounterspinError",
    "InputError",
    "InterruptedRunError",
    "MissingExtraError",
    "ModelError",
    "ResourceError",
    "StorageError",
    "UsageError",
]


class CounterspinError(Exception):
    """Root of the tree; `exit_code` is what the command line ends with."""

    exit_code = 3


class UsageError(CounterspinError, ValueError):
    """An option or argument that makes no sense: unknown name, empty budget, run directory of another configuration."""

    exit_code = 2


class MissingExtraError(CounterspinError, ImportError):
    """An optional dependency is needed and not installed; the message names the extra."""

    exit_code = 2


class InputError(CounterspinError, ValueError):
    """Data that cannot be used: wrong shape, not finite, outside the box, labels out of range, unreadable file."""


class ModelError(CounterspinError, ValueError):
    """A model that cannot be used: unreadable or truncated file, wrong output shape, not finite outputs."""


class CapabilityError(ModelError):
    """A model lacks what an attack or certificate requires (a gradient, a circuit, effective observables)."""


class ConditionsError(CounterspinError, ValueError):
    """A certificate or exact method asked outside the conditions under which its theorem holds."""

    exit_code = 2


class ResourceError(CounterspinError, MemoryError):
    """A computation this machine has no memory for."""


class StorageError(CounterspinError, OSError):
    """The disk refused: full, read-only, or a damaged run directory. Finished work stays where it is."""


class BudgetReachedError(CounterspinError):
    """A budget of circuits, queries or shots is used up; the best result so far is kept."""

    exit_code = 4


class InterruptedRunError(CounterspinError):
    """The user interrupted a run; finished work is stored, the same command resumes."""

    exit_code = 130
