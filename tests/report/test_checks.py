from counterspin.evaluation.records import AuditRecord, CostRecord
from counterspin.report import checks, tables


def plain(text: str) -> str:
    return text.replace("\u00a0", " ").replace("\u202f", " ")


def test_what_failed_comes_first(unreliable: AuditRecord) -> None:
    rows = checks.check_rows(unreliable.sanity)
    assert [(row.check.id, row.style) for row in rows[:2]] == [("S04", "fail"), ("S25", "warn")]
    assert rows[-1].check.id == "S10"
    assert len(rows) == len(unreliable.sanity.checks)
    assert (rows[0].measured, rows[0].limit, rows[0].samples) == ("3", "0", "3, 17, 22")


def test_p_value_and_cost_of_a_check(record: AuditRecord) -> None:
    cost = CostRecord(forwards=100, backwards=50, circuits=1200, shots=64000, seconds=3.2)
    told = record.sanity.checks[0].model_copy(update={"p_value": 0.03125, "cost": cost})
    (row,) = checks.check_rows(record.sanity.model_copy(update={"checks": [told]}))
    assert (row.p_value, plain(row.cost)) == ("0.031", "1 200 circuits, 64 000 shots, 3.20 s")
    (bare,) = checks.check_rows(record.sanity.model_copy(update={"checks": record.sanity.checks[:1]}))
    assert (bare.p_value, bare.cost) == ("–", "–")


def test_cost_without_circuits_is_told_in_forwards() -> None:
    spent = CostRecord(forwards=100, backwards=0, circuits=0, shots=0, seconds=0.5)
    assert plain(tables.spent_words(spent)) == "100 forwards, 0.50 s"
