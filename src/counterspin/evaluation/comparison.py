"""The record of a comparison of two runs: what `counterspin compare --json` prints.

Schema version 1. Later versions only add keys.
"""

from typing import Any, Literal

from pydantic import ConfigDict, Field

from counterspin.evaluation.measured import CostRecord, PairedRecord, Record

__all__ = ["ComparedBudget", "ComparedRun", "ComparisonRecord", "PairedRecord"]


class ComparedBudget(Record):
    """Robust accuracy at one ε: per-sample worst case, and against each attack both runs configured alike."""

    eps: float
    worst_case: PairedRecord
    attacks: dict[str, PairedRecord]


class ComparedRun(Record):
    """One side of the comparison."""

    run: str
    key: str
    model: dict[str, Any]
    tier: str
    seed: int
    verdict: Literal["pass", "warn", "fail"]
    failed: list[str] = Field(description="ids of the sanity checks that failed")
    attacks: list[str]
    cost: CostRecord
    counterspin: str


class ComparisonRecord(Record):
    """A whole comparison; unreliable if either run is."""

    schema_version: Literal[1] = Field(alias="schema", default=1)
    samples: int
    samples_sha256: str
    threat: dict[str, Any] = Field(description="what both runs share; the budgets are in `budgets`")
    first: ComparedRun
    second: ComparedRun
    clean_accuracy: PairedRecord
    budgets: list[ComparedBudget]
    notes: list[str] = Field(description="what differs between the runs besides the model, as sentences")

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True)

    @property
    def reliable(self) -> bool:
        """Whether no sanity check failed in either run."""
        return "fail" not in (self.first.verdict, self.second.verdict)

    def to_json(self) -> dict[str, Any]:
        """JSON values under the published key names, with the verdict as `reliable`."""
        return {**self.model_dump(mode="json", by_alias=True), "reliable": self.reliable}
