"""What each part of a defence adds: every part is left out once, and the rest is trained and audited anew."""

from __future__ import annotations

import re
from typing import Any

from counterspin.defenses.training.base import TrainingDefense
from counterspin.evaluation.compare import compare_runs
from counterspin.evaluation.hardening.record import AblationRow, RobustAt
from counterspin.evaluation.hardening.task import AFTER, HardenTask
from counterspin.evaluation.hardening.training import trained
from counterspin.evaluation.statistics import holm

__all__ = ["ablation", "label_of", "words_of"]


def ablation(task: HardenTask, undefended: Any) -> list[AblationRow]:
    """A row for each part left out, compared with all parts together; Holm's adjustment runs over each ε of all rows.

    Args:
        task: the hardening, with at least two parts; its audit after is finished.
        undefended: the model without a defence.
    """
    rows = []
    for place, part in enumerate(task.parts):
        rest = tuple(other for other in task.parts if other is not part)
        label = f"{label_of(part)}-left-out" if _unique(part, task.parts) else f"{label_of(part)}-{place}-left-out"
        model = trained(task, undefended, label, rest)
        record = task.audit(model.model, label, str(task.place(label)))
        compared = compare_runs(task.directory / label, task.directory / AFTER)
        rows.append(
            AblationRow(
                defense=words_of(rest),
                left_out=part.name,
                clean=compared.clean_accuracy,
                robust=[
                    RobustAt(eps=b.eps, value=b.worst_case.first.value, against_all=b.worst_case)
                    for b in compared.budgets
                ],
                training=model.record,
                verdict=record.sanity.verdict,
                run=label,
            )
        )
    return _adjusted(rows)


def words_of(parts: tuple[TrainingDefense, ...]) -> str:
    """The parts as users name them: `pgd-at + label-smoothing`."""
    return " + ".join(part.name for part in parts)


def label_of(part: TrainingDefense) -> str:
    """A part's name as part of a directory's name."""
    return re.sub(r"[^A-Za-z0-9.+-]+", "-", part.name).strip("-")


def _unique(part: TrainingDefense, parts: tuple[TrainingDefense, ...]) -> bool:
    return sum(label_of(other) == label_of(part) for other in parts) == 1


def _adjusted(rows: list[AblationRow]) -> list[AblationRow]:
    """Holm's adjustment over all rows and budgets, and over the clean accuracies of all rows."""
    clean = holm([row.clean.p_value for row in rows])
    robust = iter(holm([at.against_all.p_value for row in rows for at in row.robust]))
    return [
        row.model_copy(
            update={
                "clean": row.clean.model_copy(update={"p_holm": p}),
                "robust": [
                    at.model_copy(update={"against_all": at.against_all.model_copy(update={"p_holm": next(robust)})})
                    for at in row.robust
                ],
            }
        )
        for row, p in zip(rows, clean, strict=True)
    ]
