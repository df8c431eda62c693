"""A hardening in numbers."""

from counterspin.evaluation.hardening.record import ComparedMetric, HardenRecord
from counterspin.evaluation.hardening.wording import metric_name, metric_words
from counterspin.evaluation.measured import PairedRecord
from counterspin.evaluation.records import AuditRecord
from counterspin.report.formats import NBSP, count, number, p_value, percent, seconds
from counterspin.report.tables.base import Table
from counterspin.report.wording import share

__all__ = [
    "ablation_table",
    "degradation_table",
    "scales_table",
    "training_facts",
    "transfer_table",
    "zero_table",
]

_ARROWS = {"higher": "higher is better", "lower": "lower is better", None: ""}


def degradation_table(record: HardenRecord) -> Table:
    """Every metric before and after."""
    rows = [(*_words(line), _ARROWS[line.better]) for line in record.comparison]
    return Table(
        caption=(
            f"Before and after on the same {count(record.after.clean_accuracy.n)} samples. Differences of accuracies "
            "in points with a paired 95 % interval (Tango); p: exact McNemar test, adjusted by Holm over clean and "
            "robust accuracy and over the proved ones."
        ),
        columns=("Metric", "Before", "After", "Difference", "p (Holm)", ""),
        rows=tuple(rows),
    )


def zero_table(record: HardenRecord) -> Table | None:
    """Defence zero against the defence; None without it."""
    if not record.against_zero:
        return None
    kinds = ("clean_accuracy", "robust_accuracy", "certified_accuracy", "exact_accuracy", "ece", "median_radius")
    rows = [_words(line) for line in record.against_zero if line.kind in kinds]
    return Table(
        caption=(
            f"Defence zero: no defence, logit scale tuned to {number(record.zero_scale)} on validation samples. "
            "Difference: the defence minus defence zero."
        ),
        columns=("Metric", "Defence zero", "Defended", "Difference", "p (Holm)"),
        rows=tuple(rows),
    )


def scales_table(record: HardenRecord) -> Table | None:
    """The logit scales that were tried; None without defence zero."""
    if not record.zero_tried:
        return None
    rows = [
        (number(line.scale), percent(line.clean), percent(line.robust), "chosen" if _chosen(line.scale, record) else "")
        for line in record.zero_tried
    ]
    return Table(
        caption="Logit scales tried for defence zero, judged on validation samples.",
        columns=("Logit scale", "Clean", "Robust", ""),
        rows=tuple(rows),
    )


def ablation_table(record: HardenRecord) -> Table | None:
    """Each part left out once; None for a defence of one part."""
    if not record.ablation:
        return None
    rows = _whole("nothing", _parts(record), record.after)
    for row in record.ablation:
        against = [("none", row.clean), *((number(at.eps), at.against_all) for at in row.robust)]
        rows += [
            (row.left_out, row.defense, eps, share(pair.first), _points(pair), p_value(pair.p_holm))
            for eps, pair in against
        ]
    rows += _whole("everything", "no defence", record.before)
    return Table(
        caption=(
            "Each part left out once, the rest trained and audited anew on the same samples. Differences in points "
            "with a paired 95 % interval; p: exact McNemar test, adjusted by Holm over rows and ε."
        ),
        columns=("Left out", "Trained with", "ε", "Correct and unbroken", "Against all parts", "p (Holm)"),
        rows=tuple(rows),
    )


def _whole(left_out: str, parts: str, audit: AuditRecord) -> list[tuple[str, ...]]:
    """The rows of a model that is not compared."""
    shares = [("none", audit.clean_accuracy), *((number(b.eps), b.worst_case) for b in audit.budgets)]
    return [(left_out, parts, eps, share(measured), "–", "–") for eps, measured in shares]


def transfer_table(record: HardenRecord) -> Table | None:
    """What transfers from the undefended twin; None where nothing was correct."""
    if not record.adaptive.transfer:
        return None
    rows = [
        (number(line.eps), share(line.white_box), share(line.replayed), share(line.fresh), count(line.missed))
        for line in record.adaptive.transfer
    ]
    return Table(
        caption="Share of the correct samples that are broken. Missed: by transferred points and by no own attack.",
        columns=("ε", "Own white-box attacks", "Replayed from before", "Fresh on the twin", "Missed"),
        rows=tuple(rows),
    )


def training_facts(record: HardenRecord) -> dict[str, object]:
    """How the defended model was trained, for a list of facts."""
    training = record.training
    facts: dict[str, object] = {
        "samples": training.samples,
        "start": training.start,
        "epochs": training.epochs,
        "kept": f"epoch {training.best_epoch} ({'the last' if training.select == 'last' else 'the most robust'})",
        "time": seconds(training.seconds),
    }
    return facts | {key: value for key, value in training.settings.items() if key != "epochs"}


def _words(line: ComparedMetric) -> tuple[str, ...]:
    _, before, after, difference, p = metric_words(line)
    return tuple(cell.replace(" ", NBSP) for cell in (metric_name(line), before, after, difference, p))


def _points(pair: PairedRecord) -> str:
    points = f"{100 * pair.difference:+.1f}{NBSP}({100 * pair.low:+.1f} to {100 * pair.high:+.1f})"
    return points.replace("-", "−").replace(" ", NBSP)


def _parts(record: HardenRecord) -> str:
    return " + ".join(str(part.get("name")) for part in record.defense)


def _chosen(scale: float, record: HardenRecord) -> bool:
    return record.zero_scale is not None and abs(scale - record.zero_scale) <= 1e-9 * max(1.0, abs(scale))
