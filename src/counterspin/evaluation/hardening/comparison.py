"""The degradation table: what a defence changes, with a paired test wherever two verdicts meet on one sample."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor

from counterspin.certificates.registry import methods
from counterspin.evaluation.clean import CleanVerdict
from counterspin.evaluation.compare import compare_runs, paired_record
from counterspin.evaluation.comparison import ComparisonRecord
from counterspin.evaluation.hardening.record import ComparedMetric
from counterspin.evaluation.measured import Measured, PairedRecord
from counterspin.evaluation.records import AuditRecord
from counterspin.evaluation.run_store import RunStore, read_record
from counterspin.evaluation.statistics import holm
from counterspin.threats import ThreatModel

__all__ = ["degradation"]

_FAMILIES = (("clean_accuracy", "robust_accuracy"), ("certified_accuracy",), ("exact_accuracy",))

_Line: TypeAlias = tuple[str, float | None, PairedRecord]


def degradation(
    before: Path, after: Path, threat: ThreatModel, *, seconds: tuple[float | None, float | None]
) -> tuple[list[ComparedMetric], ComparisonRecord]:
    """Every line of the table for two audits of the same samples under the same threat, and the comparison behind it.

    Holm's adjustment runs over clean and robust accuracy together, and over certified and exact accuracy each: where
    attack and proof meet they are one test, which must not count twice.

    Args:
        before: run directory of the first audit.
        after: of the second.
        threat: of both.
        seconds: time of training each model; None: it was not trained here.
    """
    compared = compare_runs(after, before)
    one, two = read_record(before), read_record(after)
    paired: list[_Line] = [("clean_accuracy", None, compared.clean_accuracy)]
    paired += [("robust_accuracy", budget.eps, budget.worst_case) for budget in compared.budgets]
    paired += _proved(before, after, one, two, threat)
    lines = [
        _paired(kind, eps, pair, p)
        for family in _FAMILIES
        for (kind, eps, pair), p in _adjusted([line for line in paired if line[0] in family])
    ]
    lines += _half_proved(one, two, {line.metric for line in lines})
    lines += [
        _measured("median_radius", one.median_radius, two.median_radius, "higher"),
        *_calibration(one, two),
        *_noise(one, two),
        _plain("training_seconds", *seconds, None),
        _plain("circuits", float(one.cost.circuits), float(two.cost.circuits), None),
    ]
    return [line for line in lines if line.before is not None or line.after is not None], compared


def _adjusted(lines: list[_Line]) -> list[tuple[_Line, float]]:
    """The lines of one family with their adjusted p-values."""
    return list(zip(lines, holm([pair.p_value for _, _, pair in lines]), strict=True))


def _paired(kind: str, eps: float | None, pair: PairedRecord, p_holm: float) -> ComparedMetric:
    return ComparedMetric(
        metric=_name(kind, eps),
        kind=kind,
        eps=eps,
        better="higher",
        before=pair.second.value,
        after=pair.first.value,
        difference=pair.difference,
        low=pair.low,
        high=pair.high,
        p_value=pair.p_value,
        p_holm=p_holm,
    )


def _proved(before: Path, after: Path, one: AuditRecord, two: AuditRecord, threat: ThreatModel) -> list[_Line]:
    """Certified and exact accuracy, where both audits prove something of each sample."""
    first, second = (_standing(path, record, threat) for path, record in ((after, two), (before, one)))
    if first is None or second is None:
        return []
    found: list[_Line] = []
    for place, (budget, other) in enumerate(zip(one.budgets, two.budgets, strict=True)):
        pair = paired_record(first[place], second[place])
        found.append(("certified_accuracy", budget.eps, pair))
        # Where every sample is settled the proof is the truth.
        if all(b.exact is not None and b.exact.lower == b.exact.upper for b in (budget, other)):
            found.append(("exact_accuracy", budget.eps, pair))
    return found


def _standing(path: Path, record: AuditRecord, threat: ThreatModel) -> Tensor | None:
    """Samples proved correct and unbreakable at each ε `(budgets, batch)`; None where nothing is proved."""
    with RunStore(path, None) as store:
        stored = [store.tensors(f"certificate-{certificate.name}") for certificate in methods(record.tier)]
        clean, inputs = store.tensors("clean"), store.tensors("inputs")
    radii = [tensors["radius_lower"] for tensors in stored if tensors is not None]
    if not radii or clean is None or inputs is None:
        return None
    radius = torch.stack(radii).amax(dim=0)
    return CleanVerdict.of(clean).correct & (radius > threat.radii(inputs["x"]))


def _half_proved(one: AuditRecord, two: AuditRecord, known: set[str]) -> list[ComparedMetric]:
    """Certified accuracy where only one side proves anything."""
    return [
        _measured("certified_accuracy", budget.certified, other.certified, "higher", budget.eps)
        for budget, other in zip(one.budgets, two.budgets, strict=True)
        if _name("certified_accuracy", budget.eps) not in known
    ]


def _calibration(one: AuditRecord, two: AuditRecord) -> list[ComparedMetric]:
    if one.calibration is None or two.calibration is None:
        return []
    return [
        _measured(name, getattr(one.calibration, name), getattr(two.calibration, name), "lower")
        for name in ("ece", "brier")
    ]


def _noise(one: AuditRecord, two: AuditRecord) -> list[ComparedMetric]:
    """Accuracy under the strongest tabulated noise of each kind, at infinitely many shots."""
    lines = []
    for curve in one.noise_resilience.curves:
        other = next((c for c in two.noise_resilience.curves if c.kind == curve.kind), None)
        if other is None:
            continue
        ends = [max((p for p in c.points if p.shots is None), key=lambda p: p.strength) for c in (curve, other)]
        line = _measured(f"noise_{curve.kind}", ends[0].accuracy, ends[1].accuracy, "higher")
        lines.append(line.model_copy(update={"metric": f"{line.kind}={ends[0].strength:g}"}))
    return lines


def _measured(
    kind: str, before: Measured | None, after: Measured | None, better: str, eps: float | None = None
) -> ComparedMetric:
    first, second = (None if side is None else side.value for side in (before, after))
    return _plain(kind, first, second, better, eps)


def _plain(
    kind: str, before: float | None, after: float | None, better: str | None, eps: float | None = None
) -> ComparedMetric:
    return ComparedMetric.model_validate(
        {
            "metric": _name(kind, eps),
            "kind": kind,
            "eps": eps,
            "better": better,
            "before": before,
            "after": after,
            "difference": None if before is None or after is None else after - before,
        }
    )


def _name(kind: str, eps: float | None) -> str:
    return kind if eps is None else f"{kind}@{eps:g}"
