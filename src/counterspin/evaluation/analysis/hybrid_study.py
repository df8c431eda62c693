"""Where in a model a fixed budget hurts most: features, classical front, circuit inputs, gate angles, gates, readout.

Every surface is stored as soon as it is finished; the same command resumes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch

from counterspin.attacks import APGD
from counterspin.attacks.losses import Margin, verdict_margin
from counterspin.attacks.modes import frozen
from counterspin.attacks.quantum.gates import PermanentFaults, TransientFaults
from counterspin.attacks.quantum.measurement import ReadoutShift
from counterspin.errors import CapabilityError, InputError
from counterspin.evaluation.analysis.hybrid_findings import Measurement, hybrid_findings, margin_lost, surface_row
from counterspin.evaluation.analysis.study_record import StudyRecord
from counterspin.evaluation.analysis.surface_points import SurfacePoint, SurfaceTask, quantum_point, surface_point
from counterspin.evaluation.analysis.surfaces import surfaces
from counterspin.evaluation.fingerprints import model_digest
from counterspin.evaluation.run_store import RunStore
from counterspin.evaluation.sanity import samples_digest
from counterspin.evaluation.statistics import measured_share
from counterspin.evaluation.subject import Subject
from counterspin.threats import ThreatModel
from counterspin.types import HasChannels, HasCircuit
from counterspin.versions import versions

__all__ = ["HybridStudySettings", "hybrid_config", "run_hybrid_study"]


@dataclass(frozen=True, kw_only=True)
class HybridStudySettings:
    """How thoroughly to study.

    Args:
        budget: the relative budget that single numbers are about.
        budgets: relative budgets of the curves, ascending; `budget` is one of them.
        steps: gradients per start.
        restarts: starts per sample.
        seed: of every random stream.
    """

    budget: float = 0.01
    budgets: tuple[float, ...] = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
    steps: int = 30
    restarts: int = 2
    seed: int = 0


def hybrid_config(subject: Subject, threat: ThreatModel, settings: HybridStudySettings) -> dict[str, Any]:
    """The configuration that keys a study, with the digests of model and data."""
    return {
        "verb": "study hybrid",
        "model": model_digest(subject.model, subject.x),
        "data": samples_digest(subject.x, subject.y),
        "threat": threat.to_json(),
        **asdict(settings),
        "counterspin": versions()["counterspin"],
    }


def run_hybrid_study(
    subject: Subject,
    threat: ThreatModel,
    settings: HybridStudySettings,
    store: RunStore,
    announce: Callable[[str], None],
) -> StudyRecord:
    """Do what the run directory does not hold yet, and return the record.

    Args:
        subject: a noiseless model that ends in one circuit, and samples.
        threat: the attacker on features, whose budgets are reported beside the relative ones.
        settings: budgets, steps, restarts, seed.
        store: the run directory, opened with `hybrid_config`.
        announce: called with a label before each surface.

    Raises:
        CapabilityError: the model shows no circuit.
        InputError: no sample is classified correctly.
    """
    model = _checked(subject.model)
    finished = store.stage("record")
    if finished is not None:
        return StudyRecord.model_validate({**finished, "run": str(store.path)})
    began = time.perf_counter()
    with frozen(model):
        with torch.no_grad():
            clean = verdict_margin(model(subject.x).double(), subject.y)
        if not bool((clean > 0).any()):
            raise InputError(f"none of the {len(clean)} samples is classified correctly; there is nothing to attack.")
        task = SurfaceTask(
            model=model,
            x=subject.x,
            y=subject.y,
            clean=clean,
            budgets=settings.budgets,
            steps=settings.steps,
            restarts=settings.restarts,
            seed=settings.seed,
            store=store,
            announce=announce,
        )
        found, left_out = _measurements(task)
        at_threat = _at_threat(task, threat)
    place = settings.budgets.index(settings.budget)
    record = StudyRecord(
        study="hybrid",
        models=[{**subject.model_card, "sha256": store.config["model"]}],
        dataset={**subject.dataset_card, "samples": len(subject.x), "samples_sha256": store.config["data"]},
        threat=threat.to_json(),
        settings=asdict(settings) | {"budgets": list(settings.budgets)},
        samples=len(subject.x),
        tables={
            "surfaces": [surface_row(task, entry, place) for entry in found],
            "curves": [row for entry in found for row in _curves(task, entry)],
            "threat": at_threat,
        },
        findings=hybrid_findings(task, found, place),
        notes=_notes(),
        left_out=left_out,
        seconds=time.perf_counter() - began,
        versions=versions(),
        run=str(store.path),
    )
    store.save_stage("record", record.to_json())
    return record


def _checked(model: Any) -> Any:
    if model.stochastic or not isinstance(model, HasCircuit) or isinstance(model, HasChannels):
        raise CapabilityError(
            f"model ({type(model).__name__}) is no noiseless model that ends in one circuit; this study compares its "
            "parts, so import the circuit, see `counterspin inspect`."
        )
    return model


def _measurements(task: SurfaceTask) -> tuple[list[Measurement], dict[str, str]]:
    parts, left_out = surfaces(task.model, task.x)
    found = [
        Measurement(name=part.name, numbers=part.numbers, scale=part.scale, point=surface_point(task, part))
        for part in parts
    ]
    gates = len(task.model.circuit.gates)
    faults = TransientFaults()
    refused = faults.refusal(task.model)
    if refused is None:
        point = quantum_point(task, "one gate", faults, (1.0,), shared=PermanentFaults(), unit=1 / gates)
        found.append(
            Measurement(name="one gate", numbers=gates, scale="one gate of all, run wrong", point=point, discrete=True)
        )
    else:
        left_out["gates"] = refused
    shift = ReadoutShift()
    refused = shift.refusal(task.model)
    if refused is None:
        point = _shifted(task, shift)
        outcomes = 2**task.model.circuit.qubits
        found.append(Measurement(name="readout", numbers=outcomes, scale="total variation", point=point))
    else:
        left_out["readout"] = refused
    return found, left_out


def _shifted(task: SurfaceTask, shift: ReadoutShift) -> SurfacePoint:
    """The exact worst case, on a grid fine enough for distances; only the study's own budgets are kept."""
    fine = torch.logspace(-4, 0, 81, dtype=torch.float64).tolist()
    levels = tuple(sorted({*task.budgets, *fine}))
    point = quantum_point(task, "readout", shift, levels)
    kept = [levels.index(budget) for budget in task.budgets]
    return SurfacePoint(margins=point.margins[kept], distance=point.distance, shared=point.shared, slope=point.slope)


def _curves(task: SurfaceTask, entry: Measurement) -> list[dict[str, Any]]:
    """Accuracy at every relative budget; a count of gates is no point on that axis."""
    if entry.discrete:
        return []
    scopes = (("sample", entry.point.margins), ("shared", entry.point.shared))
    return [
        {
            "surface": entry.name,
            "scope": scope,
            "budget": budget,
            "accuracy": measured_share(int(((task.clean > 0) & (margins > 0)).sum()), len(task.y)).model_dump(),
        }
        for scope, reached in scopes
        for budget, margins in zip(task.budgets, reached, strict=False)
    ]


def _at_threat(task: SurfaceTask, threat: ThreatModel) -> list[dict[str, Any]]:
    """Accuracy of the features' attack at the threat's own budgets."""
    stored = task.store.stage("threat")
    if stored is not None:
        return stored
    task.announce("features at the threat's budgets")
    attack = APGD(steps=2 * task.steps, restarts=task.restarts, loss=Margin())
    result = attack(task.model, task.x, task.y, threat, generator=task.generator("threat"))
    rows = [
        {
            "eps": eps,
            "norm": threat.norm,
            "accuracy": measured_share(int((result.correct & ~broken).sum()), len(task.y)).model_dump(),
            "margin_lost": float(margin_lost(task.clean, margins).mean()),
        }
        for eps, broken, margins in zip(
            threat.eps, result.success, (at.best_margin for at in result.budgets), strict=True
        )
    ]
    task.store.save_stage("threat", rows)
    return rows


def _notes() -> list[str]:
    return [
        "A budget b lets every number of a surface move by b times its own scale (the readout: its outcomes by b in "
        "total variation). Surfaces differ in how many numbers they have, so the curves compare what an attacker of "
        "each place reaches, not how well each number is protected.",
        "Margin lost: how much of the mean clean margin of the correct samples is gone, at most all of it.",
        "Significant: exact McNemar on samples broken, or Wilcoxon's signed ranks on margins lost, below 0.05 after "
        "Holm's adjustment over all findings.",
    ]
