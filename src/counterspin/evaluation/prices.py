"""A user's price table: what circuits, shots and jobs cost on their device."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counterspin.errors import InputError, UsageError
from counterspin.types import Cost

__all__ = ["Prices"]


@dataclass(frozen=True, kw_only=True)
class Prices:
    """What a device charges.

    Args:
        circuit: per circuit.
        shot: per shot.
        job: per job.
        currency: of all three, as it is printed.

    Raises:
        UsageError: a price that is not a finite number from 0 upwards.

    Example:
        >>> Prices(circuit=0.01, job=0.3).of(Cost(circuits=100, jobs=2))
        1.6
    """

    circuit: float = 0.0
    shot: float = 0.0
    job: float = 0.0
    currency: str = "units"

    def __post_init__(self) -> None:
        """Refuse what is no price."""
        for name in ("circuit", "shot", "job"):
            value = getattr(self, name)
            real = isinstance(value, int | float) and not isinstance(value, bool)
            if not (real and math.isfinite(value) and value >= 0):
                raise UsageError(f"prices: {name} is {value!r}; give a finite number from 0 upwards.")

    @classmethod
    def read(cls, given: Mapping[str, Any] | str | Path) -> Prices:
        """Prices from a dictionary, or from a JSON file of one: `{"circuit": 0.01, "job": 0.3, "currency": "EUR"}`.

        Raises:
            UsageError: unknown keys, or values that are no prices.
            InputError: a file that cannot be read.
        """
        if not isinstance(given, Mapping):
            try:
                given = json.loads(Path(given).read_text())
            except (OSError, ValueError) as error:
                raise InputError(f"prices {given} cannot be read ({error}); give a JSON file of one object.") from error
        known = ("circuit", "shot", "job", "currency")
        if not isinstance(given, Mapping) or not set(given) <= set(known):
            raise UsageError(f"prices is {given!r}; give an object with some of the keys {', '.join(known)}.")
        return cls(**{**given, "currency": str(given.get("currency", "units"))})

    def of(self, cost: Cost) -> float:
        """What `cost` costs, to a millionth."""
        return round(self.circuit * cost.circuits + self.shot * cost.shots + self.job * cost.jobs, 6)

    def words(self, cost: Cost) -> str:
        """The same with its currency."""
        return f"{self.of(cost):,.2f} {self.currency}"
