"""The part of a record that says how a model does under the noise, shots and mitigation it was asked about."""

from typing import Any, Literal

from pydantic import Field

from counterspin.evaluation.measured import CostRecord, Measured, PairedRecord, Record

__all__ = [
    "ConditionBudget",
    "ConditionComparison",
    "ConditionName",
    "ConditionRecord",
    "ModeName",
    "ModeRecord",
    "NoiseConditionsRecord",
]

ConditionName = Literal["ideal", "noisy", "mitigated", "shots"]
ModeName = Literal["fixed", "re-optimised", "hardware-valid"]


class ConditionBudget(Record):
    """One attack mode at one ε."""

    eps: float
    robust_accuracy: Measured = Field(description="share correct and unbroken; undecided samples count as broken")
    attack_success_rate: Measured | None = Field(
        description="broken / correctly classified under this condition; null where none is correct"
    )
    undecided: Measured | None = Field(
        default=None, description="share on which the test of a stochastic model came to no verdict; null: none is"
    )


class ModeRecord(Record):
    """One way to attack under one condition.

    fixed: adversarial inputs made on the noiseless model, replayed. re-optimised: the attack runs through the noise, on
    exact gradients or the mean over the randomness. hardware-valid: gradients from shifted circuits read with finite
    shots, or from scores alone.
    """

    mode: ModeName
    attack: str
    gradient: str = Field(description="where the gradient comes from, in words")
    samples: int
    budgets: list[ConditionBudget]
    cost: CostRecord
    skipped: str | None = Field(default=None, description="why it was not run; null: it was")


class ConditionRecord(Record):
    """The model under one condition."""

    name: ConditionName
    label: str
    clean_accuracy: Measured
    clean_undecided: Measured | None = None
    ece: Measured | None = Field(description="debiased expected calibration error of the clean predictions")
    certified: list[Measured] | None = Field(
        description="certified accuracy at each ε, the best certificate counting; null: none holds"
    )
    certificates: dict[str, str] = Field(description="by certificate `applies`, or why it does not")
    attacks: list[ModeRecord]


class ConditionComparison(Record):
    """Two conditions, or two attack modes under one of them, on the same samples."""

    first: str
    second: str
    what: str = Field(description="clean accuracy, or an attack mode, or the condition in which two modes are compared")
    eps: float | None = Field(description="null: clean accuracy")
    paired: PairedRecord


class NoiseConditionsRecord(Record):
    """A model without noise, under noise, mitigated and read with finite shots, each attacked in the same ways."""

    asked: dict[str, Any] = Field(description="device, date, physical qubits, noise, shots, mitigation, and its cost")
    samples: int
    conditions: list[ConditionRecord]
    comparisons: list[ConditionComparison] = Field(
        description="exact McNemar tests, adjusted together over each pair (Holm)"
    )
    notes: list[str] = Field(description="what the numbers assume, as sentences")
    skipped: str | None = Field(default=None, description="why it was not measured; null: it was")
