"""`counterspin study`: what is studied, which options belong to it, and what is printed."""

import json

import pytest

from counterspin.cli.app import run

pytestmark = pytest.mark.slow  # every surface of a recipe is attacked


def test_a_hybrid_study_prints_its_findings_and_resumes(tmp_path, capsys):
    out = tmp_path / "study"
    command = ["study", "hybrid", "cancer-angle", "--samples", "6", "--budget", "0.02", "--out", str(out)]
    assert run(command) == 0
    text = capsys.readouterr().out
    assert "most exposed surface" in text
    assert "expected:" in text
    assert "Page:" in text
    assert run([*command, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record == json.loads((out / "study.json").read_text())
    assert record["schema"] == 1
    assert {row["budget"] for row in record["tables"]["surfaces"] if row["surface"] != "one gate"} == {0.02}
    assert {path.name for path in out.glob("*.csv")} == {"surfaces.csv", "curves.csv", "threat.csv"}


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["noises", "cancer-angle"], "study knows noise and hybrid, not 'noises'"),
        (["hybrid", "cancer-angle", "--device", "ibm:manila"], "--device belongs to `study noise`"),
        (["noise", "cancer-angle", "--budget", "0.1"], "--budget belongs to `study hybrid`"),
        (["hybrid", "cancer-angle", "--samples", "1"], "give at least 2"),
        (["hybrid", "cancer-angle-classical", "--samples", "4"], "ends in one circuit"),
    ],
)
def test_bad_input_is_named(arguments, reason, capsys, tmp_path):
    assert run(["study", *arguments, "--out", str(tmp_path / "out")]) in (2, 3)
    assert reason in capsys.readouterr().err
