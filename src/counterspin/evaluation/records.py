"""The record of an audit: what `--json` prints, what the run directory stores, what the report draws.

Schema version 1. Later versions only add keys. `schemas/audit-1.json` in the repository is generated from these models.
"""

from typing import Any, Literal

from pydantic import ConfigDict, Field

from counterspin.evaluation.measured import CostRecord, Measured, Record
from counterspin.evaluation.noise_records import NoiseConditionsRecord

__all__ = [
    "AttackRecord",
    "AuditRecord",
    "BudgetRecord",
    "CalibrationRecord",
    "CheckRecord",
    "CostRecord",
    "EngineRecord",
    "ExactRecord",
    "ExecutionRecord",
    "Measured",
    "NoiseCurve",
    "NoisePoint",
    "NoiseRecord",
    "ReliabilityBin",
    "SanityRecord",
]

Status = Literal["PASS", "WARN", "FAIL", "SKIP", "INFO"]


class AttackRecord(Record):
    """One attack at one budget."""

    robust_accuracy: Measured
    attack_success_rate: Measured | None = Field(
        description="broken / correctly classified; null where none is correct"
    )
    circuits: int
    forwards: int
    backwards: int
    shots: int
    seconds: float
    config: dict[str, Any] = Field(description="steps, restarts, step size, loss: everything that defines the attack")
    undecided: Measured | None = Field(
        default=None, description="as that of the budget; robust_accuracy counts these samples as broken"
    )
    verdict_circuits: int = Field(default=0, description="what the tests of a stochastic model took")
    verdict_shots: int = 0
    jobs: int = Field(default=0, description="batches of circuits handed to a device; simulators take none")
    state: Literal["finished", "cut", "not run"] = Field(
        default="finished", description="cut, or not run at all, by the execution budget: unbroken so far"
    )


class ExactRecord(Record):
    """Exact robust accuracy as a bracket; `decided` is the share of samples settled by proof or counterexample."""

    lower: Measured
    upper: Measured
    decided: Measured


class BudgetRecord(Record):
    """Everything known at one ε: certified <= exact <= worst case."""

    eps: float
    attacks: dict[str, AttackRecord]
    worst_case: Measured = Field(description="robust accuracy against the per-sample worst of every attack")
    worst_case_gradient: Measured = Field(description="the same of the gradient attacks alone")
    certified: Measured | None
    exact: ExactRecord | None
    undecided: Measured | None = Field(
        default=None,
        description="share on which the test of a stochastic model came to no verdict; null: deterministic",
    )
    worst_case_upper: Measured | None = Field(
        default=None, description="worst case with undecided samples as robust; worst_case counts them as broken"
    )


class ReliabilityBin(Record):
    """Samples whose confidence falls into one bin."""

    low: float
    high: float
    n: int
    confidence: float
    accuracy: Measured


class CalibrationRecord(Record):
    """Debiased expected calibration error, Brier score and the reliability diagram of the clean predictions."""

    ece: Measured
    brier: Measured
    confidence: str = Field(
        description="how scores became probabilities: softmax of logits, probabilities as they are, …"
    )
    reliability: list[ReliabilityBin]


class NoisePoint(Record):
    """Clean accuracy at one noise strength; `shots` null means infinitely many."""

    strength: float
    shots: int | None
    accuracy: Measured


class NoiseCurve(Record):
    """Accuracy against one kind of noise."""

    kind: Literal["global_depolarizing", "qubit_depolarizing", "readout_flips"]
    label: str
    theorem: str | None = Field(
        description="why an infinite-shot curve is flat, where that is a theorem and no finding"
    )
    trajectories: int | None
    points: list[NoisePoint]


class NoiseRecord(Record):
    """Noise resilience; `skipped` says why it was not measured."""

    samples: int
    curves: list[NoiseCurve]
    skipped: str | None = None


class CheckRecord(Record):
    """One sanity check."""

    id: str
    title: str
    status: Status
    statistic: float | None
    threshold: float | None
    samples: list[int] = Field(description="ids of the samples that decided the status, at most 20")
    advice: str = Field(description="what to do, or what was run")
    p_value: float | None = Field(default=None, description="exact McNemar, where two methods met on the same samples")
    cost: CostRecord | None = Field(default=None, description="what the check itself spent")


class SanityRecord(Record):
    """The sanity checks and their verdict; any FAIL makes the audit unreliable."""

    verdict: Literal["pass", "warn", "fail"]
    checks: list[CheckRecord]


class EngineRecord(Record):
    """What computed the scores of a model with a circuit."""

    asked: str = Field(description="auto, compiled or torch")
    ran: str = Field(description="for example compiled (v4); followed by ', folded' where no circuit was run")


class ExecutionRecord(Record):
    """The execution budget of an audit, and what it left undone."""

    limit: dict[str, int | None] = Field(description="circuits, shots, jobs; null: no limit")
    spent: dict[str, int] = Field(description="circuits, shots, jobs, over every start of this run")
    reached: bool = Field(description="whether anything was cut or not run for lack of budget")
    cut: list[str] = Field(description="attack steps that ended with their best so far")
    not_run: list[str] = Field(description="attack steps, certificates and checks that were not run")
    note: str = Field(description="what that means for the numbers, one sentence; empty where nothing is missing")


class AuditRecord(Record):
    """A whole audit."""

    schema_version: Literal[1] = Field(alias="schema")
    model: dict[str, Any]
    dataset: dict[str, Any]
    threat: dict[str, Any]
    tier: str
    seed: int
    suite: str | None = Field(default=None, description="v1; null: the quick tier, or attacks somebody chose")
    clean_accuracy: Measured
    clean_undecided: Measured | None = Field(
        default=None, description="share whose clean class a stochastic model leaves open; null: deterministic"
    )
    budgets: list[BudgetRecord]
    median_radius: Measured | None = Field(
        description="median certified radius in the units of the threat, bootstrap interval"
    )
    certificates: list[dict[str, Any]]
    calibration: CalibrationRecord | None
    noise_resilience: NoiseRecord
    sanity: SanityRecord
    cost: CostRecord
    versions: dict[str, str]
    engine: EngineRecord | None = Field(default=None, description="null: the model has no circuit")
    left_out: dict[str, str] = Field(
        default_factory=dict, description="attacks of the suite that cannot serve this model or threat, and why"
    )
    budget: ExecutionRecord | None = Field(default=None, description="null: the audit had no execution budget")
    noise_conditions: NoiseConditionsRecord | None = Field(
        default=None, description="null: the audit was not asked about a device, noise, shots or mitigation"
    )
    run: str

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True)

    def to_json(self) -> dict[str, Any]:
        """JSON values under the published key names."""
        return self.model_dump(mode="json", by_alias=True)
