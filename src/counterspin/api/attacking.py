"""`cs.attack`: attack one part of a model, and put the matching certificate beside what was broken."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from counterspin.api.run_directory import kept_run
from counterspin.api.subjects import checked_subject, silent
from counterspin.attacks.quantum import QuantumAttack
from counterspin.attacks.quantum.gates.base import GateAttack
from counterspin.attacks.quantum.registry import WHERE, attacks_at, check_distinct, label, parse
from counterspin.errors import InputError, UsageError
from counterspin.evaluation.parts.budgets import assigned, in_unit, read_amounts
from counterspin.evaluation.parts.features import FeaturesTask, feature_attacks, feature_unit, run_features
from counterspin.evaluation.parts.record import AttackRunRecord
from counterspin.evaluation.parts.run import PartsTask, run_parts, serving
from counterspin.evaluation.run_store import RunStore
from counterspin.evaluation.subject import Subject
from counterspin.models.files import write_atomically
from counterspin.threats import L2, ThreatModel
from counterspin.types import Box

__all__ = ["PLACES", "AttackReport", "attack"]

PLACES = ("features", *WHERE)

# Attacks on quantum parts have no use for a threat to features, only for the box its inputs live in.
_BOX = L2(1.0)


@dataclass(frozen=True, kw_only=True)
class AttackReport:
    """A finished attack on one part of a model.

    Args:
        record: every number, as `--json` prints it.
        directory: the run directory: `attack.json`, `attack.html`, and the verdicts on each sample.
    """

    record: AttackRunRecord
    directory: Path

    @property
    def html(self) -> Path:
        """The page, one offline file."""
        return self.directory / "attack.html"

    @property
    def reliable(self) -> bool:
        """Whether no attack broke what was proved."""
        return self.record.reliable


def attack(
    model: Any,
    x: Any,
    y: Any,
    *,
    where: str,
    methods: str | Sequence[QuantumAttack] | None = None,
    budgets: Sequence[float | str] | None = None,
    target: int | None = None,
    threat: ThreatModel | None = None,
    seed: int = 0,
    bounds: Box | tuple[float, float] | None = None,
    out: str | Path | None = None,
    runs: str | Path | None = None,
    name: str | None = None,
    dataset: dict[str, Any] | None = None,
    class_names: Sequence[str] = (),
    feature_names: Sequence[str] = (),
    image_shape: Sequence[int] | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> AttackReport:
    """Attack one part of a model: its features, states, weights, gates, encoding or measurement.

    Each attack is a manipulation of a stated size and unit. Where a certificate says what no manipulation of this kind
    and size can change, it stands beside the attack, and an attack that breaks what is proved makes the run unreliable.

    Args:
        model: a classifier, as for `cs.audit`.
        x: samples `(batch, features)`, numpy or torch.
        y: labels `(batch,)`.
        where: `"features"`, `"state"`, `"parameters"`, `"gates"`, `"encoding"`, `"measurement"` or `"transfer"`.
        methods: names, comma-separated, with options after a colon (`"local-unitary:restarts=4"`, see `counterspin
            list attacks`), or the attacks; None: all that serve the model.
        budgets: numbers, or texts with a unit (`"0.1rad"`, `"3gates"`); None: those of each attack.
        target: the class the attacker wants; None: any wrong one.
        threat: norm, budgets and box where inputs are changed (`"features"` and `"transfer"`).
        seed: of every random stream.
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
        UsageError: an unknown part, attack or option, budgets in another unit, or `out` holds another run.
        InputError: data that cannot be used.
        ModelError: a model that cannot be used.
        CapabilityError: the model lacks what a chosen attack, or every one, needs.
        ConditionsError: the model is outside what a chosen attack, or every one, is about.
        StorageError: the disk refused, or the run directory is damaged.

    Example:
        >>> import counterspin as cs
        >>> recipe = cs.recipes.get("cancer-angle")
        >>> test = recipe.dataset().test
        >>> report = cs.attack(recipe.model(), test.x[:20], test.y[:20], where="features", threat=cs.Linf(0.05))
        >>> report.record.budgets[0].unit, report.reliable
        ('feature units (linf)', True)
    """
    if where not in PLACES:
        raise UsageError(f"where is {where!r}; allowed: {', '.join(PLACES)}.")
    if not isinstance(seed, int) or seed < 0:
        raise UsageError(f"seed is {seed!r}; give a whole number from 0 upwards.")
    if threat is not None and not isinstance(threat, ThreatModel):
        raise UsageError(f"threat is {threat!r}; give a threat model, for example cs.Linf(0.05, 0.1).")
    if threat is not None and where not in ("features", "transfer"):
        raise UsageError(f"threat goes with where='features' or 'transfer'; attacks on {where} take budgets.")
    if threat is None and where == "features":
        raise UsageError("threat is missing: attacks on features need one, for example cs.Linf(0.05, 0.1).")
    chosen = _chosen(where, methods)
    subject = checked_subject(
        model,
        x,
        y,
        threat or _BOX,
        name=name,
        dataset=dataset,
        bounds=bounds,
        class_names=class_names,
        feature_names=feature_names,
        image_shape=image_shape,
        seed=seed,
    )
    _check_target(target, subject)
    task = (
        _on_features(subject, threat, methods, budgets, target, seed)
        if where == "features" and threat is not None
        else _on_part(where, chosen, subject, budgets, threat, target, seed, named=methods is not None)
    )

    def produce(directory: Path) -> AttackReport:
        show = progress or silent
        with RunStore(directory, task.config) as store:
            record = run_features(task, store, show) if isinstance(task, FeaturesTask) else run_parts(task, store, show)
            _write(record, directory)
        return AttackReport(record=record, directory=directory)

    name_of_run = f"{subject.model_card['name']}-{where}"
    return kept_run(produce, name=name_of_run, config=task.config, out=out, runs=runs)


def _chosen(where: str, methods: str | Sequence[QuantumAttack] | None) -> tuple[QuantumAttack, ...]:
    """The attacks on a quantum part that are asked for; none for features."""
    if where == "features":
        return ()
    if methods is None:
        return attacks_at(where)
    if isinstance(methods, str):
        return parse(where, methods)
    found = tuple(methods)
    strangers = [one for one in found if not isinstance(one, QuantumAttack) or one.where != where]
    if strangers or not found:
        given = type(strangers[0]).__name__ if strangers else "none"
        raise UsageError(
            f"methods holds {given}; give attacks on {where}, or their names (`counterspin list attacks`)."
        )
    check_distinct(found)
    return found


def _check_target(target: int | None, subject: Subject) -> None:
    if target is None:
        return
    classes = subject.model.classes
    if not isinstance(target, int) or not 0 <= target < classes:
        raise UsageError(f"target is {target!r}; the model has {classes} classes, 0 to {classes - 1}.")
    if bool((subject.y == target).all()):
        raise InputError(f"every sample is of the target class {target}; give samples of other classes.")


def _on_features(
    subject: Subject,
    threat: ThreatModel,
    methods: Any,
    budgets: Sequence[float | str] | None,
    target: int | None,
    seed: int,
) -> FeaturesTask:
    if methods is not None and not isinstance(methods, str):
        raise UsageError(f"methods is {methods!r}; give names of attacks on features, for example 'pgd,exact'.")
    threat = replace(threat, target=threat.target if target is None else target)
    if budgets is not None:
        threat = replace(threat, eps=in_unit(read_amounts(budgets), feature_unit(threat)))
    names = None if methods is None else tuple(part.strip() for part in methods.split(","))
    attacks, left_out = feature_attacks(subject, threat, names)
    return FeaturesTask(subject=subject, threat=threat, attacks=attacks, seed=seed, left_out=left_out)


def _on_part(
    where: str,
    candidates: tuple[QuantumAttack, ...],
    subject: Subject,
    budgets: Sequence[float | str] | None,
    threat: ThreatModel | None,
    target: int | None,
    seed: int,
    *,
    named: bool,
) -> PartsTask:
    aimed = tuple(replace(one, target=one.target if target is None else target) for one in candidates)
    aimed = tuple(_under(one, threat) for one in aimed)
    amounts = None if budgets is None else read_amounts(budgets)
    if amounts is None and threat is not None:
        amounts = read_amounts(threat.eps)
    # Budgets first: they are wrong whatever the model.
    assigned(aimed, amounts)
    attacks, left_out = serving(aimed, subject, chosen=named)
    levels, without = assigned(attacks, amounts)
    for one in attacks:
        if isinstance(one, GateAttack) and amounts is not None and label(one) in levels:
            one.check_count(subject.model, levels[label(one)])
    return PartsTask(
        subject=subject,
        where=where,
        attacks=tuple(one for one in attacks if label(one) in levels),
        budgets=levels,
        target=target,
        seed=seed,
        left_out=left_out | without,
        asked=amounts is not None,
    )


def _under(one: QuantumAttack, threat: ThreatModel | None) -> QuantumAttack:
    """The attack in the norm, units and box of a threat, as far as it has them."""
    if threat is None:
        return one
    own = {item.name for item in fields(one)} & {"norm", "units", "box"}
    return replace(one, **{name: getattr(threat, name) for name in own})


def _write(record: AttackRunRecord, directory: Path) -> None:
    from counterspin.report.attack import render_attack  # here: the charts' library takes long to import

    text = json.dumps(record.to_json(), indent=1, ensure_ascii=False) + "\n"
    file, page = directory / "attack.json", directory / "attack.html"
    if file.is_file() and page.is_file() and file.read_text(encoding="utf-8") == text:
        return
    write_atomically(file, text.encode())
    write_atomically(page, render_attack(record).encode())
