"""`cs.audit`: attack, prove, check the evaluation itself, and write the report."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counterspin.api.run_directory import kept_run
from counterspin.api.subjects import checked_subject, silent
from counterspin.attacks import Attack
from counterspin.attacks.registry import check_tier
from counterspin.errors import CounterspinError, StorageError, UsageError
from counterspin.evaluation.audit import AuditSettings, Subject, audit_config, run_audit
from counterspin.evaluation.records import AuditRecord
from counterspin.evaluation.run_store import RunStore, read_record
from counterspin.models.conditions import Conditions
from counterspin.threats import ExecutionBudget, ThreatModel
from counterspin.types import Box

__all__ = ["AuditReport", "audit", "checked_budget", "checked_settings"]


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

    @property
    def budget_reached(self) -> bool:
        """Whether the execution budget cut anything or left it out."""
        return self.record.budget is not None and self.record.budget.reached

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
                with RunStore(copy, None) as store:
                    store.write_record(self.record.model_copy(update={"run": str(target)}))
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
    attacks: Sequence[Attack] | None = None,
    budget: ExecutionBudget | str | None = None,
    bounds: Box | tuple[float, float] | None = None,
    out: str | Path | None = None,
    runs: str | Path | None = None,
    name: str | None = None,
    dataset: dict[str, Any] | None = None,
    class_names: Sequence[str] = (),
    feature_names: Sequence[str] = (),
    image_shape: Sequence[int] | None = None,
    device: str | None = None,
    noise: Any = None,
    shots: int | None = None,
    mitigation: Any = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> AuditReport:
    """Attack a classifier, prove what can be proved, check the evaluation itself, and write the report.

    Args:
        model: a classifier: called with `(batch, features)` it returns `(batch, classes)`; it has bounds, classes,
            outputs and stochastic. A model of another library is adopted first, see `cs.adopt` for its options.
        x: samples `(batch, features)`, numpy or torch, inside the model's box.
        y: labels `(batch,)`.
        threat: the attacker, for example `cs.Linf(0.05, 0.1)`.
        tier: `"standard"` (suite v1), `"paper"` (the same with every sanity check), or `"quick"`, which is not for
            publication.
        seed: seed of every random stream.
        attacks: instead of the tier's attacks.
        budget: what the audit may execute, over all calls on one run directory: `"20000circuits"`, `"1e7shots"`,
            `"500jobs"`, several of them comma-separated, or an `ExecutionBudget`. It is never exceeded; where it ends
            the audit, `report.budget_reached` is True, robust accuracies are upper bounds of what the full suite would
            give, and the same call with a larger budget goes on.
        bounds: lowest and highest value of a feature, for a model of another library; None otherwise.
        out: run directory; the same call on it resumes or reads what is finished.
        runs: directory in which the run gets one of its own, named after model and key; None (and no `out`): a
            temporary one, which lives as long as the report.
        name: name of the model in the report.
        dataset: what the record says of the data (name, split, source, licence, sha256).
        class_names: one per class.
        feature_names: one per feature.
        image_shape: rows and columns where features are pixels.
        device: judge the model as this device would run it: `"ibm:manila"`, `"google:willow_pink"`, a calibration file.
        noise: judge it under this noise: a text such as `"depolarizing:0.01/gate"`, or a `NoiseModel`.
        shots: measurements of each circuit; None: infinitely many.
        mitigation: error mitigation inside the model: `"zne"`, `"readout"`, `"auto"`, or a `Mitigation`.
        progress: called with a label, finished and total steps.

    Under a device, noise, shots or mitigation every number of the audit is that of the model as it would be run there;
    `report.record.noise_conditions` holds the same model without them, attacked in the same ways.

    Raises:
        InputError: data that cannot be used, or names that do not fit them.
        ModelError: a model that cannot be used.
        CapabilityError: a model that cannot be run under the device, noise, shots or mitigation.
        UsageError: options that make no sense, or `out` holds another run.
        StorageError: the disk refused, or the run directory is damaged.
        BudgetReachedError: not even the clean predictions fit the budget.

    Example:
        >>> import counterspin as cs
        >>> recipe = cs.recipes.get("cancer-angle")
        >>> test, attacks = recipe.dataset().test, (cs.attacks.FGSM(),)
        >>> report = cs.audit(recipe.model(), test.x[:20], test.y[:20], cs.Linf(0.05), tier="quick", attacks=attacks)
        >>> report.record.budgets[0].worst_case.n
        20
    """
    settings = checked_settings(threat, tier, seed, attacks)
    limit = checked_budget(budget)
    conditions = Conditions.asked(device=device, noise=noise, shots=shots, mitigation=mitigation)
    subject = checked_subject(
        model,
        x,
        y,
        threat,
        name=name,
        dataset=dataset,
        bounds=bounds,
        class_names=class_names,
        feature_names=feature_names,
        image_shape=image_shape,
        conditions=conditions,
        seed=seed,
    )
    config = audit_config(subject, threat, settings)

    def produce(directory: Path) -> AuditReport:
        record = _audited(subject, threat, settings, config, directory, progress or silent, limit)
        return AuditReport(record=record, directory=directory)

    return kept_run(produce, name=subject.model_card["name"], config=config, out=out, runs=runs)


def _audited(
    subject: Subject,
    threat: ThreatModel,
    settings: AuditSettings,
    config: dict[str, Any],
    directory: Path,
    progress: Callable[[str, int, int], None],
    limit: ExecutionBudget | None,
) -> AuditRecord:
    """Do or read the audit, and complete what is missing of its two readable files."""
    with RunStore(directory, config) as store:
        known = store.stage("record") is not None
        record = run_audit(subject, threat, settings, store, progress, limit)
        try:
            read_record(directory)
        except CounterspinError:
            store.write_record(record)
        # An audit that a budget cut may have a report, of less than is known now.
        if not known or not (directory / "report.html").is_file():
            progress("report", 0, 1)
            from counterspin.report import write_report  # here: the charts' library takes long to import

            write_report(store)
    return record


def checked_budget(budget: Any) -> ExecutionBudget | None:
    """An execution budget, given as one or as a text.

    Raises:
        UsageError: something else, or a text that is no budget.
    """
    limit = ExecutionBudget.parse(budget) if isinstance(budget, str) else budget
    if limit is not None and not isinstance(limit, ExecutionBudget):
        raise UsageError(f'budget is {budget!r}; give a text like "20000circuits,500jobs" or an ExecutionBudget.')
    return limit


def checked_settings(threat: Any, tier: Any, seed: Any, attacks: Any) -> AuditSettings:
    """The settings of an audit.

    Raises:
        UsageError: options that make no sense.
    """
    if not isinstance(threat, ThreatModel):
        raise UsageError(f"threat is {threat!r}; give a threat model, for example cs.Linf(0.05, 0.1).")
    check_tier(tier)
    if not isinstance(seed, int) or seed < 0:
        raise UsageError(f"seed is {seed!r}; give a whole number from 0 upwards.")
    if attacks is None:
        return AuditSettings(tier=tier, seed=seed)
    if not isinstance(attacks, Sequence) or not attacks or not all(isinstance(attack, Attack) for attack in attacks):
        raise UsageError(f"attacks is {attacks!r}; give at least one attack, for example (cs.attacks.PGD(),).")
    names = [attack.name for attack in attacks]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"attacks holds {', '.join(twice)} more than once; results go by name, audit them separately.")
    return AuditSettings(tier=tier, seed=seed, attacks=tuple(attacks))
