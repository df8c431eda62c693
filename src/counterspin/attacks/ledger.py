"""The execution budget of a whole evaluation: one ledger, and a model whose every call is paid from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from torch import Tensor

from counterspin.attacks.stochastic import call_cost
from counterspin.attacks.views import view
from counterspin.errors import BudgetReachedError
from counterspin.threats import ExecutionBudget
from counterspin.types import Classifier, Cost, Reseedable

__all__ = ["ExecutionLedger", "bare", "ledger_of", "paid"]

_UNITS = ("circuits", "shots", "jobs")


class ExecutionLedger:
    """What was spent, against what may be spent; the limit is never exceeded.

    Once something was refused the ledger is `reached` and refuses everything else: an evaluation ends at one place and
    not in the gaps between larger prices. Only what was set aside before can still be drawn: verdicts on what an attack
    found are paid for before it begins.

    Args:
        limit: the budget; None: no limit, costs are only added up.
        spent: what earlier starts of the same evaluation spent.

    Attributes:
        limit: the budget.
        spent: the sum so far.
        reached: whether something was refused.

    Example:
        >>> ledger = ExecutionLedger(ExecutionBudget(circuits=10))
        >>> ledger.pay(Cost(circuits=8))
        >>> ledger.most(5, lambda rows: Cost(circuits=rows)), ledger.reached
        (2, False)
    """

    def __init__(self, limit: ExecutionBudget | None, spent: Cost | None = None) -> None:
        self.limit = limit
        self.spent = Cost() if spent is None else spent
        self.reached = False
        self._aside: Cost | None = None
        self._drawing = False

    def affords(self, cost: Cost) -> bool:
        """Whether `cost` may be paid now."""
        if self._drawing and _within(cost, _amounts(self._aside)):
            return True
        return not self.reached and _within(cost, self._left())

    def admits(self, cost: Cost) -> bool:
        """The same; a refusal is final: nothing else is afforded afterwards."""
        affordable = self.affords(cost)
        self.reached = self.reached or not affordable
        return affordable

    def pay(self, cost: Cost) -> None:
        """Spend `cost`.

        Raises:
            BudgetReachedError: it is not affordable; nothing is spent, and nothing else is afforded afterwards.
        """
        if not self.admits(cost):
            raise BudgetReachedError(f"the execution budget of {self.limit} is used up; finished work is kept.")
        self.spent += cost
        if self._drawing and self._aside is not None:
            left = {name: max(0, getattr(self._aside, name) - getattr(cost, name)) for name in _UNITS}
            self._aside = Cost(**left)

    def most(self, rows: int, price: Callable[[int], Cost]) -> int:
        """The largest number of rows, at most `rows`, whose price is affordable; `price` grows with the rows.

        Whoever leaves rows out closes the ledger once the others are paid for.
        """
        if rows == 0 or self.affords(price(rows)):
            return rows
        low, high = 0, rows
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.affords(price(middle)) else (low, middle)
        return low

    def close(self) -> None:
        """Refuse everything from now on."""
        self.reached = True

    def set_aside(self, cost: Cost) -> bool:
        """Keep `cost` for `drawing`, in place of what was set aside before; False: it is not affordable."""
        self._aside = None
        if not self.admits(cost):
            return False
        self._aside = cost
        return True

    @contextmanager
    def drawing(self, *, keep: bool = False) -> Iterator[None]:
        """Payments inside may draw on what was set aside, also when the budget is reached.

        Args:
            keep: whether the rest stays set aside afterwards; otherwise it is given back.
        """
        self._drawing = True
        try:
            yield
        finally:
            self._drawing, self._aside = False, self._aside if keep else None

    def _left(self) -> dict[str, float]:
        limits = {} if self.limit is None else self.limit.limits
        aside = _amounts(self._aside) if self._aside is not None and not self._drawing else _amounts(None)
        return {name: limit - getattr(self.spent, name) - aside[name] for name, limit in limits.items()}


def paid(model: Classifier, ledger: ExecutionLedger) -> Classifier:
    """The same model with the same capabilities, each call of which is paid from `ledger`.

    It shares the attributes of `model`, so that weights, modes and caches are one; a reseeded copy pays as well.

    Raises:
        BudgetReachedError: on a call that the ledger does not afford.
    """
    names: dict[str, Any] = {"ledger": ledger, "unpaid": model}
    if isinstance(model, Reseedable):
        names["seeded"] = lambda self, seed: paid(model.seeded(seed), ledger)
    return view(model, _Paying, names)


def bare(model: Classifier) -> Classifier:
    """The model behind a paying one, for callers that have paid; otherwise the model itself."""
    return model.unpaid if isinstance(model, _Paying) else model


def ledger_of(model: Classifier) -> ExecutionLedger:
    """The ledger a model pays from; one without a limit where it pays from none."""
    return model.ledger if isinstance(model, _Paying) else ExecutionLedger(None)


class _Paying:
    """What a paying model adds to the class of the model."""

    ledger: ClassVar[ExecutionLedger]
    unpaid: ClassVar[Any]

    def __call__(self, x: Tensor, /) -> Tensor:
        self.ledger.pay(call_cost(self.unpaid, len(x)))
        return self.unpaid(x)


def _amounts(cost: Cost | None) -> dict[str, float]:
    return {name: 0 if cost is None else getattr(cost, name) for name in _UNITS}


def _within(cost: Cost, amounts: dict[str, float]) -> bool:
    return all(getattr(cost, name) <= amount for name, amount in amounts.items())
