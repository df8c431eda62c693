"""`cs.harden`: train a defence, and audit the model before and after with the same samples and attacks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from counterspin.api.auditing import audit, checked_settings
from counterspin.api.hardening_report import HardenReport, write_hardening
from counterspin.api.run_directory import kept_run
from counterspin.api.subjects import checked_subject, silent
from counterspin.attacks import Attack
from counterspin.defenses.training.base import TrainingDefense
from counterspin.defenses.training.registry import parse
from counterspin.errors import UsageError
from counterspin.evaluation.hardening import (
    HardenSettings,
    HardenTask,
    Trainee,
    carved,
    check_parts,
    given_trainee,
    harden_config,
    recipe_trainee,
    run_hardening,
)
from counterspin.evaluation.hardening.task import Auditor
from counterspin.evaluation.records import AuditRecord
from counterspin.evaluation.run_store import RunStore
from counterspin.evaluation.subject import Subject
from counterspin.recipes import get
from counterspin.threats import ThreatModel
from counterspin.types import Box, Classifier

__all__ = ["HardenReport", "harden"]

# Audited samples where nobody says how many, as `counterspin audit` does.
_SAMPLES = {"quick": 200}
_MOST = 500


def harden(
    model: Any,
    defenses: Any,
    threat: ThreatModel | None = None,
    *,
    train: tuple[Any, Any] | None = None,
    test: tuple[Any, Any] | None = None,
    samples: int | None = None,
    tier: str = "standard",
    seed: int = 0,
    epochs: int | None = None,
    select: str = "last",
    warm_start: bool = False,
    zero: bool = True,
    ablation: bool = True,
    attacks: Sequence[Attack] | None = None,
    bounds: Box | tuple[float, float] | None = None,
    out: str | Path | None = None,
    runs: str | Path | None = None,
    name: str | None = None,
    dataset: dict[str, Any] | None = None,
    class_names: Sequence[str] = (),
    feature_names: Sequence[str] = (),
    image_shape: Sequence[int] | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> HardenReport:
    """Train a model with a defence, and say what that changed.

    A recipe is trained anew from fresh weights, with its own settings and the frozen logit scale of the undefended
    model; another model is fine-tuned from the weights it has. Both models are audited on the same samples with the
    same attacks and seeds. Points made on the undefended model are shown to the defended one, which must not find
    anything its own attacks missed. Beside the defence stands defence zero: the undefended recipe with its logit scale
    tuned on validation samples. Several defences combine; each is then left out once.

    Args:
        model: the name of a recipe, or a classifier with weights (see `cs.audit`).
        defenses: names, comma-separated (`"pgd-at,label-smoothing"`, see `counterspin list defenses`), or the objects.
        threat: the attacker of training and audits; None: the recipe's.
        train: samples and labels `(x, y)` to train on, for a model that is no recipe.
        test: samples and labels to audit on; None: 30 % of `train`, which are then not trained on.
        samples: how many test samples are audited; None: 200 (quick) or at most 500.
        tier: of the audits, `"standard"` (suite v1), `"paper"` or `"quick"`, which is not for publication.
        seed: of data, training and audits; a recipe's undefended model is trained first where it is not 0.
        epochs: of the training; None: the recipe's, or 40.
        select: `"last"` keeps the last epoch, `"robust"` that of the highest robust accuracy on validation samples.
        warm_start: a recipe starts from the undefended weights.
        zero: whether defence zero is trained and audited.
        ablation: whether each of several defences is left out once.
        attacks: instead of the tier's attacks.
        bounds: lowest and highest value of a feature, for a model of another library.
        out: run directory; the same call on it resumes or reads what is finished.
        runs: directory in which the run gets one of its own; None (and no `out`): a temporary one, which lives as long
            as the report.
        name: name of the model.
        dataset: what the record says of the data.
        class_names: one per class.
        feature_names: one per feature.
        image_shape: rows and columns where features are pixels.
        progress: called with a label, finished and total steps.

    Raises:
        UsageError: an unknown or unfitting defence, options that make no sense, or `out` holds another run.
        CapabilityError: a model that cannot be trained, or an objective that needs what the model lacks.
        ConditionsError: an objective outside its conditions.
        InputError: data that cannot be used.
        ModelError: a model that cannot be used, or a training that diverges at once.
        StorageError: the disk refused, or the run directory is damaged.
        InterruptedRunError: the user interrupted; the same call resumes.

    Example:
        >>> import counterspin as cs
        >>> short = {"samples": 20, "epochs": 2, "tier": "quick", "attacks": (cs.attacks.FGSM(),), "zero": False}
        >>> report = cs.harden("cancer-angle", "fgsm-at", **short)
        >>> [line.metric for line in report.record.comparison][:2]
        ['clean_accuracy', 'robust_accuracy@0.05']
    """
    if select not in ("last", "robust"):
        raise UsageError(f"select is {select!r}; allowed: last, robust.")
    settings = HardenSettings(
        tier=tier,
        seed=seed,
        epochs=epochs,
        select=select,
        warm_start=warm_start,
        zero=zero,
        ablation=ablation,
        attacks=None if attacks is None else tuple(attacks),
    )
    names = {"class_names": tuple(class_names), "feature_names": tuple(feature_names), "image_shape": image_shape}
    trainee, threat = _trainee(model, threat, train, test, seed=seed, bounds=bounds, name=name, names=names)
    checked_settings(threat, tier, seed, attacks)
    parts = _parts(defenses, threat, trainee.stand_in)
    subject = _subject(trainee, threat, samples, settings, dataset)
    config = harden_config(trainee, parts, subject, threat, settings)
    check_parts(parts, trainee.stand_in, threat, settings)

    def produce(directory: Path) -> HardenReport:
        with RunStore(directory, config) as store:
            task = HardenTask(
                trainee=trainee,
                parts=parts,
                threat=threat,
                settings=settings,
                subject=subject,
                directory=directory,
                store=store,
                audit=_auditor(subject, threat, settings, directory, progress or silent),
                progress=progress or silent,
            )
            record = run_hardening(task)
        write_hardening(record, directory)
        return HardenReport(record=record, directory=directory)

    return kept_run(produce, name=f"{trainee.name}-hardened", config=config, out=out, runs=runs)


def _auditor(
    subject: Subject,
    threat: ThreatModel,
    settings: HardenSettings,
    directory: Path,
    progress: Callable[[str, int, int], None],
) -> Auditor:
    """Audits a model on the samples of the hardening, in a directory below that of the run."""

    def audited(candidate: Classifier, label: str, called: str) -> AuditRecord:
        report = audit(
            candidate,
            subject.x,
            subject.y,
            threat,
            tier=settings.tier,
            seed=settings.seed,
            attacks=settings.attacks,
            out=directory / label,
            name=called,
            dataset=subject.dataset_card,
            class_names=subject.class_names,
            feature_names=subject.feature_names,
            image_shape=subject.image_shape,
            progress=lambda step, finished, total: progress(f"{label}: {step}", finished, total),
        )
        return report.record

    return audited


def _trainee(
    model: Any,
    threat: ThreatModel | None,
    train: tuple[Any, Any] | None,
    test: tuple[Any, Any] | None,
    *,
    seed: int,
    bounds: Box | tuple[float, float] | None,
    name: str | None,
    names: dict[str, Any],
) -> tuple[Trainee, ThreatModel]:
    """What is trained, and the attacker."""
    if isinstance(model, str):
        recipe = get(model)
        if train is not None or test is not None or bounds is not None:
            raise UsageError("train, test and bounds go with a model of your own; a recipe brings its own data.")
        return recipe_trainee(model, seed=seed), recipe.threat if threat is None else threat
    if train is None:
        raise UsageError("train is missing: give the samples and labels to train on, train=(x, y).")
    if not isinstance(threat, ThreatModel):
        raise UsageError(f"threat is {threat!r}; give a threat model, for example cs.Linf(0.05, 0.1).")
    if not isinstance(train, tuple) or len(train) != 2:
        raise UsageError(f"train is {type(train).__name__}; give samples and labels, train=(x, y).")
    adopted = checked_subject(model, *train, threat, name=name, dataset=None, bounds=bounds)
    called = name or type(model).__name__
    data = carved(adopted.model, train, test, seed=seed, name=called, **names)
    return given_trainee(adopted.model, data, name=called, seed=seed), threat


def _parts(defenses: Any, threat: ThreatModel, model: Any) -> tuple[TrainingDefense, ...]:
    if isinstance(defenses, str):
        return parse(defenses, threat, model)
    parts = (defenses,) if isinstance(defenses, TrainingDefense) else tuple(defenses)
    wrong = [part for part in parts if not isinstance(part, TrainingDefense)]
    if wrong or not parts:
        raise UsageError(
            f"defenses is {defenses!r}; give names such as 'pgd-at,label-smoothing' (`counterspin list defenses`) or "
            "the objects."
        )
    return parts


def _subject(
    trainee: Trainee, threat: ThreatModel, samples: int | None, settings: HardenSettings, card: dict[str, Any] | None
) -> Subject:
    """The samples of all audits."""
    if samples is not None and samples < 1:
        raise UsageError(f"samples is {samples}; give at least 1.")
    count, data = samples or _SAMPLES.get(settings.tier, _MOST), trainee.dataset
    own = {"name": data.name, "split": "test", "source": data.source, "licence": data.licence, "sha256": data.sha256}
    return checked_subject(
        trainee.stand_in,
        data.test.x[:count],
        data.test.y[:count],
        threat,
        name=trainee.name,
        dataset=card or own,
        class_names=data.class_names,
        feature_names=data.feature_names,
        image_shape=data.image_shape,
    )
