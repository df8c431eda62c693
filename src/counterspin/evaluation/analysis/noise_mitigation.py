"""Does error mitigation make a noisy model more robust? Every technique against none, on the same samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from counterspin.errors import CounterspinError
from counterspin.evaluation.analysis.noise_points import NoisyPoint, StudyTask, measured_point
from counterspin.evaluation.analysis.records import Finding, MitigationRow
from counterspin.evaluation.compare import paired_record
from counterspin.evaluation.measured import PairedRecord
from counterspin.evaluation.statistics import holm
from counterspin.models import NoisyClassifier
from counterspin.models.mitigated import mitigated

__all__ = ["TECHNIQUES", "mitigation_findings", "mitigation_rows"]

TECHNIQUES = ("readout", "zne", "zne:linear", "pec", "cdr", "learned")

# Samples whose circuits a technique that learns is fitted on.
_FIT_SAMPLES = 16
_CLEAR = 0.05


@dataclass(frozen=True, kw_only=True, eq=False)
class _Tried:
    name: str
    model: NoisyClassifier
    point: NoisyPoint


def mitigation_rows(
    task: StudyTask, noisy: NoisyClassifier, techniques: Sequence[str] = TECHNIQUES
) -> tuple[list[MitigationRow], dict[str, str]]:
    """A row per technique, and by name why others could not be used; p-values adjusted over all techniques.

    Args:
        task: the study.
        noisy: the model under the noise that is mitigated.
        techniques: names of `mitigation.registry.MITIGATIONS`.
    """
    ideal = measured_point(task, "ideal", task.model)
    bare = measured_point(task, "unmitigated", noisy, made=ideal.x_adv)
    tried, refused = [], {}
    for name in techniques:
        try:
            generator = task.generator("mitigation", name)
            fitting = task.x[:_FIT_SAMPLES]
            model = mitigated(noisy, name, fitting, generator=generator)
            point = measured_point(task, f"mitigated-{name.replace(':', '-')}", model, made=ideal.x_adv)
        except CounterspinError as reason:
            refused[name] = str(reason)
            continue
        tried.append(_Tried(name=name, model=model, point=point))
    place = task.middle
    clean = _family([(one.point.correct, bare.correct) for one in tried])
    attacked = _family([(_standing(one.point, place), _standing(bare, place)) for one in tried])
    rows = [_row("none", noisy, ideal, bare, paired_record(bare.correct, bare.correct), bare_pair(bare, place))]
    rows += [
        _row(one.name, one.model, ideal, one.point, clean[index], attacked[index]) for index, one in enumerate(tried)
    ]
    return rows, refused


def bare_pair(bare: NoisyPoint, place: int) -> PairedRecord:
    """Robust accuracy of the unmitigated model against itself: the row of reference."""
    standing = _standing(bare, place)
    return paired_record(standing, standing)


def mitigation_findings(rows: Sequence[MitigationRow], eps: float) -> list[Finding]:
    """Which techniques change robust accuracy; that none does is a finding too."""
    tested = rows[1:]
    if not tested:
        return []
    clear = [row for row in tested if row.attacked.p_holm is not None and row.attacked.p_holm < _CLEAR]
    nearer = [row.mitigation for row in tested if row.score_error < rows[0].score_error]
    best = max(tested, key=lambda row: row.attacked.difference)
    said = ", ".join(f"{row.mitigation} {100 * row.attacked.difference:+.0f} points" for row in clear) or "none"
    return [
        Finding(
            study="mitigation",
            expected="mitigation brings scores nearer to the noiseless ones; published results show no significant "
            "gain of robustness from readout calibration or ZNE",
            found=f"{len(nearer)} of {len(tested)} techniques bring margins nearer to the noiseless ones; at "
            f"ε = {eps:g} clear changes of robust accuracy after Holm: {said} (largest difference: {best.mitigation} "
            f"{100 * best.attacked.difference:+.1f} points)",
            significant=bool(clear),
        )
    ]


def _row(
    name: str,
    model: NoisyClassifier,
    ideal: NoisyPoint,
    point: NoisyPoint,
    clean: PairedRecord,
    attacked: PairedRecord,
) -> MitigationRow:
    technique = model.mitigation
    return MitigationRow(
        mitigation=name,
        linear=technique is None or technique.linear,
        circuits=1 if technique is None else len(technique.construct(model.circuit, model.noise)),
        shot_overhead=1.0 if technique is None else technique.shot_factor(model.circuit, model.noise),
        score_error=float((point.margins - ideal.margins).abs().mean()),
        clean=clean,
        attacked=attacked,
    )


def _standing(point: NoisyPoint, place: int) -> Tensor:
    return point.correct & ~point.broken[place]


def _family(pairs: Sequence[tuple[Tensor, Tensor]]) -> list[PairedRecord]:
    single = [paired_record(first, second) for first, second in pairs]
    adjusted = holm([record.p_value for record in single])
    return [record.model_copy(update={"p_holm": p}) for record, p in zip(single, adjusted, strict=True)]
