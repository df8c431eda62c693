"""A hardening as one offline HTML document."""

from counterspin.evaluation.hardening.record import ComparedMetric, HardenRecord
from counterspin.evaluation.hardening.wording import defense_words, part_words
from counterspin.report import wording
from counterspin.report.attacker import budget_words, threat_words
from counterspin.report.charts import hardening as charts
from counterspin.report.document import Mark, document
from counterspin.report.figures import Figure
from counterspin.report.formats import NBSP, number, p_value, percent
from counterspin.report.tables import hardening as tables

__all__ = ["hardening_headline", "hardening_mark", "render_hardening"]

_LEVEL = 0.05


def render_hardening(record: HardenRecord) -> str:
    """The hardening as one HTML document in the style of the report."""
    return document(
        "hardening.html.j2",
        mark=hardening_mark(record),
        figures={
            "curves": _curves(record),
            "trade": _trade(record),
            "adaptive": _adaptive(record),
            "epochs": _epochs(record),
        },
        context={
            "record": record,
            "name": str(record.model.get("name", "unnamed model")),
            "defense": defense_words(record),
            "parts": [part_words(part) for part in record.defense],
            "headline": hardening_headline(record),
            "sides": (("Before", record.before, "before"), ("After", record.after, "after")),
            "degradation": tables.degradation_table(record),
            "zero": tables.zero_table(record),
            "scales": tables.scales_table(record),
            "ablation": tables.ablation_table(record),
            "transfer": tables.transfer_table(record),
            "training": tables.training_facts(record),
            "threat": threat_words(record.after.threat),
        },
    )


def hardening_mark(record: HardenRecord) -> Mark:
    """The worst of both audits and the adaptive check, with what failed where."""
    failed = [
        f"{label} {wording.failed_checks(audit.sanity)}"
        for label, audit in (("before", record.before), ("after", record.after))
        if audit.sanity.verdict == "fail"
    ]
    if record.adaptive.verdict == "fail":
        ids = ", ".join(check.id for check in record.adaptive.checks if check.status == "FAIL")
        failed.append(f"adaptive check {ids}")
    if failed:
        return Mark(verdict="fail", text=f"{wording.MARKS['fail']}: {'; '.join(failed)} failed")
    return Mark(verdict=record.verdict, text=wording.MARKS[record.verdict])


def hardening_headline(record: HardenRecord) -> str:
    """What the defence changed at the middle ε and on clean samples, in one sentence.

    A difference is called one where the adjusted p-value is below 5 %.
    """
    robust = [line for line in record.comparison if line.kind == "robust_accuracy"]
    line, clean = robust[len(robust) // 2], record.comparison[0]
    where = budget_words(record.after.threat, line.eps or 0.0)
    defense, p = defense_words(record), p_value(line.p_holm)
    p = f"p{NBSP}{p}" if p.startswith("<") else f"p{NBSP}={NBSP}{p}"
    if line.p_holm is not None and line.p_holm < _LEVEL:
        verb = "raises" if (line.difference or 0.0) > 0 else "lowers"
        robustness = f"{defense} {verb} robust accuracy {_from_to(line)} ({p})"
    else:
        robustness = f"no effect of {defense} on robust accuracy is shown ({_from_to(line)}, {p})"
    moved = "stays" if not clean.difference else "rises" if clean.difference > 0 else "falls"
    change = f"at {percent(clean.after or 0.0)}" if not clean.difference else _from_to(clean)
    return f"{where}, {robustness}; clean accuracy {moved} {change}."


def _from_to(line: ComparedMetric) -> str:
    return f"from {percent(line.before or 0.0)} to {percent(line.after or 0.0)}"


def _curves(record: HardenRecord) -> list[Figure]:
    return [
        Figure(
            key="hardened",
            title="Robust accuracy before and after",
            note="Shaded: the 95 % interval of each model on its own. Whether they differ is read from the paired "
            "tests in the table: all models saw the same samples.",
            chart=charts.hardened_curves(record),
            table=None,
            choice=True,
        )
    ]


def _trade(record: HardenRecord) -> list[Figure]:
    return [
        Figure(
            key=f"trade-{place}",
            title=f"Clean against robust accuracy, ε = {number(budget.eps)}",
            note="Up and right is better. Lines: 95 % intervals.",
            chart=charts.trade_off_chart(record, f"{budget.eps:g}"),
            table=None,
        )
        for place, budget in enumerate(record.after.budgets)
    ]


def _adaptive(record: HardenRecord) -> list[Figure]:
    if not record.adaptive.transfer:
        return []
    return [
        Figure(
            key="transfer",
            title="Own attacks against points from the undefended twin",
            note="A defence whose gradients are honest is broken most by its own attacks. Points from the twin that "
            "break more mean that the robust accuracy above is too high.",
            chart=charts.transfer_chart(record.adaptive.transfer),
            table=tables.transfer_table(record),
        )
    ]


def _epochs(record: HardenRecord) -> list[Figure]:
    chart = charts.epochs_chart(record)
    if chart is None:
        return []
    note = "Dashed: the epoch whose weights are kept. The loss holds all parts of the defence and its schedule."
    return [Figure(key="epochs", title="Training loss", note=note, chart=chart, table=None)]
