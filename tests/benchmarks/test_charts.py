"""The common look of the figures, and where they are saved."""

import altair as alt
import pytest

from benchmarks.charts import heading, save, themed
from counterspin.report.theme import FONT, LIGHT


def chart():
    return alt.Chart(alt.Data(values=[{"x": 1.0, "y": 2.0}])).mark_point().encode(x="x:Q", y="y:Q")


def test_a_heading_has_its_lines_below():
    found = heading("Title", "one", "two", offset=18).to_dict()
    assert (found["text"], found["subtitle"], found["offset"]) == ("Title", ["one", "two"], 18)
    assert found["color"] == LIGHT.ink


def test_the_look_is_that_of_the_reports_and_keeps_what_was_configured():
    found = themed(chart()).configure_legend(labelFontSize=12).to_dict()["config"]
    assert (found["font"], found["background"]) == (FONT, LIGHT.ground)
    assert found["axis"]["gridColor"] == LIGHT.line
    assert found["legend"]["labelFontSize"] == 12


@pytest.mark.slow
def test_two_files_of_one_name(tmp_path):
    paths = save(themed(chart()), tmp_path, "points")
    assert [path.name for path in paths] == ["points.svg", "points.png"]
    assert paths[0].read_text().lstrip().startswith("<svg")
    assert paths[1].read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
