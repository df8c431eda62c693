"""Adversarial inputs of a finished run as an artefact of their own; `datasets.load_adversarials` reads it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as save_tensors
from torch import Tensor

from counterspin.attacks import BudgetResult
from counterspin.datasets.adversarial import CARD, FORMAT, TENSORS
from counterspin.errors import StorageError, UsageError
from counterspin.evaluation.clean import CleanVerdict
from counterspin.evaluation.records import AuditRecord
from counterspin.evaluation.run_store import RunStore, read_record
from counterspin.models.files import write_atomically

__all__ = ["WORST", "export_adversarials"]

# The name that stands for the per-sample worst of all attacks.
WORST = "worst"


def export_adversarials(run: Path, out: Path, *, attack: str = WORST, eps: float | None = None) -> dict[str, Any]:
    """Write the adversarial inputs of a run to the directory `out`, all of it or nothing.

    Args:
        run: directory of a finished audit.
        out: where to write; it must not exist, or be empty.
        attack: one of the run's attacks, or `"worst"`: per sample and budget the nearest input that any attack broke
            it with, or the attempt with the lowest margin where none did.
        eps: one of the run's budgets; None: all of them.

    Returns:
        The card.

    Raises:
        UsageError: no finished run, an attack or a budget it does not have, or `out` is not empty.
        StorageError: something stored is damaged, or the disk refused.
    """
    record = read_record(run)
    _check_place(out)
    names = _chosen(record, attack)
    places = _places(record, eps)
    with RunStore(run, None) as store:
        clean, inputs, subject = store.tensors("clean"), store.tensors("inputs"), store.stage("subject")
        results = [store.budgets(name) for name in names]
        key = store.key
    if clean is None or inputs is None or subject is None or any(len(r) != len(record.budgets) for r in results):
        raise StorageError(f"{run} lacks inputs or budgets of the record in run.json; run the audit's command again.")
    correct = CleanVerdict.of(clean).correct
    chosen = [_worst([result[place] for result in results]) for place in places]
    tensors = {
        "x": inputs["x"],
        "y": inputs["y"],
        "correct": correct,
        "eps": torch.tensor([record.budgets[place].eps for place in places], dtype=torch.float64),
        "eps_index": torch.tensor(places),
        **{name: torch.stack([getattr(one, name) for one in chosen]) for name in _Worst.__dataclass_fields__},
    }
    data = save_tensors({name: tensor.contiguous() for name, tensor in tensors.items()})
    card = {
        **_card(record, key, subject, clean["scores"].shape[1], inputs["x"].shape[1]),
        "attack": attack,
        "attacks": [record.budgets[0].attacks[name].config for name in names],
        "eps": [record.budgets[place].eps for place in places],
        "samples": {"count": len(correct), "ids": list(range(len(correct))), "correct": int(correct.sum())},
        "broken": [int((one.success & correct).sum()) for one in chosen],
        "tensors_sha256": hashlib.sha256(data).hexdigest(),
    }
    _write(out, {TENSORS: data, CARD: (json.dumps(card, indent=1, allow_nan=False) + "\n").encode()})
    return card


@dataclass(frozen=True, eq=False, kw_only=True)
class _Worst:
    """At one budget, per sample: the point, whether it breaks, how far it is, and which attack found it."""

    x_adv: Tensor
    success: Tensor
    distance: Tensor
    attack: Tensor


def _worst(results: list[BudgetResult]) -> _Worst:
    distance = torch.stack([result.distance for result in results])
    margin = torch.stack([result.best_margin for result in results])
    success = torch.stack([result.success for result in results])
    broken = success.any(dim=0)
    # Among attacks that broke the sample the nearest one, else the one that came closest to it.
    attack = torch.where(broken, distance, margin).argmin(dim=0)
    rows = torch.arange(len(attack))
    return _Worst(
        x_adv=torch.stack([result.x_adv for result in results])[attack, rows],
        success=broken,
        distance=distance[attack, rows],
        attack=attack,
    )


def _chosen(record: AuditRecord, attack: str) -> list[str]:
    names = list(record.budgets[0].attacks)
    if attack == WORST:
        return names
    if attack not in names:
        raise UsageError(f"attack is {attack!r}; the run has {', '.join(names)}, and {WORST!r} for the worst of all.")
    return [attack]


def _places(record: AuditRecord, eps: float | None) -> list[int]:
    budgets = [budget.eps for budget in record.budgets]
    if eps is None:
        return list(range(len(budgets)))
    if eps not in budgets:
        raise UsageError(f"eps is {eps:g}; the run has {', '.join(f'{value:g}' for value in budgets)}.")
    return [budgets.index(eps)]


def _card(record: AuditRecord, key: str, subject: dict[str, Any], classes: int, features: int) -> dict[str, Any]:
    # Inputs that were free to leave the box need not lie in it.
    bounds = subject.get("bounds") if record.threat["box"] == "data" else None
    return {
        "format": FORMAT,
        "name": record.dataset.get("name", "data"),
        "classes": classes,
        "class_names": subject["class_names"] or [str(k) for k in range(classes)],
        "feature_names": subject["feature_names"] or [f"x{i}" for i in range(features)],
        "image_shape": subject["image_shape"],
        "bounds": bounds,
        "model": record.model,
        "dataset": record.dataset,
        "threat": record.threat,
        "tier": record.tier,
        "seed": record.seed,
        "run": {"key": key, "verdict": record.sanity.verdict, "versions": record.versions},
        "exported_by": version("counterspin"),
    }


def _check_place(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"out is {out}, which exists and is not an empty directory; choose another one.")


def _write(out: Path, files: dict[str, bytes]) -> None:
    """All files in a directory beside `out`, which then takes its name."""
    staging: Path | None = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
        for name, data in files.items():
            write_atomically(staging / name, data)
        os.chmod(staging, 0o755)  # noqa: S103  (mkdtemp gives 0700, which a colleague could not enter)
        os.rename(staging, out)
        staging = None
    except OSError as error:
        reason = error.__cause__ or error
        raise StorageError(
            f"{out} cannot be written ({getattr(reason, 'strerror', None) or reason}); free disk space or choose "
            "another place."
        ) from error
    finally:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)
