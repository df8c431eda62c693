"""The noise study of one model: ladder, masking map, drift, and mitigation against robustness.

Every measured point is stored as soon as it is finished; the same command resumes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from counterspin.errors import CapabilityError, CounterspinError
from counterspin.evaluation.analysis.noise_drift import DriftSubject, drift_cells, drift_findings
from counterspin.evaluation.analysis.noise_ladder import climb, ladder_findings, ladder_points
from counterspin.evaluation.analysis.noise_map import map_cells, map_findings
from counterspin.evaluation.analysis.noise_mitigation import mitigation_findings, mitigation_rows
from counterspin.evaluation.analysis.noise_points import StudyTask
from counterspin.evaluation.analysis.records import DriftCell, Finding, NoiseStudyRecord
from counterspin.evaluation.fingerprints import model_digest
from counterspin.evaluation.run_store import RunStore
from counterspin.evaluation.sanity import samples_digest
from counterspin.evaluation.subject import Subject
from counterspin.models import NoisyClassifier
from counterspin.noise.text import parse
from counterspin.threats import ThreatModel
from counterspin.types import Classifier, HasChannels, HasCircuit
from counterspin.versions import versions

__all__ = ["NoiseStudySettings", "run_noise_study", "study_config"]

# What mitigation is studied under where no device is named: gates of today's better devices, and their readout.
_NOISE = "depolarizing:0.003/gate+readout:0.02,0.04"

# Devices on which inputs made on the named one are replayed, as far as they have enough qubits.
_OTHERS = ("ibm:manila", "ibm:fez", "ibm:torino", "ibm:brisbane", "google:willow_pink")
_TARGETS = 3

# How much more noise a worse day brings; only one day of each device ships.
_WORSE = 1.5


@dataclass(frozen=True, kw_only=True)
class NoiseStudySettings:
    """How thoroughly to study.

    Args:
        device: whose noise is used for drift and mitigation; None: no drift, and gate noise of a typical strength.
        tier: `"quick"` or `"standard"`: steps and restarts of the attacks.
        seed: of every random stream.
        shots: of the finite-shot readings.
    """

    device: str | None = None
    tier: str = "quick"
    seed: int = 0
    shots: int = 256

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON values."""
        return {"device": self.device, "tier": self.tier, "seed": self.seed, "shots": self.shots, "noise": _NOISE}


def study_config(subject: Subject, threat: ThreatModel, settings: NoiseStudySettings) -> dict[str, Any]:
    """The configuration that keys a study, with the digests of model and data."""
    return {
        "verb": "study noise",
        "model": model_digest(subject.model, subject.x),
        "data": samples_digest(subject.x, subject.y),
        "threat": threat.to_json(),
        **settings.to_json(),
        "counterspin": versions()["counterspin"],
    }


def run_noise_study(
    subject: Subject,
    threat: ThreatModel,
    settings: NoiseStudySettings,
    store: RunStore,
    announce: Callable[[str], None],
) -> NoiseStudyRecord:
    """Do what the run directory does not hold yet, and return the record.

    Args:
        subject: a noiseless model that shows its circuit, and samples.
        threat: the attacker.
        settings: device, tier, seed, shots.
        store: the run directory, opened with `study_config`.
        announce: called with a label before each point.

    Raises:
        CapabilityError: the model shows no circuit.
        UsageError: an unknown device, or one with too few qubits.
    """
    model = _checked(subject.model)
    finished = store.stage("record")
    if finished is not None:
        return NoiseStudyRecord.model_validate({**finished, "run": str(store.path)})
    began = time.perf_counter()
    task = StudyTask(
        model=model,
        x=subject.x,
        y=subject.y,
        threat=threat,
        tier=settings.tier,
        seed=settings.seed,
        shots=settings.shots,
        store=store,
        announce=announce,
    )
    eps = threat.eps[task.middle]
    noisy, device_notes = _noisy(model, settings)  # first: an unknown device is said before hours of work
    runs = climb(task)
    ladder, cells = ladder_points(task, runs), map_cells(task, runs)
    drift, left_out = _drift(task, noisy, settings)
    rows, refused = mitigation_rows(task, noisy)
    left_out |= {f"mitigation {name}": reason for name, reason in refused.items()}
    findings: list[Finding] = [*ladder_findings(task, runs), *map_findings(cells)]
    findings += [*drift_findings(drift, eps), *mitigation_findings(rows, eps)]
    record = NoiseStudyRecord(
        model={**subject.model_card, "sha256": store.config["model"]},
        dataset={**subject.dataset_card, "samples": len(subject.x), "samples_sha256": store.config["data"]},
        threat=threat.to_json(),
        settings={**settings.to_json(), "eps": eps},
        samples=len(subject.x),
        ladder=ladder,
        map=cells,
        drift=drift,
        mitigation=rows,
        findings=findings,
        notes=[*_notes(model), f"Counterpart readout: {runs.counterpart.words}.", *device_notes],
        left_out=left_out,
        seconds=time.perf_counter() - began,
        versions=versions(),
        run=str(store.path),
    )
    store.save_stage("record", record.to_json())
    return record


def _checked(model: Classifier) -> Classifier:
    if not isinstance(model, HasCircuit) or isinstance(model, HasChannels) or model.stochastic:
        raise CapabilityError(
            f"model ({type(model).__name__}) is no noiseless model that shows its circuit; a noise study needs one "
            "whose circuit can be imported, see `counterspin inspect`."
        )
    return model


def _noisy(model: Any, settings: NoiseStudySettings) -> tuple[NoisyClassifier, list[str]]:
    if settings.device is None:
        return NoisyClassifier(model, noise=parse(_NOISE)), [f"Mitigation is studied under {_NOISE}."]
    from counterspin.noise.devices import load
    from counterspin.noise.devices.placement import place

    placement = place(model.circuit, load(settings.device), seed=settings.seed)
    note = f"Mitigation is studied on {placement.snapshot.name} of {placement.snapshot.date[:10]}."
    return NoisyClassifier(model, noise=placement.noise, placement=placement), [note]


def _drift(
    task: StudyTask, noisy: NoisyClassifier, settings: NoiseStudySettings
) -> tuple[list[DriftCell], dict[str, str]]:
    """The named device, the same on a worse day, and other devices."""
    if settings.device is None:
        return [], {"drift": "no device is named; give one with --device"}
    from counterspin.noise.devices import load
    from counterspin.noise.devices.placement import place

    model: Any = task.model
    home = place(model.circuit, load(settings.device), seed=settings.seed)
    worse = replace(home, noise=home.noise.scaled(_WORSE))
    subjects = [
        DriftSubject(name=f"{home.snapshot.name} {home.snapshot.date[:10]}", model=noisy),
        DriftSubject(
            name=f"{home.snapshot.name}, {_WORSE:g} times its gate noise",
            model=NoisyClassifier(model, noise=worse.noise, placement=worse),
        ),
    ]
    left_out = {}
    for name in _OTHERS:
        if name == home.snapshot.name or len(subjects) > _TARGETS:
            continue
        try:
            placement = place(model.circuit, load(name), seed=settings.seed)
        except CounterspinError as reason:
            left_out[f"drift to {name}"] = str(reason)
            continue
        label = f"{name} {placement.snapshot.date[:10]}"
        found = NoisyClassifier(model, noise=placement.noise, placement=placement)
        subjects.append(DriftSubject(name=label, model=found))
    return drift_cells(task, subjects), left_out


def _notes(model: Classifier) -> list[str]:
    if isinstance(model, HasCircuit) and model.circuit.amplitudes is not None:
        return ["State preparation ideal: the noise of preparing the amplitudes is not part of any number here."]
    return []
