"""The execution budget of an audit: what it pays for, what it cut and left out; remembered between starts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, replace

from counterspin.attacks import BudgetResult
from counterspin.attacks.ledger import ExecutionLedger, paid
from counterspin.errors import BudgetReachedError, UsageError
from counterspin.evaluation.records import BudgetRecord, ExecutionRecord
from counterspin.evaluation.run_store import RunStore
from counterspin.threats import ExecutionBudget
from counterspin.types import Classifier, Cost, CountsShots, PricesCalls

__all__ = ["Execution", "check_budget"]

_FINISHED, _CUT, _NOT_RUN = "finished", "cut", "not run"


class Execution:
    """What one start of an audit may spend, given what earlier starts of the same run directory spent.

    The limit holds over all starts: the same budget once more has nothing left to spend, a larger one has the
    difference. It is no part of the run's key, because no finished number depends on it.

    Args:
        limit: the budget; None: no limit.
        model: the classifier that is audited.
        store: the run directory.

    Attributes:
        model: the classifier, whose every call is paid for; itself where there is neither a limit nor ever was one.
        ledger: what was spent.
    """

    def __init__(self, limit: ExecutionBudget | None, model: Classifier, store: RunStore) -> None:
        known = store.stage("execution")
        spent = _finished_costs(store) if known is None else Cost(**known["spent"])
        self.ledger = ExecutionLedger(limit, spent)
        self._counts = limit is not None or known is not None
        self.model = self.paying(model)
        self._limit, self._store = limit, store
        self._cut: list[str] = []
        self._left_out: list[str] = []
        self._states: dict[tuple[str, int], str] = {}
        if limit is not None and known is not None and known["reached"] and known["limit"] == limit.to_json():
            # Gaps between prices that were left the first time are no reason to begin anything again.
            self.ledger.close()

    @property
    def reached(self) -> bool:
        """Whether anything was cut or left out."""
        return bool(self._cut or self._left_out)

    @property
    def attacks_complete(self) -> bool:
        """Whether no attack step was cut or left out."""
        return not self._states

    def paying(self, model: Classifier) -> Classifier:
        """Another classifier, whose calls are paid for like those of the audited one."""
        return paid(model, self.ledger) if self._counts else model

    def remember(self) -> None:
        """Keep what was spent in the run directory, whatever happens next."""
        if self._counts:
            limit = None if self._limit is None else self._limit.to_json()
            reached = self.ledger.reached or self.reached
            self._store.save_stage(
                "execution", {"spent": asdict(self.ledger.spent), "limit": limit, "reached": reached}
            )

    def finished(self, attack: str) -> tuple[BudgetResult, ...]:
        """The steps of `attack` from the first ε on that are finished and that no budget cut."""
        states = self._store.stage(f"execution/{attack}") or []
        first = next((index for index, state in enumerate(states) if state != _FINISHED), None)
        return self._store.budgets(attack)[:first]

    def steps(
        self, attack: str, eps: tuple[float, ...], done: tuple[BudgetResult, ...], fresh: Iterator[BudgetResult]
    ) -> Iterator[tuple[int, BudgetResult]]:
        """The steps after `done`, each with its place in `eps`, as far as there is anything to say about them.

        A step that is not run says what an earlier start found at its ε, or the step at the smaller ε: whatever breaks
        there breaks here. Each step is to be stored before the next is asked for.

        Args:
            attack: name of the attack.
            eps: the budgets ε.
            done: finished steps.
            fresh: the others, as the attack yields them.
        """
        states = [_FINISHED] * len(done)
        earlier = self._store.budgets(attack)
        stored = self._store.stage(f"execution/{attack}")
        fresh, last = _until_reached(fresh), done[-1] if done else None
        for index in range(len(done), len(eps)):
            known = earlier[index] if stored and index < len(earlier) and stored[index] == _CUT else None
            result = next(fresh, None)
            if result is not None and not self.ledger.reached:
                states.append(_FINISHED)
            else:
                states.append(_NOT_RUN if result is None and known is None else _CUT)
                result = _carried(last, eps[index]) if result is None and known is None else _better(result, known)
                self._note(attack, index, eps, states[-1], nothing=result is None)
                # Before the step: stored without its state it would count as finished.
                if result is not None:
                    self._store.save_stage(f"execution/{attack}", states)
            self.remember()
            if result is None:
                return
            yield index, result
            if states[-1] == _FINISHED and stored is not None:
                self._store.save_stage(f"execution/{attack}", states + stored[index + 1 :])
            last = result

    def leave_out(self, name: str) -> None:
        """Note that something other than an attack was not run."""
        self._left_out.append(name)

    def marked(self, budgets: list[BudgetRecord]) -> list[BudgetRecord]:
        """The records with the state of each attack step."""
        return [
            budget.model_copy(
                update={
                    "attacks": {
                        name: found.model_copy(update={"state": self._states.get((name, index), _FINISHED)})
                        for name, found in budget.attacks.items()
                    }
                }
            )
            for index, budget in enumerate(budgets)
        ]

    def record(self) -> ExecutionRecord | None:
        """What the audit's record says of the budget; None where there is none."""
        if self._limit is None:
            return None
        spent = {name: getattr(self.ledger.spent, name) for name in self._limit.to_json()}
        return ExecutionRecord(
            limit=self._limit.to_json(),
            spent=spent,
            reached=self.reached,
            cut=self._cut,
            not_run=self._left_out,
            note=self._note_of(spent) if self.reached else "",
        )

    def _note(self, attack: str, index: int, eps: tuple[float, ...], state: str, *, nothing: bool) -> None:
        if nothing:
            self._left_out.append(attack)
            self._states.update({(attack, place): _NOT_RUN for place in range(len(eps))})
            return
        self._states[(attack, index)] = state
        (self._cut if state == _CUT else self._left_out).append(f"{attack} at ε = {eps[index]:g}")

    def _note_of(self, spent: dict[str, int]) -> str:
        limits = {} if self._limit is None else self._limit.limits
        # A run resumed with a smaller budget has spent more than it may.
        said = ", ".join(
            f"{spent[name]:,} of {limit:,} {name}"
            if spent[name] <= limit
            else f"{spent[name]:,} {name} were spent before, {limit:,} are allowed"
            for name, limit in limits.items()
        )
        parts = [f"{len(self._cut)} attack {'step was' if len(self._cut) == 1 else 'steps were'} cut"] * bool(self._cut)
        parts += [f"{len(self._left_out)} attacks, proofs or checks were not run"] * bool(self._left_out)
        meaning = (
            "the numbers of the attacks are complete"
            if self.attacks_complete
            else "robust accuracy is an upper bound of what the full suite would give (unbroken so far)"
        )
        return (
            f"The execution budget is used up ({said}): {' and '.join(parts)}, so {meaning}; the same command with a "
            "larger budget goes on from here."
        )


def check_budget(limit: ExecutionBudget | None, model: Classifier) -> None:
    """Refuse a budget that a model can never reach.

    Raises:
        UsageError: it limits only shots or jobs, of which the model takes none.
    """
    if limit is None or limit.circuits is not None:
        return
    price = model.call_price(1) if isinstance(model, PricesCalls) else Cost()
    shots = price.shots or (model.shots_per_call if isinstance(model, CountsShots) else 0)
    if not ((limit.shots and shots) or (limit.jobs and price.jobs)):
        raise UsageError(
            f"budget is {limit}; model ({type(model).__name__}) is simulated without "
            f"{'shots' if limit.shots else 'jobs'}, limit its circuits."
        )


def _until_reached(fresh: Iterator[BudgetResult]) -> Iterator[BudgetResult]:
    with suppress(BudgetReachedError):
        yield from fresh


def _better(found: BudgetResult | None, known: BudgetResult | None) -> BudgetResult | None:
    """Of two results that a budget cut, the one that breaks more."""
    if found is None or known is None:
        return known if found is None else found
    return known if int(known.success.sum()) > int(found.success.sum()) else found


def _carried(last: BudgetResult | None, eps: float) -> BudgetResult | None:
    """What the step before says of a step that is not run."""
    if last is None:
        return None
    history = {"late_gain": last.history.get("late_gain", [0.0] * len(last.success))}
    return replace(last, eps=eps, cost=Cost(), verdict_cost=Cost(), seconds=0.0, history=history)


def _finished_costs(store: RunStore) -> Cost:
    """What the attack steps of a run cost that had no budget so far."""
    found = [result for attack in store.attacks() for result in store.budgets(attack)]
    return sum((result.cost + result.verdict_cost for result in found), Cost())
