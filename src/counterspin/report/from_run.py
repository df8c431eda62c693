"""A run directory as a report: the record as stored, the gallery from the stored adversarial inputs."""

from __future__ import annotations

from pathlib import Path

from counterspin.errors import StorageError
from counterspin.evaluation.records import AuditRecord
from counterspin.evaluation.run_store import RunStore, read_record
from counterspin.report.details import run_details
from counterspin.report.page import render, save_report
from counterspin.report.samples import MAX_EXAMPLES, Example, ReportSamples

__all__ = ["gallery", "write_report"]


def write_report(store: RunStore) -> Path:
    """Write `report.html` of a finished run and return its path.

    Raises:
        UsageError: the run is not finished.
        StorageError: something stored is damaged, or the disk refused.
    """
    # A run directory may have been moved or copied since.
    record = read_record(store.path).model_copy(update={"run": str(store.path)})
    path = store.path / "report.html"
    save_report(render(record, gallery(record, store), run_details(record, store)), path)
    return path


def gallery(record: AuditRecord, store: RunStore) -> ReportSamples:
    """Up to 8 broken samples, each at the smallest budget that broke it by the attack that came nearest.

    The classes take turns, so that one easily broken class does not fill the gallery.
    """
    subject, inputs = store.stage("subject"), store.tensors("inputs")
    clean, rivals = store.tensors("clean"), store.tensors("predictions")
    if subject is None or inputs is None or clean is None or rivals is None:
        raise StorageError(f"{store.path} lacks inputs or predictions; run the audit's command again.")
    x, y, predicted = inputs["x"], inputs["y"], clean["scores"].argmax(dim=1)
    best: dict[int, Example] = {}
    for name in (attack for budget in record.budgets[:1] for attack in budget.attacks):
        for place, result in enumerate(store.budgets(name)):
            for sample in result.success.nonzero()[:, 0].tolist():
                known = best.get(sample)
                distance = float(result.distance[sample])
                if known is not None and (known.eps, known.distance) <= (result.eps, distance):
                    continue
                best[sample] = Example(
                    x=x[sample],
                    x_adv=result.x_adv[sample],
                    label=int(y[sample]),
                    prediction=int(predicted[sample]),
                    prediction_adv=int(rivals[name][place, sample]),
                    eps=result.eps,
                    distance=distance,
                    attack=name,
                    sample=sample,
                )
    return ReportSamples(
        examples=_in_turns(list(best.values())),
        class_names=tuple(subject["class_names"]) or tuple(str(k) for k in range(clean["scores"].shape[1])),
        feature_names=tuple(subject["feature_names"]) or tuple(f"x{i}" for i in range(x.shape[1])),
        image_shape=None if subject["image_shape"] is None else tuple(subject["image_shape"]),
    )


def _in_turns(examples: list[Example]) -> tuple[Example, ...]:
    queues: dict[int, list[Example]] = {}
    for example in sorted(examples, key=lambda e: e.sample):
        queues.setdefault(example.label, []).append(example)
    chosen: list[Example] = []
    while len(chosen) < MAX_EXAMPLES and any(queues.values()):
        chosen += [queue.pop(0) for _, queue in sorted(queues.items()) if queue][: MAX_EXAMPLES - len(chosen)]
    return tuple(chosen)
