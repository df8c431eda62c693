"""What a study found, whatever it is about: tables of rows, and findings that say what had been expected."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from counterspin.evaluation.measured import Record

__all__ = ["STUDIES", "StudyFinding", "StudyKind", "StudyRecord"]

StudyKind = Literal["hybrid"]

# What each study asks, by its name.
STUDIES: dict[StudyKind, str] = {
    "hybrid": "where in a model a fixed budget hurts most",
}


class StudyFinding(Record):
    """What was expected, what was found, and whether the data can tell it from chance."""

    about: str
    expected: str
    found: str
    significant: bool | None = Field(description="null: a plain number, which no test is about")


class StudyRecord(Record):
    """A whole study."""

    schema_version: Literal[1] = Field(alias="schema", default=1)
    study: StudyKind
    models: list[dict[str, Any]]
    dataset: dict[str, Any]
    threat: dict[str, Any] | None = Field(description="null: the study has a threat of its own, in its settings")
    settings: dict[str, Any]
    samples: int
    tables: dict[str, list[dict[str, Any]]] = Field(description="by name, rows with the same keys; shares as records")
    findings: list[StudyFinding]
    notes: list[str]
    left_out: dict[str, str] = Field(description="by part of the study, why it was not done")
    seconds: float
    versions: dict[str, str]
    run: str

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True)

    def to_json(self) -> dict[str, Any]:
        """JSON values under the published key names."""
        return self.model_dump(mode="json", by_alias=True)
