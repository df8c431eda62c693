"""What a noise study found: what `counterspin study noise --json` prints and its directory holds."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from counterspin.evaluation.measured import Measured, PairedRecord, Record

__all__ = [
    "DriftCell",
    "Finding",
    "LadderPoint",
    "MapCell",
    "MitigationRow",
    "NoiseStudyRecord",
]


class Finding(Record):
    """What was expected of one study, what was found, and whether the data can tell it from chance."""

    study: Literal["ladder", "map", "drift", "mitigation"]
    expected: str
    found: str
    significant: bool | None = Field(description="null: a theorem or a plain number, which no test is about")


class LadderPoint(Record):
    """The model under one strength of one kind of noise."""

    channel: str
    strength: float
    readout: Literal["own", "counterpart"]
    balanced: bool | None = Field(description="whether all classes score alike on the maximally mixed state")
    clean_accuracy: Measured
    shot_accuracy: Measured = Field(description="clean accuracy of one reading with `shots` of the study")
    attacked_accuracy: Measured | None = Field(description="re-optimised attack at the study's ε; null: not attacked")
    radius: Measured | None = Field(description="median over all samples, misclassified ones as 0")
    radius_share: float | None = Field(
        description="the same median as a share of each input's length: of an exact radius the trace distance"
    )
    radius_kind: str = Field(description="exact, certified, or why there is none")
    c1: float | None = Field(description="median trace distance no state can flip within, from class probabilities")
    c3: float | None = Field(description="the same from depolarising privacy; global depolarising only")


class MapCell(Record):
    """Attack success at one noise strength and ε, on the samples that are correct with and without noise."""

    channel: str
    strength: float
    eps: float
    samples: int
    ideal: Measured | None = Field(description="share broken without noise")
    fixed: Measured | None = Field(description="share broken under noise by inputs made without")
    re_optimised: Measured | None = Field(description="share broken under noise by the attack through it")
    noise_effect: PairedRecord | None = Field(description="re-optimised under noise against without noise")
    masking: PairedRecord | None = Field(description="replayed against re-optimised, both under noise")
    verdict: Literal["amplifies", "protects", "masks", "no difference shown"]


class DriftCell(Record):
    """Adversarial inputs made on one device's noise, replayed on another's."""

    source: str
    target: str
    eps: float
    samples: int
    success: Measured | None
    own: PairedRecord | None = Field(description="broken by the replay against broken by the target's own attack")


class MitigationRow(Record):
    """One mitigation technique against the same model without it."""

    mitigation: str
    linear: bool
    circuits: int = Field(description="circuits per sample and setting")
    shot_overhead: float | None = Field(
        default=None, description="times the shots that reach the standard error of an unmitigated value"
    )
    score_error: float = Field(description="mean absolute error of the margins against the noiseless model")
    clean: PairedRecord = Field(description="mitigated first, unmitigated second")
    attacked: PairedRecord = Field(description="robust accuracy under the re-optimised attack at the study's ε")
    refused: str | None = None


class NoiseStudyRecord(Record):
    """A whole noise study."""

    schema_version: Literal[1] = Field(alias="schema", default=1)
    model: dict[str, Any]
    dataset: dict[str, Any]
    threat: dict[str, Any]
    settings: dict[str, Any]
    samples: int
    ladder: list[LadderPoint]
    map: list[MapCell]
    drift: list[DriftCell]
    mitigation: list[MitigationRow]
    findings: list[Finding]
    notes: list[str]
    left_out: dict[str, str] = Field(description="by part of the study, why it was not done")
    seconds: float
    versions: dict[str, str]
    run: str

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True)

    def to_json(self) -> dict[str, Any]:
        """JSON values under the published key names."""
        return self.model_dump(mode="json", by_alias=True)
