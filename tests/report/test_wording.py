import pytest

from counterspin.evaluation.records import AuditRecord, Measured
from counterspin.report import wording


def plain(text: str) -> str:
    return text.replace("\u00a0", " ").replace("\u202f", " ")


def test_share_carries_its_interval() -> None:
    share = Measured(value=0.475, low=0.4042, high=0.5467, n=200)
    assert plain(wording.share(share)) == "47.5 % (40.4–54.7)"
    assert wording.share(None) == "–"


@pytest.mark.parametrize(("n", "bound"), [(200, "1.5 %"), (1000, "0.3 %"), (2, "100 %")])
def test_zero_prints_the_rule_of_three(n: int, bound: str) -> None:
    zero = Measured(value=0.0, low=0.0, high=0.5, n=n)
    expected = f"0 of {n}: with 95 % confidence the true share is below {bound} (rule of three)"
    assert wording.zero_note(zero) == expected
    assert wording.zero_note(Measured(value=1 / n, low=0.0, high=0.5, n=n)) == ""
    assert wording.zero_note(Measured(value=0.0, low=0.0, high=1.0, n=0)) == ""


def test_headline_names_what_was_tried_and_on_what(audit) -> None:
    values = audit().to_json()["budgets"][1]
    values["attacks"] = {"pgd": values["attacks"]["pgd"]}
    record = audit(budgets=[values], dataset={"name": "data given in Python"})
    assert "of 200 samples are correct and unbroken by the one attack tried;" in plain(wording.headline(record))


def test_headline_is_the_middle_budget(record: AuditRecord) -> None:
    assert plain(wording.headline(record)) == (
        "At ε = 0.1 (share of ‖x‖, L2), 46.0 % of 200 test samples are correct and unbroken by all 7 attacks tried; "
        "46.0 % is proved, so the number is exact."
    )


def test_headline_claims_nothing_exact_in_the_box(unreliable: AuditRecord) -> None:
    assert plain(wording.headline(unreliable)) == (
        "At ε = 0.1 (feature units, L∞), 46.0 % of 200 test samples are correct and unbroken by all 6 attacks tried; "
        "20.0 % is proved."
    )


def test_headline_of_a_broken_model_without_certificate(audit, measured) -> None:
    values = audit().to_json()["budgets"][1] | {"worst_case": measured(0), "certified": None, "exact": None}
    sentence = plain(wording.headline(audit(budgets=[values])))
    assert sentence.endswith(
        "0.0 % of 200 test samples are correct and unbroken by all 7 attacks tried; nothing is proved."
    )


def test_checks_sentence(audit, record: AuditRecord, unreliable: AuditRecord) -> None:
    passing = record.to_json()["sanity"]
    passing["verdict"] = "pass"
    for check in passing["checks"]:
        check["status"] = "PASS"
    assert wording.checks_sentence(audit(sanity=passing)) == "Audit reliable: 11 of 11 checks passed."
    assert wording.checks_sentence(record) == "Audit reliable, with warnings: 10 of 11 checks passed, 1 warned."
    assert wording.checks_sentence(unreliable) == "Audit unreliable: 1 of 10 checks failed, 1 skipped."


def test_exact_note_says_why_nothing_exact_is_claimed(audit, record: AuditRecord, unreliable: AuditRecord) -> None:
    assert wording.exact_note(record).startswith("Exact:")
    assert "outside the data box" in wording.exact_note(unreliable)
    budgets = [b | {"exact": None} for b in record.to_json()["budgets"]]
    assert "lower bound for this model" in wording.exact_note(audit(budgets=budgets))
    assert "Nothing is proved" in wording.exact_note(audit(budgets=[b | {"certified": None} for b in budgets]))


def test_what_was_not_decided_is_said(audit, record: AuditRecord, measured) -> None:
    assert wording.undecided_note(record) == ""
    budgets = record.to_json()["budgets"]
    for budget, hits in zip(budgets, (2, 8, 4), strict=True):
        budget |= {"undecided": measured(hits), "worst_case_upper": budget["worst_case"]}
    stochastic = audit(budgets=budgets)
    assert "On up to 4.0 % of the samples" in plain(wording.undecided_note(stochastic))
    assert plain(wording.headline(stochastic)).endswith("on 4.0 % the test came to no verdict, they count as broken.")
    decided = [b | {"undecided": measured(0)} for b in budgets]
    assert "decided every sample" in wording.undecided_note(audit(budgets=decided))


def test_the_mark_names_what_failed(record: AuditRecord, unreliable: AuditRecord) -> None:
    assert wording.verdict_mark(record) == "reliable, with warnings"
    assert wording.verdict_mark(unreliable) == "UNRELIABLE: S04 failed"


def test_an_audit_its_budget_ended_is_incomplete(audit, unreliable: AuditRecord) -> None:
    spent = {"circuits": 300, "shots": 0, "jobs": 0}
    limit = {"circuits": 300, "shots": None, "jobs": None}
    budget = {"limit": limit, "spent": spent, "reached": True, "cut": ["pgd"], "not_run": [], "note": "It is used up."}
    assert wording.verdict_mark(audit(budget=budget)) == "incomplete: budget reached"
    assert "Audit incomplete, its budget was reached: " in wording.checks_sentence(audit(budget=budget))
    assert wording.verdict_mark(audit(budget=budget | {"reached": False})) == "reliable, with warnings"
    failed = unreliable.model_copy(update={"budget": audit(budget=budget).budget})
    assert wording.verdict_mark(failed) == "UNRELIABLE: S04 failed"  # what failed goes first


@pytest.mark.parametrize(
    ("route", "words"),
    [("imported", "read into counterspin"), ("wrapped", "its own library"), ("native", "computed by counterspin")],
)
def test_how_a_model_was_taken_in(route, words) -> None:
    told = wording.route_sentence(
        {"library": "qiskit.QSVC", "route": route, "space": "features before PCA", "repairs": ["a", "b"]}
    )
    assert told.startswith("The model is a qiskit.QSVC and ")
    assert words in told
    assert told.endswith("Mended: a. Mended: b. ε is measured in features before PCA.")


def test_a_proof_about_more_than_the_attacker_can_do(audit, record: AuditRecord) -> None:
    budgets = [b | {"exact": None} for b in record.to_json()["budgets"]]
    limited = audit(budgets=budgets, threat=record.threat | {"mask": [True, False]})
    assert "with features changed that must stay, which are out of this attacker's reach" in wording.exact_note(limited)
