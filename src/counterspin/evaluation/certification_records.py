"""The record of a certification: what `counterspin certify --json` prints and the run directory stores.

Schema version 1; later versions only add keys. `schemas/certify-1.json` is generated from these models.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from counterspin.evaluation.records import ExactRecord, Measured

__all__ = ["CertifiedBudget", "CertifyRecord", "GlobalBoundRecord", "MethodRecord", "WholeModelRecord"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class CertifiedBudget(_Record):
    """What is known at one ε: certified <= exact <= upper, as shares of all samples; misclassified ones never count."""

    eps: float
    certified: Measured
    upper: Measured = Field(description="share without a known counterexample within ε")
    exact: ExactRecord
    verdicts: dict[str, int] = Field(description="samples proved, with a counterexample (misclassified ones too), open")


class MethodRecord(_Record):
    """One certificate on its own."""

    certified: list[Measured] = Field(description="share proved at each ε")
    median_radius: float | None = Field(
        description="in the units of the threat, misclassified samples as 0; null: infinite"
    )
    seconds: float
    prepare_seconds: float = Field(description="of these, spent once per model")
    tightness: float | None = Field(
        description="median of radius over distance of the nearest known counterexample; null: none is known"
    )
    exact_share: float
    chosen_share: float = Field(description="share of samples for which no other method proves more")
    assumptions: list[str]


class GlobalBoundRecord(_Record):
    """K* of a measurement: how much farther apart than states, at most, outcome distributions are.

    In total variation and trace distance; (ε, δ)-robust and (ε, δ)-fair iff δ >= K* ε.
    """

    lower: float
    upper: float


class WholeModelRecord(_Record):
    """What holds for every input of an amplitude-encoded model."""

    global_bound: GlobalBoundRecord | None = Field(description="null: scores are no outcome probabilities")
    depolarizing_balanced: bool = Field(
        description="whether global depolarising noise leaves every decision and exact radius where it is"
    )
    unbalanced_pairs: list[list[int]] = Field(description="class pairs whose boundary such noise moves")


class CertifyRecord(_Record):
    """A whole certification."""

    schema_version: Literal[1] = Field(alias="schema")
    model: dict[str, Any]
    dataset: dict[str, Any]
    threat: dict[str, Any]
    method: str
    seed: int
    clean_accuracy: Measured
    budgets: list[CertifiedBudget]
    median_radius: Measured | None = Field(
        description="of the best method per sample, bootstrap interval; null: infinite"
    )
    methods: dict[str, MethodRecord]
    refused: dict[str, str] = Field(description="methods outside their conditions, and why")
    whole_model: WholeModelRecord | None = Field(default=None, description="null: no amplitude-encoded model")
    violations: list[int] = Field(description="samples certified beyond a known counterexample: must be empty")
    versions: dict[str, str]
    run: str

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True)

    def to_json(self) -> dict[str, Any]:
        """JSON values under the published key names."""
        return self.model_dump(mode="json", by_alias=True)
