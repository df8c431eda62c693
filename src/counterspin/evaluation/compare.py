"""Two runs on the same samples under the same threat, compared sample by sample."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from counterspin.errors import StorageError, UsageError
from counterspin.evaluation.clean import CleanVerdict
from counterspin.evaluation.comparison import ComparedBudget, ComparedRun, ComparisonRecord, PairedRecord
from counterspin.evaluation.records import AuditRecord
from counterspin.evaluation.run_store import RunStore, read_record
from counterspin.evaluation.statistics import holm, mcnemar, measured_share, tango

__all__ = ["compare_runs", "paired_record"]


def compare_runs(first: Path, second: Path) -> ComparisonRecord:
    """Compare two finished runs.

    Clean accuracy, and at every common ε robust accuracy against the per-sample worst case of each run and against
    each attack that both configured alike: both shares with their intervals, the difference with a paired interval,
    and the exact McNemar test. Holm's adjustment runs over the budgets for the worst case, and over budgets and
    attacks for the attacks. Everything is recomputed from the stored rows.

    Args:
        first: run directory of a finished audit.
        second: another one.

    Raises:
        UsageError: no finished run there, or runs on other samples, under another threat, or without a common budget.
        StorageError: something stored is missing or damaged.
    """
    one, two = _read(first), _read(second)
    _check_comparable(one, two)
    budgets = [eps for eps in one.eps if eps in two.eps]
    alike = [name for name in one.broken if name in two.broken and one.configured(name) == two.configured(name)]
    worst = _family([_standing(run, eps) for run in (one, two)] for eps in budgets)
    alone = _family([_standing(run, eps, name) for run in (one, two)] for eps in budgets for name in alike)
    return ComparisonRecord(
        samples=len(one.correct),
        samples_sha256=one.config["data"],
        threat={name: value for name, value in one.record.threat.items() if name != "eps"},
        first=one.summary(),
        second=two.summary(),
        clean_accuracy=paired_record(one.correct, two.correct),
        budgets=[
            ComparedBudget(
                eps=eps,
                worst_case=worst[place],
                attacks=dict(zip(alike, alone[place * len(alike) : (place + 1) * len(alike)], strict=True)),
            )
            for place, eps in enumerate(budgets)
        ],
        notes=_notes(one, two, alike),
    )


def paired_record(first: Tensor, second: Tensor, p_holm: float | None = None) -> PairedRecord:
    """Two bool verdicts `(batch,)` on the same samples, compared.

    Example:
        >>> record = paired_record(torch.tensor([True] * 6), torch.tensor([False] * 6))
        >>> record.difference, record.only_first, record.p_value
        (1.0, 6, 0.03125)
    """
    b, c, n = int((first & ~second).sum()), int((second & ~first).sum()), len(first)
    low, high = tango(b, c, n)
    return PairedRecord(
        first=measured_share(int(first.sum()), n),
        second=measured_share(int(second.sum()), n),
        difference=(b - c) / n,
        low=low,
        high=high,
        only_first=b,
        only_second=c,
        p_value=mcnemar(b, c),
        p_holm=p_holm,
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class _Run:
    """What a run directory says: its record, and per sample who is correct and broken `(budgets, batch)`.

    A sample of a stochastic model on which no verdict was reached counts as misclassified, or as broken.
    """

    path: Path
    key: str
    config: dict[str, Any]
    record: AuditRecord
    correct: Tensor
    broken: dict[str, Tensor]

    @property
    def eps(self) -> list[float]:
        """Budgets."""
        return [budget.eps for budget in self.record.budgets]

    def configured(self, attack: str) -> dict[str, Any]:
        """Everything that defines an attack."""
        return self.record.budgets[0].attacks[attack].config

    def summary(self) -> ComparedRun:
        """What the comparison says of this side."""
        record = self.record
        return ComparedRun(
            run=str(self.path),
            key=self.key,
            model=record.model,
            tier=record.tier,
            seed=record.seed,
            verdict=record.sanity.verdict,
            failed=[check.id for check in record.sanity.checks if check.status == "FAIL"],
            attacks=list(self.broken),
            cost=record.cost,
            counterspin=record.versions["counterspin"],
        )


def _read(path: Path) -> _Run:
    record = read_record(path)
    with RunStore(path, None) as store:
        clean = store.tensors("clean")
        rows = {name: store.rows(name) for name in record.budgets[0].attacks}
    short = [name for name, stored in rows.items() if len(stored.broken) != len(record.budgets)]
    if clean is None or short:
        missing = "clean verdicts" if clean is None else f"budgets of {short[0]}"
        raise StorageError(f"{path} lacks {missing} of the record in run.json; run the audit's command again.")
    return _Run(
        path=path,
        key=store.key,
        config=store.config,
        record=record,
        correct=CleanVerdict.of(clean).correct,
        broken={name: stored.broken for name, stored in rows.items()},
    )


def _check_comparable(one: _Run, two: _Run) -> None:
    """Refuse what a paired comparison would be meaningless for; the sentence says what differs."""
    if one.config["data"] != two.config["data"]:
        raise UsageError(
            f"{one.path} and {two.path} were measured on different samples ({_samples(one)} against {_samples(two)}); "
            "audit both models on the same samples in the same order, for example with --data."
        )
    threats = one.record.threat, two.record.threat
    differing = [
        f"{name} ({_short(threats[0].get(name))} against {_short(threats[1].get(name))})"
        for name in sorted(threats[0].keys() | threats[1].keys())
        if name != "eps" and _stated(threats[0].get(name)) != _stated(threats[1].get(name))
    ]
    if differing:
        raise UsageError(
            f"{one.path} and {two.path} were measured under different threats: {', '.join(differing)}; audit both "
            "models under the same one."
        )
    if not set(one.eps) & set(two.eps):
        raise UsageError(
            f"{one.path} and {two.path} have no budget in common (eps {_short(one.eps)} against {_short(two.eps)}); "
            "audit both models at the same --eps."
        )


def _stated(value: Any) -> Any:
    """A field of a threat; None for an empty list, which runs of earlier versions do not know. Class 0 is a target."""
    return None if value == [] else value


def _samples(run: _Run) -> str:
    name = run.record.dataset.get("name", "unnamed data")
    return f"{run.record.dataset['samples']} of {name}, sha256 {run.config['data'][:8]}"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _standing(run: _Run, eps: float, attack: str | None = None) -> Tensor:
    """Samples correct and unbroken at `eps` by `attack`, or by every attack, `(batch,)`."""
    place, names = run.eps.index(eps), list(run.broken) if attack is None else [attack]
    return run.correct & ~torch.stack([run.broken[name][place] for name in names]).any(dim=0)


def _family(pairs: Any) -> list[PairedRecord]:
    """Paired records with their p-values adjusted together."""
    single = [paired_record(first, second) for first, second in pairs]
    adjusted = holm([record.p_value for record in single])
    return [record.model_copy(update={"p_holm": p}) for record, p in zip(single, adjusted, strict=True)]


def _notes(one: _Run, two: _Run, alike: list[str]) -> list[str]:
    """What besides the models may explain a difference, or weakens what can be said."""
    notes = []
    for run, other in ((one, two), (two, one)):
        alone = [name for name in run.broken if name not in other.broken]
        if alone:
            notes.append(f"Only {run.path} was attacked by {', '.join(alone)}, which lowers its worst case.")
        if run.record.clean_undecided is not None:
            notes.append(f"The model of {run.path} is stochastic; samples without a verdict count as broken there.")
    changed = [name for name in one.broken if name in two.broken and name not in alike]
    if changed:
        notes.append(f"Configured differently in the two runs, so not compared one by one: {', '.join(changed)}.")
    if one.record.tier != two.record.tier:
        notes.append(
            f"The tiers differ ({one.record.tier} against {two.record.tier}): a weaker suite flatters a model."
        )
    elif one.record.tier == "quick":
        notes.append("Both runs are of the quick tier: not for publication.")
    for name in ("counterspin", "torch"):
        versions = one.record.versions.get(name), two.record.versions.get(name)
        if versions[0] != versions[1]:
            notes.append(f"The versions of {name} differ ({versions[0]} against {versions[1]}).")
    return notes
