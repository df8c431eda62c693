"""Fault injection: up to k gates of the circuit run wrong.

All faults of one gate are tried exactly, and all sets of k of them where there are few enough; beyond that they are
chosen greedily, each on top of the ones before. Voltage glitches and lasers make such faults in one run
(`TransientFaults`); a tampered compiler or a broken control line makes them in all (`PermanentFaults`). The flipped
bit of an angle register is the bit-flip attack on classical networks (arXiv:1903.12269) for gate angles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from typing import Any, ClassVar

import torch
from torch import Tensor

from counterspin.attacks.losses import verdict_margin
from counterspin.attacks.quantum.gates.base import GateAttack
from counterspin.attacks.quantum.gates.kinds import KINDS, Fault, faults_of
from counterspin.attacks.quantum.gates.runs import Bench
from counterspin.attacks.quantum.gates.sweep import declared, replaced, single_faults
from counterspin.attacks.quantum.results import Manipulation, Scope, Situation
from counterspin.circuits import Circuit
from counterspin.errors import UsageError
from counterspin.types import Cost

__all__ = ["PermanentFaults", "TransientFaults", "circuit_with", "fault_sets", "is_exhaustive"]

# Sets of faults that are tried one by one.
_EXHAUSTIVE = 20_000


def is_exhaustive(faults: Sequence[Fault], count: int) -> bool:
    """Whether all sets of at most `count` faults are tried."""
    return count == 1 or (count <= 2 and comb(len(faults), 2) <= _EXHAUSTIVE)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Searched:
    """What a search over sets of faults found.

    Args:
        best: for each sample the set that leaves the smallest margin.
        margins: what it leaves `(batch,)`.
        shared: the set that breaks most samples.
        sets: how many sets were evaluated.
    """

    best: tuple[tuple[Fault, ...], ...]
    margins: Tensor
    shared: tuple[Fault, ...]
    sets: int


def fault_sets(
    bench: Bench, faults: Sequence[Fault], count: int, y: Tensor, target: int | None, attacked: Tensor, screen: int
) -> _Searched:
    """Search sets of at most `count` faults, at most one a gate.

    Args:
        bench: the model on a batch.
        faults: of the declared circuit.
        count: how many gates may be faulty.
        y: labels `(batch,)`.
        target: the class the attacker wants; None: any wrong one.
        attacked: samples that count `(batch,)`.
        screen: samples on which faults beyond the first are chosen.
    """
    slots = declared(bench)
    first = single_faults(bench, slots, faults, y, target)
    lowest = first.margins.min(dim=0)
    best: list[tuple[Fault, ...]] = [(faults[index],) for index in lowest.indices.tolist()]
    margins, sets = lowest.values.clone(), len(faults)
    shared: tuple[Fault, ...] = (faults[_strongest(first.margins, attacked)],)
    record = _value(first.margins[_strongest(first.margins, attacked)], attacked)
    exhaustive = count > 1 and is_exhaustive(faults, count)
    chosen = attacked.nonzero()[:, 0][:screen]
    starts = [(fault,) for fault in faults] if exhaustive else [shared]
    rows = torch.arange(len(y)) if exhaustive else chosen
    for start in starts if count > 1 else ():
        path = start
        for _ in range(count - 1):
            free = _free(faults, path, later=exhaustive)
            if not free or not len(rows):
                break
            found = single_faults(bench.rows(rows), replaced(slots, path), free, y[rows], target)
            sets += len(free)
            pick = _strongest(found.margins, attacked[rows])
            low = found.margins.min(dim=0)
            for place, row in enumerate(rows.tolist()):
                if low.values[place] < margins[row]:
                    margins[row], best[row] = low.values[place], (*path, free[int(low.indices[place])])
            longer = (*path, free[pick])
            value = _value(_margins(bench, longer, y, target), attacked)
            if value > record:
                record, shared = value, longer
            path = longer
    return _Searched(best=tuple(best), margins=margins, shared=shared, sets=sets)


@dataclass(frozen=True, kw_only=True)
class _FaultInjection(GateAttack):
    """Template: up to k gates run wrong.

    Args:
        kinds: of faults: dropped, pauli, swapped, bit-flip.
        screen: samples on which faults beyond the first are chosen, where not all sets are tried.
    """

    kinds: tuple[str, ...] = KINDS
    screen: int = 32

    defense: ClassVar[str] = "compare the circuit that ran with the one declared; known-answer circuits between runs"
    default_budgets: ClassVar[tuple[float, ...]] = (1, 2)
    whole: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse kinds that are none."""
        if not self.kinds or not set(self.kinds) <= set(KINDS):
            raise UsageError(f"kinds are {', '.join(self.kinds) or 'empty'}; choose from {', '.join(KINDS)}.")
        if self.screen < 1:
            raise UsageError(f"screen is {self.screen}; give at least 1 sample.")

    @property
    def unit(self) -> str:
        """How many gates run wrong."""
        return "gates"

    def check_count(self, model: Any, budgets: Sequence[float]) -> None:
        """At most as many faults as there are gates, and a fault to make."""
        gates = len(model.circuit.gates)
        if budgets[-1] > gates:
            raise UsageError(
                f"budgets of {self.name} go up to {budgets[-1]:g} faulty gates; the circuit has {gates} gates, so give "
                f"at most {gates}."
            )
        if not faults_of(model.circuit, model.weights.detach(), self.kinds):
            raise UsageError(f"the circuit has no gate that can be {' or '.join(self.kinds)}; choose other kinds.")

    def _searched(self, situation: Situation, budget: float) -> tuple[Bench, _Searched]:
        bench = Bench.of(situation.model, situation.x)
        faults = faults_of(bench.circuit, bench.weights, self.kinds)
        found = fault_sets(bench, faults, int(budget), situation.y, situation.target, situation.correct, self.screen)
        return bench, found

    def _cost(self, situation: Situation, found: _Searched) -> Cost:
        runs = found.sets * len(situation.x)
        return Cost(forwards=runs, circuits=runs)


@dataclass(frozen=True, kw_only=True)
class PermanentFaults(_FaultInjection):
    """The same k faulty gates for all samples.

    Example:
        >>> from counterspin import recipes
        >>> recipe = recipes.get("cancer-angle")
        >>> test = recipe.dataset().test
        >>> result = PermanentFaults(kinds=("dropped",))(recipe.model(), test.x[:20], test.y[:20], (1,))
        >>> result.unit, result.scope
        ('gates', 'shared')
    """

    name: ClassVar[str] = "permanent-faults"
    scope: ClassVar[Scope] = "shared"
    goal: ClassVar[str] = "wrong classes for as many inputs as possible"
    capability: ClassVar[str] = (
        "makes the same k gates run wrong in every run: dropped, followed by a Pauli, swapped, bit"
    )

    def _run(self, situation: Situation, budget: float, before: Manipulation | None) -> Manipulation:
        bench, found = self._searched(situation, budget)
        circuit = circuit_with(bench, found.shared)
        return Manipulation(
            scores=bench.scores(circuit),
            spent=torch.full((len(situation.y),), float(len(found.shared)), dtype=torch.float64),
            what=circuit,
            evidence={"faults": [str(fault) for fault in found.shared], "sets": found.sets},
            cost=self._cost(situation, found),
        )


@dataclass(frozen=True, kw_only=True)
class TransientFaults(_FaultInjection):
    """Each run, and so each sample, meets k faulty gates of its own; exact for one, and for two in small circuits.

    Example:
        >>> from counterspin import recipes
        >>> recipe = recipes.get("cancer-angle")
        >>> test = recipe.dataset().test
        >>> TransientFaults(kinds=("swapped",))(recipe.model(), test.x[:9], test.y[:9], (1,)).success.shape
        torch.Size([1, 9])
    """

    name: ClassVar[str] = "transient-faults"
    scope: ClassVar[Scope] = "sample"
    goal: ClassVar[str] = "a wrong class for each input"
    capability: ClassVar[str] = (
        "makes k gates of a chosen run go wrong: dropped, followed by a Pauli, swapped, a flipped bit"
    )

    def _run(self, situation: Situation, budget: float, before: Manipulation | None) -> Manipulation:
        bench, found = self._searched(situation, budget)
        scores = situation.scores.clone()
        for faults in dict.fromkeys(found.best):
            rows = torch.tensor([index for index, own in enumerate(found.best) if own == faults])
            scores[rows] = bench.rows(rows).scores(circuit_with(bench, faults))
        often = max(dict.fromkeys(found.best), key=found.best.count)
        return Manipulation(
            scores=scores,
            spent=torch.tensor([float(len(own)) for own in found.best], dtype=torch.float64),
            what=found.best,
            evidence={"most_often": [str(fault) for fault in often], "sets": found.sets},
            cost=self._cost(situation, found),
        )


def circuit_with(bench: Bench, faults: Sequence[Fault]) -> Circuit:
    """The circuit that runs with faults in it."""
    return bench.with_gates(gate for slot in replaced(declared(bench), faults) for gate in slot)


def _margins(bench: Bench, faults: Sequence[Fault], y: Tensor, target: int | None) -> Tensor:
    scores = bench.scores(circuit_with(bench, faults))
    return verdict_margin(scores, y, None if target is None else torch.full_like(y, target))


def _free(faults: Sequence[Fault], taken: Sequence[Fault], *, later: bool) -> tuple[Fault, ...]:
    """Faults of gates that are not faulty; of an exhaustive search those behind, so that no set is tried twice."""
    sites = {fault.site for fault in taken}
    return tuple(f for f in faults if f.site not in sites and (not later or f.site > max(sites)))


def _value(margins: Tensor, attacked: Tensor) -> tuple[int, float]:
    """Samples broken, then how close the others are, `(batch,)`."""
    own = margins[attacked]
    return int((own <= 0).sum()), -float(own.clamp(min=0).sum())


def _strongest(margins: Tensor, attacked: Tensor) -> int:
    """Which of the faults `(faults, batch)` breaks most."""
    own = margins[:, attacked]
    broken, left = (own <= 0).sum(dim=1).double(), own.clamp(min=0).sum(dim=1)
    # The rest of the margins decides between faults that break the same number.
    return int((broken - left / (1 + left.max())).argmax()) if own.numel() else 0
