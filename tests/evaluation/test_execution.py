"""Audits under an execution budget: hard limits, what is listed as not run, and going on with a larger one."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_models import one_qubit

from counterspin.api import audit
from counterspin.attacks import FGSM, PGD, RandomDraws
from counterspin.errors import BudgetReachedError, UsageError
from counterspin.evaluation.execution import check_budget
from counterspin.evaluation.run_store import RunStore
from counterspin.models import LogisticRegression, SampledModel
from counterspin.threats import ExecutionBudget, Linf
from counterspin.types import Box

ATTACKS = (FGSM(), PGD(steps=4), RandomDraws(draws=20))
THREAT = Linf(0.05, 0.2)


def linear_model():
    """Three classes in the plane; nothing is proved of it and it has no circuit, so an audit of it is short."""
    model = LogisticRegression(Box.uniform(0, 1, features=2), classes=3)
    with torch.no_grad():
        for parameter, value in zip(
            model.parameters(), (torch.tensor([[2.0, -1.0], [-1.0, 2.0], [0.2, 0.3]]), torch.zeros(3)), strict=True
        ):
            parameter.copy_(value.reshape(parameter.shape))
    return model.requires_grad_(False).eval()


MODEL = linear_model()
X = torch.rand(12, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
Y = MODEL(X).argmax(dim=1)


def run(limit, out, attacks=ATTACKS, model=MODEL):
    return audit(model, X, Y, THREAT, tier="quick", attacks=attacks, budget=limit, out=out)


def numbers(record):
    """Everything but times, path and the budget."""
    data = record.to_json()
    for name in ("run", "budget", "cost"):
        del data[name]
    for card in data["certificates"]:
        card.pop("seconds", None)
    for budget in data["budgets"]:
        for attack in budget["attacks"].values():
            del attack["seconds"]
    for check in data["sanity"]["checks"]:
        del check["cost"]
    return data


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The audit without a limit, and what it takes."""
    report = run("1e12circuits", tmp_path_factory.mktemp("whole") / "run")
    assert not report.budget_reached
    assert report.record.budget.note == ""
    return report.record


@pytest.mark.slow
@pytest.mark.usefixtures("without_page")
def test_a_budget_changes_no_finished_number(whole, tmp_path):
    assert numbers(audit(MODEL, X, Y, THREAT, tier="quick", attacks=ATTACKS).record) == numbers(whole)
    enough = run(f"{whole.budget.spent['circuits']}circuits", tmp_path / "run")
    assert not enough.budget_reached
    assert numbers(enough.record) == numbers(whole)


@pytest.mark.slow
@pytest.mark.parametrize("limit", [12, 23, 24, 40, 100, 333, 700, 1200])
def test_a_cut_audit_stops_at_the_limit_and_a_larger_budget_finishes_it(limit, whole, tmp_path):
    assert limit < whole.budget.spent["circuits"]
    cut = run(f"{limit}circuits", tmp_path / "run")
    found = cut.record.budget
    assert cut.budget_reached
    assert found.spent["circuits"] <= limit
    assert "upper bound" in found.note or "complete" in found.note
    assert cut.html.is_file()
    for mine, full in zip(cut.record.budgets, whole.budgets, strict=True):
        # Unbroken so far: never below the truth of the full suite.
        assert mine.worst_case.value >= full.worst_case.value
        assert mine.worst_case.low <= mine.worst_case.value <= mine.worst_case.high
        assert mine.worst_case.n == len(X)
    again = run(f"{limit}circuits", tmp_path / "run")
    assert numbers(again.record) == numbers(cut.record)
    assert again.record.budget == found
    finished = run("1e12circuits", tmp_path / "run")
    assert not finished.budget_reached
    assert numbers(finished.record) == numbers(whole)
    # What was finished is not paid for twice; what was cut is, since it was executed twice.
    assert finished.record.budget.spent["circuits"] <= whole.budget.spent["circuits"] + limit


@pytest.mark.slow
def test_states_and_lists_say_what_is_missing(whole, tmp_path):
    # Clean predictions, the first ε of FGSM with its verdicts, the verdicts of the second and hardly any query for it.
    first = whole.budgets[0].attacks["fgsm"].circuits
    record = run(f"{len(X) + first + len(X) + len(X) + 5}circuits", tmp_path / "run").record
    assert record.budget.cut == ["fgsm at ε = 0.2"]
    assert record.budget.not_run[:2] == ["pgd", "random"]
    assert {f"check {check.id}" for check in record.sanity.checks} <= set(record.budget.not_run)
    assert record.sanity.verdict == "warn"
    assert [budget.attacks["fgsm"].state for budget in record.budgets] == ["finished", "cut"]
    assert all(set(budget.attacks) == {"fgsm"} for budget in record.budgets)
    assert record.budgets[0].attacks["fgsm"].circuits == whole.budgets[0].attacks["fgsm"].circuits


@pytest.mark.slow
def test_finished_steps_are_not_redone(whole, tmp_path, monkeypatch):
    first = whole.budgets[0].attacks["fgsm"].circuits
    run(f"{len(X) + first + 29}circuits", tmp_path / "run")
    asked = []
    monkeypatch.setattr(
        FGSM, "_run", lambda self, oracle, start, ball, generator: asked.append(float(ball.radius.max()))
    )
    # Only the second ε of FGSM is left, and it now finds nothing, which no finished number hides.
    run(f"{len(X) + first + 60}circuits", tmp_path / "run")
    assert asked == [pytest.approx(0.2)]


@pytest.mark.slow
@pytest.mark.usefixtures("without_page")
def test_an_interrupted_start_remembers_what_it_spent(tmp_path):
    def stop(label, *_):
        if label.startswith("random at ε = 0.2"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        audit(
            MODEL,
            X,
            Y,
            THREAT,
            tier="quick",
            attacks=ATTACKS,
            budget="1000circuits",
            out=tmp_path / "run",
            progress=stop,
        )
    with RunStore(tmp_path / "run", None) as store:
        spent = store.stage("execution")["spent"]["circuits"]
    assert 100 < spent < 1000
    assert run("1000circuits", tmp_path / "run").record.budget.spent["circuits"] >= spent


def test_a_budget_below_the_clean_predictions_is_refused_and_costs_nothing(tmp_path):
    with pytest.raises(
        BudgetReachedError, match=r"budget is 11 circuits; the clean predictions of 12 samples alone take"
    ):
        run("11circuits", tmp_path / "run")
    with RunStore(tmp_path / "run", None) as store:
        assert store.stage("execution")["spent"]["circuits"] == 0


@pytest.mark.parametrize("text", ["5jobs", "100shots"])
def test_budgets_a_simulated_model_can_never_reach_are_refused(text):
    with pytest.raises(UsageError, match="limit its circuits"):
        check_budget(ExecutionBudget.parse(text), MODEL)


@pytest.mark.slow
@given(st.integers(1, 100))
def test_budgets_that_can_be_reached_are_taken(limit):
    check_budget(None, MODEL)
    check_budget(ExecutionBudget(circuits=limit), MODEL)
    check_budget(ExecutionBudget(shots=limit), SampledModel(one_qubit(), shots=3))


def test_something_that_is_no_budget_is_refused():
    with pytest.raises(UsageError, match="20000circuits"):
        audit(MODEL, X, Y, THREAT, budget="lots")
