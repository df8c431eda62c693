"""The record of a hardening: what `counterspin harden --json` prints.

Schema version 1. Later versions only add keys. `schemas/harden-1.json` in the repository is generated from this.
"""

from typing import Any, Literal

from pydantic import ConfigDict, Field

from counterspin.evaluation.measured import Measured, PairedRecord, Record
from counterspin.evaluation.records import AuditRecord, CheckRecord

__all__ = [
    "AblationRow",
    "AdaptiveRecord",
    "ComparedMetric",
    "EpochLine",
    "HardenRecord",
    "RobustAt",
    "TradeOff",
    "TrainingRecord",
    "TransferredAt",
    "ZeroScale",
]


class EpochLine(Record):
    """One finished epoch of the training."""

    epoch: int
    loss: float
    validation_accuracy: float | None
    selection: float | None = Field(description="robust accuracy on validation samples; null: the last epoch is kept")


class TrainingRecord(Record):
    """How one model was trained."""

    epochs: int = Field(description="finished epochs")
    best_epoch: int = Field(description="the epoch whose weights are kept")
    seconds: float = Field(description="over all starts of the command")
    samples: int = Field(description="samples trained on")
    start: Literal["fresh weights", "undefended weights"]
    select: Literal["last", "robust"]
    settings: dict[str, Any]
    history: list[EpochLine]
    note: str = Field(description="one sentence where training ended before its last epoch; empty otherwise")
    finished: list[dict[str, Any]] = Field(
        default_factory=list, description="what each part that works after the training did, such as pruning"
    )


class ComparedMetric(Record):
    """One line of the degradation table."""

    metric: str = Field(description="`kind`, with `@eps` where there is one")
    kind: str
    eps: float | None = None
    better: Literal["higher", "lower"] | None = Field(description="null: neither is better by itself")
    before: float | None
    after: float | None
    difference: float | None = Field(description="after minus before")
    low: float | None = Field(default=None, description="95 % score interval of the paired difference (Tango 1998)")
    high: float | None = None
    p_value: float | None = Field(default=None, description="exact McNemar test; null: verdicts are not paired")
    p_holm: float | None = Field(
        default=None, description="adjusted by Holm: clean and robust together, certified, exact"
    )


class TransferredAt(Record):
    """Points made on the undefended twin at one ε, shown to the defended model."""

    eps: float
    white_box: Measured = Field(description="share of the correct samples that the white-box attacks broke")
    replayed: Measured = Field(description="share that the points of the audit before break")
    fresh: Measured | None = Field(description="share that a fresh attack on the twin breaks; null: none serves it")
    missed: int = Field(description="samples broken by transferred points and by no white-box attack")


class AdaptiveRecord(Record):
    """Whether the attacker who knows the defence is the one the audit ran."""

    verdict: Literal["pass", "warn", "fail"]
    transfer: list[TransferredAt]
    checks: list[CheckRecord] = Field(description="A01: transfer from the undefended twin; others as in an audit")
    hooks: list[str] = Field(description="what the attacks put in place of a step without gradient; one sentence each")


class RobustAt(Record):
    """Robust accuracy of an ablated defence at one ε, against the whole one on the same samples."""

    eps: float
    value: float
    against_all: PairedRecord = Field(description="first: this row; second: all parts together")


class AblationRow(Record):
    """What is left of the defence without one of its parts."""

    defense: str
    left_out: str
    clean: PairedRecord = Field(description="first: this row; second: all parts together")
    robust: list[RobustAt]
    training: TrainingRecord
    verdict: Literal["pass", "warn", "fail"] = Field(description="of the audit of this row")
    run: str


class TradeOff(Record):
    """Clean against robust accuracy of one model."""

    name: str
    clean: Measured
    robust_by_eps: dict[str, Measured]


class ZeroScale(Record):
    """One logit scale that was tried for defence zero, judged on validation samples."""

    scale: float
    clean: float
    robust: float


class HardenRecord(Record):
    """A whole hardening; unreliable if either audit is or the adaptive check failed."""

    schema_version: Literal[1] = Field(alias="schema", default=1)
    model: dict[str, Any] = Field(description="name, and how the undefended model came to be")
    defense: list[dict[str, Any]] = Field(description="every part with its settings")
    training: TrainingRecord
    before: AuditRecord
    after: AuditRecord
    zero: AuditRecord | None = Field(description="the undefended model with its logit scale tuned; null: see left_out")
    zero_scale: float | None = None
    zero_tried: list[ZeroScale] = Field(default_factory=list)
    comparison: list[ComparedMetric]
    against_zero: list[ComparedMetric] = Field(description="the same lines with defence zero in place of before")
    adaptive: AdaptiveRecord
    ablation: list[AblationRow]
    trade_off: list[TradeOff]
    notes: list[str] = Field(description="what else may explain a difference, or weakens what can be said")
    left_out: dict[str, str] = Field(description="parts that were not run, and why")
    versions: dict[str, str]
    run: str

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True)

    @property
    def verdict(self) -> Literal["pass", "warn", "fail"]:
        """The worst of both audits and the adaptive check."""
        verdicts = (self.before.sanity.verdict, self.after.sanity.verdict, self.adaptive.verdict)
        return "fail" if "fail" in verdicts else "warn" if "warn" in verdicts else "pass"

    @property
    def reliable(self) -> bool:
        """Whether nothing failed."""
        return self.verdict != "fail"

    def to_json(self) -> dict[str, Any]:
        """JSON values under the published key names, with the verdict as `reliable`."""
        return {**self.model_dump(mode="json", by_alias=True), "reliable": self.reliable}
