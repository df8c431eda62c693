"""How often an attacker may ask the model, and what a whole audit may execute."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from decimal import Decimal, InvalidOperation

from counterspin.errors import UsageError

__all__ = ["ExecutionBudget", "QueryBudget"]


@dataclass(frozen=True, kw_only=True)
class QueryBudget:
    """What an attacker may spend on each sample at each ε; an attack that has spent it ends with its best so far.

    Args:
        queries: model evaluations, forwards and gradients alike; None: no limit.
        circuits: circuit executions; None: no limit.
        shots: measurement shots; None: no limit.

    Raises:
        UsageError: no limit at all, or one that is not a whole number of at least 1.

    Example:
        >>> QueryBudget(queries=500).to_json()
        {'queries': 500, 'circuits': None, 'shots': None}
    """

    queries: int | None = None
    circuits: int | None = None
    shots: int | None = None

    def __post_init__(self) -> None:
        """Refuse a budget that limits nothing or allows nothing."""
        limits = {name: limit for name, limit in self.to_json().items() if limit is not None}
        if not limits:
            raise UsageError("QueryBudget sets no limit; give queries, circuits or shots, or no budget at all.")
        for name, limit in limits.items():
            if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
                raise UsageError(f"QueryBudget: {name} is {limit!r}; it must be a whole number of at least 1.")

    def to_json(self) -> dict[str, int | None]:
        """The limits as JSON values."""
        return asdict(self)


_UNITS = ("circuits", "shots", "jobs")


@dataclass(frozen=True, kw_only=True)
class ExecutionBudget:
    """What a whole audit may execute; it ends with its best so far when the next query would exceed any limit.

    Args:
        circuits: circuit executions; None: no limit.
        shots: measurement shots; None: no limit.
        jobs: batches of circuits handed to a device; None: no limit.

    Raises:
        UsageError: no limit at all, or one that is not a whole number of at least 1.

    Example:
        >>> str(ExecutionBudget.parse("20000circuits,1e7shots"))
        '20,000 circuits, 10,000,000 shots'
    """

    circuits: int | None = None
    shots: int | None = None
    jobs: int | None = None

    def __post_init__(self) -> None:
        """Refuse a budget that limits nothing or allows nothing."""
        limits = self.limits
        if not limits:
            raise UsageError("ExecutionBudget sets no limit; give circuits, shots or jobs, or no budget at all.")
        for name, limit in limits.items():
            if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
                raise UsageError(f"ExecutionBudget: {name} is {limit!r}; it must be a whole number of at least 1.")

    @classmethod
    def parse(cls, text: str) -> ExecutionBudget:
        """The budget a text says: numbers with a unit of circuits, shots or jobs, comma-separated.

        Raises:
            UsageError: a text that is no budget.
        """
        limits: dict[str, int] = {}
        for part in text.split(","):
            unit = next((unit for unit in _UNITS if part.strip().endswith((unit, unit[:-1]))), None)
            number = _whole(part.strip().removesuffix("s").removesuffix((unit or "s")[:-1]))
            if unit is None or number is None or unit in limits:
                raise UsageError(
                    f"budget is {text!r}; give whole numbers from 1 with a unit, each unit at most once, comma-"
                    "separated: 20000circuits, 1e7shots, 500jobs."
                )
            limits[unit] = number
        return cls(**limits)

    @property
    def limits(self) -> dict[str, int]:
        """The limits that are set, by unit."""
        return {name: limit for name, limit in self.to_json().items() if limit is not None}

    def to_json(self) -> dict[str, int | None]:
        """The limits as JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        """The limits in words."""
        return ", ".join(f"{limit:,} {name if limit > 1 else name[:-1]}" for name, limit in self.limits.items())


def _whole(text: str) -> int | None:
    """The whole number of at least 1 that `text` is, written like 20000 or 1e7; None: it is none."""
    try:
        value = Decimal(text.strip().replace("_", ""))
    except InvalidOperation:
        return None
    return int(value) if value.is_finite() and 1 <= value <= 10**18 and value == value.to_integral_value() else None
