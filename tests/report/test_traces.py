import pytest
import torch

from counterspin.attacks import BudgetResult
from counterspin.report import charts, tables
from counterspin.report.traces import MOST_POINTS, Trace, stored_traces, thinned
from counterspin.types import Cost


def result(eps: float, **history: list[float]) -> BudgetResult:
    nothing = torch.zeros(1, dtype=torch.float64)
    return BudgetResult(
        eps=eps,
        x_adv=nothing[:, None],
        success=torch.zeros(1, dtype=torch.bool),
        distance=nothing,
        best_margin=nothing,
        trace_distance=nothing,
        history=history,
        cost=Cost(),
        seconds=0.0,
    )


@pytest.mark.parametrize("length", [1, 2, 199, 200, 201, 2000, 20000])
def test_thinning_keeps_the_ends(length: int) -> None:
    kept = thinned(length)
    assert len(kept) <= MOST_POINTS
    assert (kept[0], kept[-1]) == (0, length - 1)
    assert kept == sorted(set(kept))


def test_traces_of_fixed_budgets_and_of_minimum_norm() -> None:
    square = [result(e, broken=[0.0, 0.25, 0.5], best_margin=[1.0, 0.5, 0.125]) for e in (0.1, 0.2)]
    fmn = [result(0.1, broken=[0.0, 1.0], distance=[0.2, 0.05]), result(0.2, late_gain=[0.0])]
    traces = stored_traces({"square": square, "fmn": fmn, "exact": [result(0.1)]}, largest=0.2)
    assert [(t.attack, t.eps) for t in traces] == [("square", 0.1), ("square", 0.2), ("fmn", 0.2)]
    assert traces[0].queries == (1, 2, 3)
    assert traces[0].best_margin == (1.0, 0.5, 0.125)
    assert (traces[2].distance, traces[2].best_margin) == ((0.2, 0.05), ())


def test_level_stretches_are_left_out_and_bends_are_kept() -> None:
    broken = [0.0] * 10 + [0.5] * 10
    (trace,) = stored_traces({"pgd": [result(0.1, broken=broken, best_margin=[1.0] * 20)]}, largest=0.1)
    assert trace.queries == (1, 10, 11, 20)
    assert trace.broken == (0.0, 0.0, 0.5, 0.5)


def test_many_long_traces_stay_small() -> None:
    rising = [k / 2000 for k in range(2000)]
    results = {f"attack-{k}": [result(e / 10, broken=rising) for e in range(1, 11)] for k in range(12)}
    traces = stored_traces(results, largest=1.0)
    assert len(traces) == 120
    assert sum(len(t.queries) for t in traces) <= 6000
    assert all(t.queries[-1] == 2000 for t in traces)


TRACES = (
    Trace(attack="square", eps=0.1, queries=(1, 10, 100), broken=(0.0, 0.2, 0.4), best_margin=(1.0, 0.8, 0.6)),
    Trace(attack="square", eps=0.2, queries=(1, 10, 100), broken=(0.4, 0.6, 0.8), best_margin=(0.6, 0.4, 0.2)),
    Trace(attack="fmn", eps=0.2, queries=(1, 20), broken=(0.0, 0.9), distance=(0.2, 0.1)),
)


def test_small_multiples_share_the_looks_of_an_epsilon() -> None:
    threat = {"norm": "linf"}
    drawn = [chart(TRACES, threat) for chart in (charts.broken_traces, charts.margin_traces, charts.distance_traces)]
    attacks = []
    for chart in drawn:
        assert chart is not None
        color = chart.spec["spec"]["encoding"]["color"]
        assert color["scale"]["domain"] == ["ε = 0.1", "ε = 0.2"]
        attacks.append({row["attack"] for row in chart.spec["data"]["values"]})
    assert attacks == [{"square", "fmn"}, {"square"}, {"fmn"}]
    assert charts.distance_traces(TRACES[:2], threat) is None
    assert charts.broken_traces((), threat) is None


def test_table_reads_the_traces_at_parts_of_the_queries() -> None:
    rows = [[cell.replace("\u00a0", " ") for cell in row] for row in tables.traces_table(TRACES).rows]
    assert rows[0] == ["square", "0.1", "100", "20.0 %", "20.0 %", "40.0 %"]
    assert rows[2] == ["fmn", "0.2", "20", "0.0 %", "0.0 %", "90.0 %"]
