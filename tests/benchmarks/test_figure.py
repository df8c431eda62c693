import pytest

from benchmarks.figure import draw, points
from benchmarks.timing import Samples


@pytest.fixture
def rows(row):
    found = [row(n=n, milliseconds=n) for n in (8, 4, 12)]
    found[2] = row(n=12, milliseconds=12, peer=None, against=None)
    found += [row(n=8, batch=16), row(n=8, depth=96), row(n=8, engine="torch", milliseconds=50.0)]
    # None of these belongs to the figure.
    found += [row(n=8, gradient="weights"), row(n=8, threads=2), row(n=8, peer="PennyLane complex64")]
    found += [row(n=8, workload="first-call", floor=None, against=Samples((9.0,)))]
    return [one.to_json() for one in found]


def test_points_of_a_panel_are_those_that_differ_in_its_axis_only(rows):
    found = points(rows, "n")
    by_series = {}
    for point in found:
        by_series.setdefault(point["series"], []).append((point["x"], point["milliseconds"]))
    assert by_series == {
        "counterspin, compiled": [(4, 4.0), (8, 8.0), (12, 12.0)],
        "counterspin, torch": [(8, 50.0)],
        "PennyLane default.qubit": [(4, 100.0), (8, 100.0)],
        "floating-point floor": [(4, 1.0), (8, 1.0), (12, 1.0)],
    }
    assert {p["x"] for p in points(rows, "batch")} == {16, 256}
    assert {p["x"] for p in points(rows, "depth")} == {6, 96}


@pytest.mark.slow
def test_the_figure_is_written_as_svg_and_png(rows, tmp_path):
    svg, png = draw(rows, tmp_path)
    assert (svg, png) == (tmp_path / "engine.svg", tmp_path / "engine.png")
    assert png.read_bytes().startswith(b"\x89PNG")
    text = svg.read_text()
    for words in ("counterspin, compiled", "counterspin, torch", "PennyLane default.qubit", "floating-point floor"):
        assert words in text
    for words in ("qubits", "batch", "re-uploading layers", "100 ms", "8 qubits, batch 256"):
        assert words in text
