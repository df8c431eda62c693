"""A study as one offline HTML document."""

from counterspin.evaluation.analysis.study_record import STUDIES, StudyRecord
from counterspin.report.charts import studies as charts
from counterspin.report.document import Mark, document
from counterspin.report.figures import Figure
from counterspin.report.formats import number
from counterspin.report.tables import studies as tables

__all__ = ["render_any_study"]


def render_any_study(record: StudyRecord) -> str:
    """The study as one HTML document in the style of the report."""
    return document(
        "studies.html.j2",
        mark=Mark(verdict="pass", text=f"{record.samples} samples"),
        figures={"study": _FIGURES[record.study](record)},
        context={
            "record": record,
            "title": STUDIES[record.study],
            "name": ", ".join(str(model.get("name", "unnamed model")) for model in record.models),
            "dataset": str(record.dataset.get("name", "unnamed data")),
        },
    )


def _hybrid(record: StudyRecord) -> list[Figure]:
    rows, curves = record.tables["surfaces"], record.tables["curves"]
    order = [row["surface"] for row in sorted(rows, key=lambda row: -row["margin_lost"]["value"])]
    budget = number(float(record.settings["budget"]))
    found = [
        Figure(
            key="surfaces",
            title=f"The same budget on every part: {budget} of its own scale",
            note="Loss of margin in common units, with 95 % intervals; at 100 % every sample is broken. One faulty "
            "gate is a count, not a share.",
            chart=charts.surface_bars(rows, order),
            table=tables.surfaces_table(rows),
        ),
        Figure(
            key="half",
            title="Smallest budget that breaks half of the samples",
            note="Where attack and gradient part, the score is far from linear within the budget.",
            chart=charts.half_chart(rows, [name for name in order if name != "one gate"]),
            table=None,
        ),
    ]
    for scope, words in (("sample", "a change for each sample"), ("shared", "one change for all samples")):
        if any(row["scope"] == scope for row in curves):
            found.append(
                Figure(
                    key=f"curves-{scope}",
                    title=f"Accuracy against relative budget, {words}",
                    note="Largest change of any number of the surface, as a share of its scale.",
                    chart=charts.surface_curves(curves, scope, order),
                    table=tables.threat_table(record.tables["threat"]) if scope == "sample" else None,
                    table_label="Features at the budgets of the threat",
                    choice=True,
                )
            )
    return found


_FIGURES = {"hybrid": _hybrid}
