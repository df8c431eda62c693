"""The record of attacks on one part of a model: what `counterspin attack --json` prints.

Schema version 1. Later versions only add keys. `schemas/attack-1.json` in the repository is generated from this.
"""

from typing import Any, Literal

from pydantic import ConfigDict, Field

from counterspin.evaluation.measured import CostRecord, Measured, Record
from counterspin.evaluation.parts.taxonomy import TaxonomyRecord

__all__ = ["AttackRunRecord", "Contradiction", "Finding", "PartBudget", "Scope"]

Scope = Literal["sample", "shared"]


class Finding(Record):
    """One attack at one budget."""

    attack: str = Field(description="its name, with the options that are not the usual ones")
    scope: Scope
    accuracy: Measured = Field(description="share of all samples that are correct and unbroken")
    success: Measured | None = Field(
        description="broken over attacked samples: correct ones, and with a target those of other classes; null: none"
    )
    spent: float | None = Field(
        description="median over the broken samples of what the manipulation took, in the unit; null: none broken"
    )
    certified: Measured | None = Field(
        description="share that is correct and proved against all manipulations of this kind and size; null: no proof"
    )
    method: str | None = Field(description="how it was proved; null: there is no certificate for this attack")
    exact: bool | None = Field(description="whether what is not proved can be broken; null: nothing was proved")
    cost: CostRecord
    evidence: dict[str, Any] = Field(description="what was done, and what gives it away")
    defense: str = Field(description="which defence to expect to help")
    taxonomy: TaxonomyRecord
    config: dict[str, Any] = Field(description="everything that defines the attack")


class PartBudget(Record):
    """All attacks of one unit and scope at one budget.

    With a manipulation for each sample, a sample stands that no attack breaks. With one manipulation for all samples,
    the accuracy is that under the worst of them: no two attackers act at once.
    """

    budget: float
    unit: str
    scope: Scope
    accuracy: Measured
    certified: Measured | None = Field(
        description="share that is correct and proved against every attack of the row; null: one has no certificate"
    )
    cost: CostRecord
    attacks: list[Finding]


class Contradiction(Record):
    """A sample that was proved and broken: one of both is wrong."""

    attack: str
    method: str
    sample: int
    budget: float
    unit: str


class AttackRunRecord(Record):
    """A whole run on one part of a model; unreliable if an attack broke what was proved."""

    schema_version: Literal[1] = Field(alias="schema", default=1)
    model: dict[str, Any]
    dataset: dict[str, Any]
    where: str
    threat: dict[str, Any] = Field(
        description="goal, capability, knowledge, budget_units, scopes, target; for features more"
    )
    clean_accuracy: Measured
    budgets: list[PartBudget] = Field(description="a row for each unit, scope and budget, ascending")
    contradictions: list[Contradiction]
    taxonomy: TaxonomyRecord = Field(description="of all attacks together")
    left_out: dict[str, str] = Field(description="attacks that were not run, and why")
    versions: dict[str, str]
    seed: int
    run: str

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True)

    @property
    def reliable(self) -> bool:
        """Whether no attack broke what was proved."""
        return not self.contradictions

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return self.model_dump(mode="json", by_alias=True)
