"""The Python front door: `cs.audit(model, x, y, threat)`."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counterspin.attacks import Attack
from counterspin.errors import StorageError, UsageError
from counterspin.evaluation.audit import AuditSettings, Subject, audit_config, run_audit
from counterspin.evaluation.cards import model_card
from counterspin.evaluation.fingerprints import run_key
from counterspin.evaluation.records import AuditRecord
from counterspin.evaluation.run_store import RunStore
from counterspin.report import write_report
from counterspin.threats import ThreatModel

__all__ = ["AuditReport", "audit"]


@dataclass(frozen=True, kw_only=True)
class AuditReport:
    """A finished audit.

    Args:
        record: every number, as `--json` prints it.
        directory: the run directory with the per-sample rows, the adversarial inputs and `report.html`.
    """

    record: AuditRecord
    directory: Path

    @property
    def html(self) -> Path:
        """The report, one offline file."""
        return self.directory / "report.html"

    @property
    def reliable(self) -> bool:
        """Whether no sanity check failed."""
        return self.record.sanity.verdict != "fail"

    def save(self, out: str | Path) -> Path:
        """Copy the run directory to `out` and return the path of the report there.

        Raises:
            UsageError: `out` exists and is not empty.
            StorageError: the disk refused.
        """
        target = Path(out)
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise UsageError(f"out is {target}, which exists and is not an empty directory; choose another one.")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as staging:
                copy = Path(staging) / "run"
                shutil.copytree(self.directory, copy)
                copy.replace(target)
        except OSError as error:
            raise StorageError(
                f"{target} cannot be written ({error}); free disk space or choose another place."
            ) from error
        return target / "report.html"


def audit(
    model: Any,
    x: Any,
    y: Any,
    threat: ThreatModel,
    *,
    tier: str = "standard",
    seed: int = 0,
    attacks: tuple[Attack, ...] | None = None,
    out: str | Path | None = None,
    runs: str | Path | None = None,
    name: str | None = None,
    dataset: dict[str, Any] | None = None,
    class_names: tuple[str, ...] = (),
    feature_names: tuple[str, ...] = (),
    image_shape: tuple[int, int] | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> AuditReport:
    """Attack a classifier, prove what can be proved, check the evaluation itself, and write the report.

    Args:
        model: a classifier: called with `(batch, features)` it returns `(batch, classes)`; it has bounds, classes,
            outputs and stochastic.
        x: samples `(batch, features)`, numpy or torch, inside the model's box.
        y: labels `(batch,)`.
        threat: the attacker, for example `cs.Linf(0.05, 0.1)`.
        tier: `"standard"`, or `"quick"`, which is not for publication.
        seed: seed of every random stream.
        attacks: instead of the tier's attacks.
        out: run directory; the same call on it resumes or reads what is finished.
        runs: directory in which the run gets one of its own, named after model and key; None (and no `out`): a
            temporary one.
        name: name of the model in the report.
        dataset: what the record says of the data (name, split, source, licence, sha256).
        class_names: one per class.
        feature_names: one per feature.
        image_shape: rows and columns where features are pixels.
        progress: called with a label, finished and total steps.

    Raises:
        InputError: data that cannot be used.
        ModelError: a model that cannot be used.
        UsageError: `out` holds another run.

    Example:
        >>> import counterspin as cs
        >>> recipe = cs.recipes.get("cancer-angle")
        >>> test, attacks = recipe.dataset().test, (cs.attacks.FGSM(),)
        >>> report = cs.audit(recipe.model(), test.x[:20], test.y[:20], cs.Linf(0.05), tier="quick", attacks=attacks)
        >>> report.record.budgets[0].worst_case.n
        20
    """
    subject = Subject.checked(
        model,
        x,
        y,
        threat,
        model_card=model_card(model, name),
        dataset_card=dataset or {"name": "given in Python"},
        class_names=tuple(class_names),
        feature_names=tuple(feature_names),
        image_shape=image_shape,
    )
    settings = AuditSettings(tier=tier, seed=seed, attacks=attacks)
    config = audit_config(subject, threat, settings)
    temporary = tempfile.mkdtemp(prefix="counterspin-") if out is None and runs is None else None
    own_name = f"{subject.model_card['name']}-{run_key(config)[:12]}"
    directory = Path(out) if out is not None else Path(runs or temporary or ".") / own_name
    with RunStore(directory, config) as store:
        record = run_audit(subject, threat, settings, store, progress or _silent)
        if not (directory / "report.html").is_file():
            write_report(store)
    report = AuditReport(record=record, directory=directory)
    if temporary is not None:
        weakref.finalize(report, shutil.rmtree, temporary, ignore_errors=True)
    return report


def _silent(label: str, finished: int, total: int) -> None:
    """No progress display."""
