from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from counterspin.attacks import BudgetResult
from counterspin.evaluation.records import AuditRecord, BudgetRecord
from counterspin.evaluation.run_store import RunStore
from counterspin.report import charts, tables
from counterspin.report.distances import Distances, ecdf, found_distances
from counterspin.types import Cost

INF = float("inf")


def tensor(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def by_hand(**changes: object) -> Distances:
    """Five samples, the first misclassified; the exact distances 0.1, 0.2, 0.4 and one beyond the largest ε."""
    found = {
        "attacks": {"fmn": tensor(0, 0.1, 0.25, INF, INF), "ddn": tensor(0, 0.15, 0.2, 0.4, INF)},
        "union": tensor(0, 0.1, 0.2, 0.4, INF),
        "proved": tensor(0, 0.1, 0.2, 0.4, 0.9),
        "exact": True,
        "correct": torch.tensor([False, True, True, True, True]),
        "largest": 0.5,
    }
    return Distances(**(found | changes))  # pyright: ignore[reportArgumentType]


def test_ecdf_by_hand() -> None:
    assert ecdf(by_hand().union, 0.5) == [(0.0, 0.2), (0.1, 0.4), (0.2, 0.6), (0.4, 0.8), (0.5, 0.8)]
    # Nothing at 0, two at one distance, one at the edge with a rounding.
    steps = ecdf(tensor(0.3, 0.3, 0.5 * (1 + 1e-9), 0.7), 0.5)
    assert steps == [(0.0, 0.0), (0.3, 0.5), (0.5, 0.75)]
    assert ecdf(tensor(INF, INF), 0.5) == [(0.0, 0.0), (0.5, 0.0)]


@given(st.lists(st.floats(0, 2) | st.just(INF), min_size=1, max_size=30), st.floats(0.1, 1.5))
def test_ecdf_counts_what_lies_within(values: list[float], largest: float) -> None:
    steps = ecdf(tensor(*values), largest)
    places, shares = zip(*steps, strict=True)
    assert (places[0], places[-1]) == (0.0, largest)
    assert list(places) == sorted(set(places))
    assert list(shares) == sorted(shares)
    assert shares[-1] == pytest.approx(sum(v <= largest * (1 + 1e-6) for v in values) / len(values))


def test_the_curve_of_an_attack_is_never_above_the_exact_one() -> None:
    chart = charts.distance_curves(by_hand(), {"norm": "l2", "units": "relative"})
    rows = {row["series"]: row for row in chart.spec["data"]["values"]}
    assert set(rows) == {"all attacks together", "exact", "fmn", "ddn"}
    assert rows["fmn"]["distance"] == [0.0, 0.1, 0.25, 0.5]
    assert rows["fmn"]["value"] == [0.2, 0.4, 0.6, 0.6]
    assert rows["exact"]["value"] == [0.2, 0.4, 0.6, 0.8, 0.8]
    assert chart.spec["encoding"]["x"]["title"] == "distance (share of ‖x‖, L2)"


def test_long_curves_are_thinned_and_keep_their_ends() -> None:
    values = torch.linspace(0.001, 0.4, 5000, dtype=torch.float64)
    many = by_hand(attacks={"fmn": values}, union=values, proved=None, correct=torch.ones(5000, dtype=torch.bool))
    row = charts.distance_curves(many, {"norm": "l2"}).spec["data"]["values"][0]
    assert len(row["distance"]) <= 301
    assert (row["distance"][0], row["distance"][-1], row["value"][-1]) == (0.0, 0.5, 1.0)


def test_table_by_hand() -> None:
    rows = {row[0]: [cell.replace("\u00a0", " ") for cell in row[1:]] for row in tables.distances_table(by_hand()).rows}
    # Of the four correct samples; ratios to the exact distances where the attack succeeded.
    assert rows["fmn"] == ["50.0 %", "above 0.5", "1.0000", "1.2500"]
    assert rows["ddn"] == ["75.0 %", "0.4", "1.0000", "1.5000"]
    assert rows["all attacks together"][-1] == "1.0000"
    assert rows["exact"][-2:] == ["–", "–"]


def test_without_exact_distances_the_best_attack_is_the_measure() -> None:
    table = tables.distances_table(by_hand(exact=False))
    assert "nearest point of any attack" in table.caption
    assert [row[0] for row in table.rows] == ["fmn", "ddn", "all attacks together", "certified bound"]


@pytest.mark.parametrize(("exact", "settled"), [([True, True, False], True), ([True, False, False], False)])
def test_a_radius_beyond_the_largest_budget_need_not_be_exact(tmp_path: Path, exact: list[bool], settled: bool) -> None:
    budget = BudgetResult(
        eps=0.5,
        x_adv=torch.zeros(3, 2, dtype=torch.float64),
        success=torch.tensor([True, True, False]),
        distance=tensor(0.1, 0.4, INF),
        best_margin=tensor(0, 0, 1),
        trace_distance=tensor(0, 0, 0),
        history={"distance": []},
        cost=Cost(),
        seconds=0.0,
    )
    record = AuditRecord.model_construct(
        certificates=[{"method": "one"}],
        threat={"norm": "l2", "units": "feature"},
        budgets=[BudgetRecord.model_construct(eps=0.5)],
    )
    with RunStore(tmp_path / "run", {"verb": "audit"}) as store:
        store.save_tensors("inputs", {"x": torch.zeros(3, 2, dtype=torch.float64)})
        radii = {"radius_lower": tensor(0.1, 0.4, 0.5005), "exact": torch.tensor(exact)}
        store.save_tensors("certificate-one", radii)
        store.save_budget("fmn", 0, torch.ones(3, dtype=torch.bool), budget)
        found = found_distances(record, store, {"fmn": [budget]})
    assert found is not None
    assert found.exact is settled
    # Nothing beyond the largest ε is drawn as broken within it.
    assert found.proved is not None
    assert ecdf(found.proved, 0.5)[-1] == (0.5, pytest.approx(2 / 3))
