import json
from typing import Any

import altair as alt
import pytest

from counterspin.evaluation.records import AuditRecord
from counterspin.report import RunDetails, charts
from counterspin.report.figures import report_figures


def rows(chart: charts.Chart) -> list[dict[str, Any]]:
    """Every data row of a chart, on whichever layer altair put it."""

    def collect(part: dict[str, Any]) -> list[dict[str, Any]]:
        below = [row for layer in part.get("layer", []) for row in collect(layer)]
        return [*part.get("data", {}).get("values", []), *below]

    return collect(chart.spec)


def encodings(chart: charts.Chart, channel: str) -> list[dict[str, Any]]:
    return [layer["encoding"][channel] for layer in chart.spec["layer"] if channel in layer["encoding"]]


def test_security_curve_holds_every_curve_from_zero(record: AuditRecord) -> None:
    points = {(r["series"], r["eps"]): r["value"] for r in rows(charts.security_curve(record))}
    names = {name for name, _ in points}
    attacks = {"fgsm", "pgd", "apgd-ce", "apgd-margin", "apgd-targeted", "random", "attack: exact"}
    assert names == {"worst case", "certified", "exact"} | attacks
    assert {points[name, 0.0] for name in names} == {0.965}
    assert (points["worst case", 0.1], points["fgsm", 0.1], points["random", 0.15]) == (0.46, 0.605, 0.88)
    for budget in record.budgets:
        assert points["certified", budget.eps] <= points["exact", budget.eps] <= points["worst case", budget.eps]


def test_security_curve_axes_and_bands(record: AuditRecord) -> None:
    chart = charts.security_curve(record)
    x, y = encodings(chart, "x")[0], encodings(chart, "y")
    assert x["scale"]["domain"] == [0.0, 0.15]
    assert x["title"] == "ε (share of ‖x‖, L2)"
    assert any(axis.get("scale", {}).get("domain") == [0, 1] for axis in y)
    banded = {r["series"] for r in rows(chart) if r["band"]}
    assert banded == {"worst case", "certified"}
    middle = next(r for r in rows(chart) if r["series"] == "worst case" and r["eps"] == 0.1)
    assert middle["low"] == pytest.approx(0.3895, abs=1e-4)
    assert middle["high"] == pytest.approx(0.5317, abs=1e-4)


def test_series_differ_by_dash_and_shape_not_only_colour(record: AuditRecord) -> None:
    chart = charts.security_curve(record)
    (dash,), (shape,) = encodings(chart, "strokeDash"), encodings(chart, "shape")
    for scale in (dash["scale"], shape["scale"]):
        looks = [json.dumps(look) for look in scale["range"]]
        assert len(looks) == len(set(looks)) == len(scale["domain"]) == 10
    assert dash["scale"]["domain"][0] == "worst case"


def test_charts_name_no_colour(record: AuditRecord) -> None:
    curves = record.noise_resilience.curves
    assert record.calibration is not None
    drawn = [charts.security_curve(record), charts.reliability_diagram(record.calibration)]
    drawn += [charts.bin_counts(record.calibration), charts.noise_curve(curves[0])]
    for chart in drawn:
        assert "#" not in json.dumps({k: v for k, v in chart.spec.items() if k != "$schema"})
        assert chart.spec["description"] == chart.summary


def test_without_certificate_no_certified_curve(unreliable: AuditRecord, audit) -> None:
    assert "exact" not in {r["series"] for r in rows(charts.security_curve(unreliable))}
    budgets = [b | {"certified": None} for b in unreliable.to_json()["budgets"]]
    drawn = {r["series"] for r in rows(charts.security_curve(audit(budgets=budgets)))}
    assert "certified" not in drawn
    assert "worst case" in drawn


def test_open_bracket_is_no_exact_point(audit, measured) -> None:
    budgets = audit().to_json()["budgets"]
    budgets[1]["exact"] = {"lower": measured(90), "upper": measured(96), "decided": measured(194)}
    exact = {r["eps"] for r in rows(charts.security_curve(audit(budgets=budgets))) if r["series"] == "exact"}
    assert exact == {0.0, 0.05, 0.15}


def test_reliability_diagram_leaves_out_empty_bins(record: AuditRecord) -> None:
    assert record.calibration is not None
    found = rows(charts.reliability_diagram(record.calibration))
    diagonal = [r for r in found if "n" not in r]
    assert diagonal == [{"confidence": 0, "value": 0}, {"confidence": 1, "value": 1}]
    assert [r["n"] for r in found if "n" in r] == [4, 9, 14, 18, 22, 27, 41, 65]
    assert [r["n"] for r in rows(charts.bin_counts(record.calibration))] == [0, 0, 4, 9, 14, 18, 22, 27, 41, 65]


def test_noise_curve_has_one_series_per_number_of_shots(record: AuditRecord) -> None:
    curve = record.noise_resilience.curves[1]
    chart = charts.noise_curve(curve)
    (dash,) = encodings(chart, "strokeDash")
    assert dash["scale"]["domain"] == ["∞ shots", "64 shots", "256 shots", "1024 shots", "4096 shots"]
    assert len(rows(chart)) == len(curve.points)
    assert encodings(chart, "x")[0]["scale"]["domain"] == [0.0, 0.3]


@pytest.mark.parametrize(
    ("strengths", "kind"), [((0.0, 0.01, 0.1), None), ((0.0, 0.001, 0.03), "symlog"), ((0.0,), None)]
)
def test_noise_axis_spreads_small_strengths(
    record: AuditRecord, strengths: tuple[float, ...], kind: str | None
) -> None:
    curve = record.noise_resilience.curves[1]
    points = [curve.points[0].model_copy(update={"strength": s}) for s in strengths]
    axis = encodings(charts.noise_curve(curve.model_copy(update={"points": points})), "x")[0]
    assert axis["scale"].get("type") == kind
    assert axis["axis"]["values"] == list(strengths)
    assert ("logarithmic above 0.001" in axis["title"]) == (kind is not None)


def test_shot_curve(record: AuditRecord) -> None:
    chart = charts.shot_curve(record.noise_resilience.curves)
    assert chart is not None
    finite = {r["shots"]: r["value"] for r in rows(chart) if r["series"] == "finite shots"}
    assert finite == {64: 0.775, 256: 0.895, 1024: 0.94, 4096: 0.96}
    assert {r["value"] for r in rows(chart) if r["series"] == "∞ shots"} == {0.965}


def test_shot_curve_needs_two_numbers_of_shots(record: AuditRecord) -> None:
    curve = record.noise_resilience.curves[0]
    few = curve.model_copy(update={"points": [p for p in curve.points if p.shots in (None, 64)]})
    assert charts.shot_curve([few]) is None
    assert charts.shot_curve([]) is None


def test_undecided_samples_have_a_curve_of_their_own(audit, measured) -> None:
    budgets = audit().to_json()["budgets"]
    for budget in budgets:
        hits = round(200 * budget["worst_case"]["value"]) + 5
        budget |= {"undecided": measured(5), "worst_case_upper": measured(hits)}
    points = {(r["series"], r["eps"]): r["value"] for r in rows(charts.security_curve(audit(budgets=budgets)))}
    assert points["undecided as robust", 0.1] == pytest.approx(points["worst case", 0.1] + 0.025)


def test_one_budget_makes_a_dot_plot_of_every_attack(audit) -> None:
    chart = charts.security_curve(audit(budgets=audit().to_json()["budgets"][1:2]))
    order = encodings(chart, "y")[0]["sort"]
    assert order[:4] == ["no attack", "worst case", "exact", "certified"]
    assert order[4:] == ["attack: exact", "apgd-margin", "apgd-targeted", "pgd", "apgd-ce", "fgsm", "random"]
    shares = {row["series"]: (row["value"], row["low"], row["high"]) for row in rows(chart)}
    assert shares["fgsm"] == pytest.approx((0.605, 0.5336, 0.6732), abs=1e-4)


def test_whole_budgets_count_changed_features(audit) -> None:
    budgets = [b | {"eps": float(i + 1)} for i, b in enumerate(audit().to_json()["budgets"])]
    threat = {"norm": "l0", "eps": [1.0, 2.0, 3.0], "units": "feature", "box": "data", "target": None}
    axis = encodings(charts.security_curve(audit(budgets=budgets, threat=threat)), "x")[0]
    assert axis["title"] == "ε (changed features, L0)"
    assert axis["axis"]["values"] == [0.0, 1.0, 2.0, 3.0]


@pytest.mark.slow
def test_every_specification_is_vega_lite(audit, record: AuditRecord, details: RunDetails, compared) -> None:
    single = audit(budgets=record.to_json()["budgets"][:1])
    figures = [f for group in report_figures(record, details).values() for f in group]
    drawn = [*(f.chart for f in figures), charts.security_curve(single)]
    drawn += [charts.compared_curves(compared(3.0)), charts.difference_plot(compared(3.0))]
    for chart in drawn:
        alt.Chart.from_dict(chart.spec, validate=True)
