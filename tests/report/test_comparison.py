import re
from xml.etree import ElementTree

import pytest

from counterspin.evaluation.comparison import ComparisonRecord
from counterspin.evaluation.records import AuditRecord
from counterspin.report import bundle, charts, render_comparison, tables, theme
from counterspin.report.comparison import comparison_headline, comparison_mark


def plain(text: str) -> str:
    return text.replace("\u00a0", " ").replace("\u202f", " ")


@pytest.mark.parametrize(
    ("points", "p", "said"),
    [
        (0.0, 1.0, "no difference is shown (p = 1)."),
        (6.0, 0.2, "no difference is shown (p = 0.2)."),
        (6.0, 0.03, "A is more robust by 6.0 points (p = 0.03)."),
        (-6.0, 1e-9, "B is more robust by 6.0 points (p < 0.0001)."),
    ],
)
def test_headline_calls_a_difference_one_only_when_the_test_does(compared, points: float, p: float, said: str) -> None:
    sentence = plain(comparison_headline(compared(points, p)))
    start = f"At ε = 0.1 (share of ‖x‖, L2), A keeps 46.0 % and B keeps {46 - points:.1f} % of the same 200 samples: "
    assert sentence == start + said


def test_headline_reads_the_adjusted_p_value(compared) -> None:
    record: ComparisonRecord = compared(6.0, 0.03)
    pair = record.budgets[1].worst_case.model_copy(update={"p_holm": 0.09})
    budgets = [*record.budgets]
    budgets[1] = budgets[1].model_copy(update={"worst_case": pair})
    assert "no difference" in comparison_headline(record.model_copy(update={"budgets": budgets}))


def test_the_worse_verdict_marks_both(record: AuditRecord, unreliable: AuditRecord) -> None:
    assert comparison_mark(record, record).text == "reliable, with warnings"
    mark = comparison_mark(record, unreliable)
    assert (mark.verdict, mark.text) == ("fail", "UNRELIABLE: B S04 failed")


def test_tables(compared, record: AuditRecord, audit) -> None:
    table = tables.paired_table(compared(6.0, 0.03))
    assert [row[0] for row in table.rows] == ["none", "0.05", "0.1", "0.15"]
    assert [plain(cell) for cell in table.rows[2][3:]] == ["+6.0 (+2.0 to +10.0)", "12", "0", "0.03", "0.03"]
    assert table.rows[0][-1] == "–"
    assert tables.differences_table(record, record) is None
    changed = audit(seed=3, model=record.model | {"layers": 10})
    differing = tables.differences_table(record, changed)
    assert differing is not None
    assert differing.rows == (("model.layers", "30", "10"), ("seed", "0", "3"))


def test_charts_show_both_runs_and_their_difference(compared) -> None:
    record = compared(6.0)
    rows = charts.compared_curves(record).spec["data"]["values"]
    assert {(r["series"], r["eps"], round(r["value"], 3)) for r in rows if r["eps"] == 0.1} == {
        ("A", 0.1, 0.46),
        ("B", 0.1, 0.4),
    }
    spec = charts.difference_plot(record).spec
    assert [round(r["value"], 6) for r in spec["layer"][1]["data"]["values"]] == [6.0] * 4


@pytest.mark.parametrize("points", [0.5, 6.0, 40.0])
def test_points_of_difference_are_whole_numbers_on_the_axis(compared, points: float) -> None:
    svg = bundle.static_svg(
        charts.difference_plot(compared(points)).spec, config=theme.vega_config(theme.css_palette()), width=620
    )
    texts = [element.text or "" for element in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    ticks = [text for text in texts if re.fullmatch(r"[+−]\d.*", text) and "." not in text]
    assert "+0" in ticks
    assert len(ticks) >= 3
    assert all(re.fullmatch(r"[+−]\d+", tick) for tick in ticks)
    assert not any("e+" in text for text in texts)


@pytest.mark.slow
def test_page_is_complete_and_offline(compared, record: AuditRecord, unreliable: AuditRecord) -> None:
    html = render_comparison(compared(6.0, 0.03), record, unreliable)
    assert len(html.encode()) < 1_500_000
    assert "default-src 'none'" in html
    for words in ("B: S04, failed: No success at ε = 0.", "The tiers differ.", "Mend the projection.", "p (Holm)"):
        assert words in html
