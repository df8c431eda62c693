"""The stages of an audit that ask for clean predictions and look at their calibration."""

from __future__ import annotations

import time

from counterspin.evaluation.calibration import calibrate, probabilities_from_scores
from counterspin.evaluation.clean import CleanVerdict, clean_verdict
from counterspin.evaluation.records import CalibrationRecord
from counterspin.evaluation.run_store import RunStore
from counterspin.evaluation.seeds import derived_generator
from counterspin.evaluation.subject import AuditSettings, Subject
from counterspin.models._bounds import box_to_json

__all__ = ["calibration_stage", "clean_stage"]


def clean_stage(subject: Subject, settings: AuditSettings, store: RunStore) -> CleanVerdict:
    """Scores and verdicts of the samples, stored with what a report says of them.

    Raises:
        ModelError: scores that are mis-shaped or not finite, or no probabilities where a model promises some.
        BudgetReachedError: the execution budget does not reach for them.
    """
    if store.tensors("inputs") is None:
        store.save_stage(
            "subject",
            {
                "class_names": list(subject.class_names),
                "feature_names": list(subject.feature_names),
                "image_shape": subject.image_shape,
                "bounds": box_to_json(subject.model.bounds),
            },
        )
        generator = derived_generator(settings.seed, "clean")
        found = clean_verdict(subject.model, subject.x, subject.y, generator=generator)
        # Here, not after hours of attacks: a model that promises probabilities and gives none cannot be calibrated.
        probabilities_from_scores(found.scores, subject.model.outputs)
        store.save_tensors("clean", found.tensors())
        store.save_tensors("inputs", {"x": subject.x, "y": subject.y})
    return CleanVerdict.of(store.tensors("clean") or {})


def calibration_stage(
    subject: Subject, clean: CleanVerdict, settings: AuditSettings, store: RunStore
) -> CalibrationRecord | None:
    """How well the confidences of the clean predictions fit; None for fewer than two samples."""
    if len(subject.x) < 2:
        return None
    stored = store.stage("calibration")
    if stored is not None:
        return CalibrationRecord.model_validate(stored)
    began = time.perf_counter()
    generator = derived_generator(settings.seed, "calibration")
    record = calibrate(clean.scores, subject.model.outputs, subject.y, generator=generator)
    store.save_stage("calibration", record.model_dump(mode="json"))
    store.save_stage("seconds/calibration", time.perf_counter() - began)
    return record
