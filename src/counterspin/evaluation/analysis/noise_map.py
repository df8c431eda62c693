"""Does noise mask or amplify attacks? Success against noise strength and ε, on the same samples."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from counterspin.evaluation.analysis.noise_ladder import IDEAL, LadderRuns
from counterspin.evaluation.analysis.noise_points import StudyTask
from counterspin.evaluation.analysis.records import Finding, MapCell
from counterspin.evaluation.compare import paired_record
from counterspin.evaluation.measured import Measured, PairedRecord
from counterspin.evaluation.statistics import holm, measured_share

__all__ = ["map_cells", "map_findings"]

Verdict = Literal["amplifies", "protects", "masks", "no difference shown"]

_CLEAR = 0.05


def map_cells(task: StudyTask, runs: LadderRuns) -> list[MapCell]:
    """A cell for every attacked point and ε.

    Only samples that are correct both without noise and under it are counted, so that noise which merely destroys the
    prediction is no successful attack. P-values of each kind are adjusted together over all cells (Holm).
    """
    clean = runs.own[IDEAL, 0.0]
    raw = []
    for (channel, strength), point in runs.own.items():
        if channel == IDEAL or not point.attacked:
            continue
        both = clean.correct & point.correct
        for place, eps in enumerate(task.threat.eps):
            columns = [clean.broken[place][both], point.fixed[place][both], point.broken[place][both]]
            raw.append((channel, strength, eps, columns))
    effects = [_paired(columns[2], columns[0]) for *_, columns in raw]
    hidden = [_paired(columns[1], columns[2]) for *_, columns in raw]
    effects, hidden = _adjusted(effects), _adjusted(hidden)
    return [
        MapCell(
            channel=channel,
            strength=strength,
            eps=eps,
            samples=len(columns[0]),
            ideal=_share(columns[0]),
            fixed=_share(columns[1]),
            re_optimised=_share(columns[2]),
            noise_effect=effect,
            masking=mask,
            verdict=_verdict(effect, mask),
        )
        for (channel, strength, eps, columns), effect, mask in zip(raw, effects, hidden, strict=True)
    ]


def map_findings(cells: list[MapCell]) -> list[Finding]:
    """How many cells show each effect; most show none, and that is said."""
    counts = {word: [cell for cell in cells if cell.verdict == word] for word in ("amplifies", "protects", "masks")}
    total, none = len(cells), len(cells) - sum(map(len, counts.values()))
    parts = [
        f"{len(found)} {word} ({', '.join(sorted({cell.channel for cell in found}))})"
        for word, found in counts.items()
        if found
    ]
    said = "; ".join(parts) or "none shows any effect"
    masked = bool(counts["masks"])
    return [
        Finding(
            study="map",
            expected="noise shrinks margins, so re-optimised attacks break as much as without noise or more; an attack "
            "with exact gradients is never weaker than a replay",
            found=f"of {total} cells (strength × ε): {said}; {none} show no difference after Holm"
            + ("; where replays break more, the re-optimised attack is hampered: read its success as a lower bound"
               if masked else ""),
            significant=none < total,
        )
    ]  # fmt: skip


def _paired(first: Tensor, second: Tensor) -> PairedRecord | None:
    return paired_record(first, second) if len(first) else None


def _adjusted(records: list[PairedRecord | None]) -> list[PairedRecord | None]:
    """The same records with p-values adjusted together; cells without samples are no test."""
    tested = [record for record in records if record is not None]
    adjusted = iter(holm([record.p_value for record in tested]))
    return [None if record is None else record.model_copy(update={"p_holm": next(adjusted)}) for record in records]


def _share(mask: Tensor) -> Measured | None:
    return measured_share(int(mask.sum()), len(mask)) if len(mask) else None


def _verdict(effect: PairedRecord | None, mask: PairedRecord | None) -> Verdict:
    if mask is not None and _clear(mask) and mask.difference > 0:
        return "masks"
    if effect is None or not _clear(effect):
        return "no difference shown"
    return "amplifies" if effect.difference > 0 else "protects"


def _clear(record: PairedRecord) -> bool:
    return record.p_holm is not None and record.p_holm < _CLEAR
