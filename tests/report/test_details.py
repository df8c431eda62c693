from pathlib import Path

import torch

from counterspin.attacks import BudgetResult
from counterspin.evaluation.records import AuditRecord
from counterspin.evaluation.run_store import RunStore
from counterspin.report import run_details
from counterspin.types import Cost

CORRECT = torch.tensor([False, True, True])


def result(eps: float, distance: list[float], history: dict[str, list[float]]) -> BudgetResult:
    found = torch.tensor(distance, dtype=torch.float64)
    return BudgetResult(
        eps=eps,
        x_adv=torch.zeros(3, 2, dtype=torch.float64),
        success=torch.isfinite(found),
        distance=found,
        best_margin=torch.zeros(3, dtype=torch.float64),
        trace_distance=torch.full((3,), torch.nan, dtype=torch.float64),
        history=history,
        cost=Cost(),
        seconds=0.0,
        verdict_cost=Cost(forwards=5, circuits=5, shots=500),
    )


def test_details_of_a_run_in_the_units_of_the_threat(audit, tmp_path: Path) -> None:
    inf = float("inf")
    values = audit().to_json()
    budget = values["budgets"][0]
    budget["attacks"] = {name: budget["attacks"][name] for name in ("pgd", "random")}
    budget["attacks"]["fmn"] = budget["attacks"].pop("random")
    values["budgets"] = [budget | {"eps": 0.5}]
    values["certificates"] = [{"method": "exact-l2", "applies": True}, {"method": "guan", "applies": False}]
    record = AuditRecord.model_validate(values)
    with RunStore(tmp_path / "run", {"name": "test"}) as store:
        # ‖x‖ is 5, 2 and 10: the threat's ε is a share of it.
        store.save_tensors("inputs", {"x": torch.tensor([[3.0, 4.0], [2.0, 0.0], [6.0, 8.0]]), "y": torch.zeros(3)})
        radii = torch.tensor([1.0, 0.4, 3.0], dtype=torch.float64)
        exact = torch.tensor([False, True, True])
        store.save_tensors(
            "certificate-exact-l2", {"radius_lower": radii, "radius_upper": radii.clone(), "exact": exact}
        )
        nearest = {"broken": [0.0, 0.5], "distance": [0.5, 0.4]}
        store.save_budget("fmn", 0, CORRECT, result(0.5, [inf, 0.5, inf], nearest))
        store.save_budget("pgd", 0, CORRECT, result(0.5, [inf, 0.8, 4.0], {"broken": [1.0], "best_margin": [0.0]}))
        found = run_details(record, store)
    distances = found.distances
    assert distances is not None
    assert distances.attacks["fmn"].tolist() == [0.0, 0.25, inf]
    assert distances.union.tolist() == [0.0, 0.25, 0.4]
    assert distances.proved is not None
    torch.testing.assert_close(distances.proved, torch.tensor([0.0, 0.2, 0.3], dtype=torch.float64))
    assert distances.exact  # of every correct sample
    assert [trace.attack for trace in found.traces] == ["pgd", "fmn"]
    assert found.verdicts["fmn"] == Cost(forwards=5, circuits=5, shots=500)
