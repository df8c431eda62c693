"""How often an attacker may ask the model."""

from dataclasses import asdict, dataclass

from counterspin.errors import UsageError

__all__ = ["QueryBudget"]


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
