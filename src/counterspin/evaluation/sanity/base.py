"""What a sanity check is: one question about a finished evaluation, one record as the answer."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor

from counterspin.attacks.base import Attack, AttackResult
from counterspin.attacks.ledger import ledger_of
from counterspin.attacks.losses import verdict_margin
from counterspin.certificates.base import CertificateResult
from counterspin.errors import BudgetReachedError
from counterspin.evaluation.records import CheckRecord, Status
from counterspin.evaluation.rows import StoredRows
from counterspin.evaluation.seeds import derived_generator
from counterspin.threats import ThreatModel
from counterspin.types import Classifier, Cost

__all__ = ["Check", "SanityContext", "StoredRows", "Tally", "Tier"]

Tier = Literal["quick", "standard", "paper"]

_LISTED = 20


class Tally:
    """Adds up what the attacks of one check ask of the audited model.

    Attributes:
        spent: the sum so far.
    """

    def __init__(self) -> None:
        self.spent = Cost()

    def add(self, cost: Cost) -> None:
        """Count `cost` in."""
        self.spent += cost


@dataclass(frozen=True, eq=False, kw_only=True)
class SanityContext:
    """A finished evaluation as the checks see it.

    Args:
        model: the classifier.
        x: clean inputs `(batch, features)`.
        y: labels `(batch,)`.
        threat: the threat model of the evaluation.
        scores: clean scores as reported, float64 `(batch, classes)`.
        results: what each attack of the suite found, by name.
        suite: the attacks themselves, by the same names.
        certificates: results of the certificates that ran, radii in feature units of the threat's norm.
        stored: adversarial inputs of each attack as read back from the run directory, `(budgets, batch, features)`.
        provenance: what the run stored about its origin: `model_sha256`, `samples_sha256`.
        seed: seed of the evaluation.
        reported: worst-case robust accuracy as reported, one per budget; empty: nothing is reported yet.
        rows: what the run directory holds of every attack, by name, external ones too; empty: there is none.
        verdict: samples a stochastic model gets right by its sequential test `(batch,)`; None: the scores say it.
        tally: counts what a check spends; the runner gives each check its own.
    """

    model: Classifier
    x: Tensor
    y: Tensor
    threat: ThreatModel
    scores: Tensor
    results: Mapping[str, AttackResult]
    suite: Mapping[str, Attack]
    certificates: Sequence[CertificateResult]
    stored: Mapping[str, Tensor]
    provenance: Mapping[str, str]
    seed: int
    reported: Sequence[float] = ()
    rows: Mapping[str, StoredRows] = field(default_factory=dict)
    verdict: Tensor | None = None
    tally: Tally = field(default_factory=Tally)

    @property
    def correct(self) -> Tensor:
        """Correctly classified samples `(batch,)`; a tie is not correct."""
        return verdict_margin(self.scores, self.y) > 0 if self.verdict is None else self.verdict

    @property
    def relative_margin(self) -> Tensor:
        """Clean verdict margin of each sample as a share of its largest score `(batch,)`."""
        scale = self.scores.abs().amax(dim=1).clamp_min(torch.finfo(torch.float64).tiny)
        return verdict_margin(self.scores, self.y, self.threat.targets(self.y)) / scale

    @property
    def worst_case(self) -> Tensor:
        """Samples broken by any attack at this or a smaller budget `(budgets, batch)`."""
        broken = torch.zeros(len(self.threat.eps), len(self.y), dtype=torch.bool)
        for result in self.results.values():
            broken |= result.success.int().cummax(dim=0).values.bool()
        return broken

    def attack_again(
        self, attack: Attack, rows: Tensor, label: str, *, model: Classifier | None = None, **changes: object
    ) -> AttackResult:
        """Run `attack` on the samples `rows` `(n,)`, under the threat with `changes`, from a fresh generator.

        Args:
            attack: what to run.
            rows: indices of the samples.
            label: names the random stream; the same label gives the same stream.
            model: attacked in place of the audited model, whose tally it leaves alone.
            changes: fields of the threat to replace.

        Raises:
            BudgetReachedError: the execution budget does not reach for the whole attack.
        """
        threat = replace(self.threat, **changes)  # pyright: ignore[reportArgumentType]
        if isinstance(threat.target, tuple):
            threat = replace(threat, target=tuple(threat.target[row] for row in rows.tolist()))
        generator = derived_generator(self.seed, label, attack.name)
        result = attack(self.model if model is None else model, self.x[rows], self.y[rows], threat, generator=generator)
        if model is None:
            self.tally.add(result.cost + result.verdict_cost)
            if ledger_of(self.model).reached:
                raise BudgetReachedError("the execution budget cut the attack a check draws its conclusion from.")
        return result


class Check(ABC):
    """One sanity check; stateless."""

    id: ClassVar[str]
    title: ClassVar[str]
    tier: ClassVar[Tier] = "quick"

    @abstractmethod
    def run(self, context: SanityContext) -> CheckRecord:
        """Look at a finished evaluation and say whether to trust it."""

    def record(
        self,
        status: Status,
        advice: str,
        *,
        statistic: float | None = None,
        threshold: float | None = None,
        samples: Iterable[int] = (),
        p_value: float | None = None,
    ) -> CheckRecord:
        """The record of this check; at most 20 sample ids are kept. What it cost is added by the runner."""
        return CheckRecord(
            id=self.id,
            title=self.title,
            status=status,
            statistic=statistic,
            threshold=threshold,
            samples=list(samples)[:_LISTED],
            advice=advice,
            p_value=p_value,
        )
