import pytest

from counterspin import threats
from counterspin.evaluation.records import AuditRecord
from counterspin.report import tables
from counterspin.types import Cost


def plain(text: str) -> str:
    return text.replace("\u00a0", " ").replace("\u202f", " ")


def test_every_row_fills_every_column(record: AuditRecord, unreliable: AuditRecord) -> None:
    for audited in (record, unreliable):
        curves = audited.noise_resilience.curves
        assert audited.calibration is not None
        for table in (
            tables.budgets_table(audited),
            tables.attacks_table(audited),
            tables.cost_table(audited),
            tables.calibration_table(audited.calibration),
            tables.noise_table(curves[0]),
            tables.shots_table(curves),
        ):
            assert {len(row) for row in table.rows} == {len(table.columns)}


def test_budgets_table(record: AuditRecord, unreliable: AuditRecord) -> None:
    row = [plain(cell) for cell in tables.budgets_table(record).rows[1]]
    assert row == ["0.1", *["46.0 % (38.9–53.2)"] * 3, "47.0 % (39.9–54.2)"]
    boxed = tables.budgets_table(unreliable)
    none = "0 of 200: with 95 % confidence the true share is below 1.5 % (rule of three)"
    assert [plain(cell) for cell in boxed.rows[2]] == ["0.15", none, "no claim", none, "21.5 % (16.0–27.8)"]


def test_gradient_attacks_have_a_column_only_where_they_differ(audit) -> None:
    budget = audit().to_json()["budgets"][0]
    del budget["attacks"]["exact"]
    budget["worst_case"] = budget["worst_case_gradient"]
    alike = tables.budgets_table(audit(budgets=[budget]))
    budget["worst_case_gradient"] = budget["attacks"]["random"]["robust_accuracy"]
    apart = tables.budgets_table(audit(budgets=[budget]))
    assert "Gradient attacks alone" not in alike.columns
    assert apart.columns == (*alike.columns, "Gradient attacks alone")


def test_open_bracket_shows_both_ends(audit, measured) -> None:
    budget = audit().to_json()["budgets"][0]
    budget["exact"] = {"lower": measured(90), "upper": measured(96), "decided": measured(194)}
    cell = tables.budgets_table(audit(budgets=[budget])).rows[0][2]
    assert plain(cell) == "45.0 % to 48.0 %; 97.0 % of samples settled"


def test_attacks_table_has_one_row_per_attack_and_budget(record: AuditRecord) -> None:
    rows = tables.attacks_table(record).rows
    assert len(rows) == 7 * 3
    assert [plain(cell) for cell in rows[0]] == ["fgsm", "0.05", "77.0 % (70.5–82.6)", "20.2 % (14.8–26.6)"]


def test_cost_table_sums_budgets_and_shows_settings(audit) -> None:
    budgets = audit().to_json()["budgets"]
    for budget in budgets:
        budget["attacks"]["pgd"]["config"] |= {"step_size": 0.1, "loss": {"name": "margin"}}
    rows = {row[0]: [plain(cell) for cell in row[1:]] for row in tables.cost_table(audit(budgets=budgets)).rows}
    total = 96500 * (1 + 2 + 3)
    assert rows["pgd"][0] == f"{total:,} ({total // 200})".replace(",", " ")
    assert rows["pgd"][-1] == "7.50 s"
    assert rows["exact"][1] == "0"
    assert rows["whole audit"][-2:] == ["21 760 000 (1.088e+05)", "41.7 s"]
    settings = {row[0]: row[1:] for row in tables.settings_table(audit(budgets=budgets)).rows}
    assert settings["pgd"] == ("100", "5", "step_size = 0.1, loss.name = margin")
    assert settings["exact"] == ("–", "–", "–")


def test_cost_of_verdicts_and_checks_is_in_the_sum(audit) -> None:
    sanity = audit().to_json()["sanity"]
    sanity["checks"][0]["cost"] = {"forwards": 400, "backwards": 0, "circuits": 600, "shots": 0, "seconds": 1.5}
    table = tables.cost_table(audit(sanity=sanity), {"pgd": Cost(forwards=200, circuits=200, shots=1000)})
    rows = {row[0]: [plain(cell) for cell in row[1:]] for row in table.rows}
    assert rows["verdicts on pgd"] == ["200 (1)", "0", "200 (1)", "1 000 (5)", "in the above"]
    assert rows["sanity checks"] == ["400 (2)", "0", "600 (3)", "0", "1.50 s"]
    assert rows["whole audit"][0].startswith(f"{4053000 + 600:,} (".replace(",", " "))
    assert rows["whole audit"][3].startswith(f"{21760000 + 1000:,} (".replace(",", " "))


def test_cost_at_each_budget_and_what_the_first_one_means(record: AuditRecord) -> None:
    table = tables.queries_table(record)
    assert [row[1] for row in table.rows[:3]] == ["0.05", "0.1", "0.15"]
    assert plain(table.rows[0][2]) == "96 500 (482.5)"
    assert "whole cost stands at the first one" in table.caption


def test_undecided_samples_have_columns(audit, measured) -> None:
    budget = audit().to_json()["budgets"][0] | {"undecided": measured(4), "worst_case_upper": measured(148)}
    table = tables.budgets_table(audit(budgets=[budget]))
    cells = {name: plain(cell) for name, cell in zip(table.columns, table.rows[0], strict=True)}
    assert cells["Undecided counted as robust"].startswith("74.0 %")
    assert cells["Undecided"].startswith("2.0 %")


def test_noise_table_orders_shots_and_ends_with_infinity(record: AuditRecord) -> None:
    table = tables.noise_table(record.noise_resilience.curves[1])
    assert [plain(c) for c in table.columns] == [
        "Strength",
        "64 shots",
        "256 shots",
        "1 024 shots",
        "4 096 shots",
        "∞ shots",
    ]
    assert [row[0] for row in table.rows] == ["0", "0.05", "0.1", "0.2", "0.3"]
    assert plain(table.rows[0][-1]).startswith("96.5 %")


def test_facts_flatten() -> None:
    assert tables.facts({"a": {"b": [1, (2.5, None)]}, "c": 1 / 3, "d": {}}) == [
        ("a.b", "1, 2.5, none"),
        ("c", "0.333333"),
        ("d", "{}"),
    ]


def test_reproduce_a_recipe(record: AuditRecord) -> None:
    assert tables.reproduce(record).replace(" \\\n ", "") == (
        "counterspin audit digits-amplitude --norm l2 --units relative --box none --eps 0.05,0.1,0.15 "
        "--samples 200 --tier quick --seed 0"
    )


def test_reproduce_names_the_engine_that_was_asked_for(audit) -> None:
    torch_asked = {"engine": {"asked": "torch", "ran": "torch"}}
    assert "--engine torch" in tables.reproduce(audit(**torch_asked))
    in_python = tables.reproduce(audit(dataset={"name": "data given in Python"}, **torch_asked))
    assert "\nmodel.engine = 'torch'\ncs.audit(" in in_python
    compile(in_python, "reproduce", "exec")
    assert "engine" not in tables.reproduce(audit(engine={"asked": "auto", "ran": "compiled (v4)"}))


def test_the_command_repeats_what_a_models_owner_said(audit) -> None:
    base = audit()
    asked = {"between": [0.0, 1.0], "asked": {"above": 0, "gradient": "none"}}
    text = tables.reproduce(audit(model=base.model | asked))
    assert text.replace(" \\\n ", "").endswith("--above 0 --gradient none --bounds 0.0 1.0")
    assert "--above" not in tables.reproduce(base)


def test_reproduce_quotes_for_the_shell(audit) -> None:
    record = audit(model={"name": "a; rm -rf ~"}, dataset={"name": "my data.npz", "split": "given", "source": "file"})
    text = tables.reproduce(record)
    assert text.startswith("counterspin audit 'a; rm -rf ~' \\\n")
    assert text.endswith("--data 'my data.npz'")


@pytest.mark.parametrize("change", [{"dataset": {"name": "data given in Python"}}, {"threat": {"target": 3}}])
def test_reproduce_in_python_where_no_command_can(audit, change: dict) -> None:
    threat = audit().threat | change.get("threat", {})
    text = tables.reproduce(audit(**(change | {"threat": threat})))
    target = ", target=3" if "threat" in change else ""
    call = f"cs.audit(model, x, y, cs.L2(0.05, 0.1, 0.15, units='relative', box='none'{target}), tier='quick', seed=0)"
    assert text.splitlines()[-1] == call
    compile(text, "reproduce", "exec")


def test_a_limited_threat_is_reproduced_in_python(audit) -> None:
    limits = {
        "norm": "l0",
        "units": "feature",
        "box": "data",
        "eps": [1.0, 2.0],
        "mask": [True, False],
        "groups": [{"features": [0], "values": [[0.0], [0.5]]}],
        "tied": [],
        "budget": {"queries": 500, "circuits": None, "shots": None},
    }
    text = tables.reproduce(audit(threat=limits))
    compile(text, "reproduce", "exec")
    assert "from counterspin.threats import Group, QueryBudget" in text
    threat = threats.L0(
        1.0,
        2.0,
        mask=(True, False),
        groups=(threats.Group(features=(0,), values=((0.0,), (0.5,))),),
        budget=threats.QueryBudget(queries=500),
    )
    made = eval(
        text.split("audit(model, x, y, ")[1].split(", tier=")[0],
        {"cs": threats, "Group": threats.Group, "QueryBudget": threats.QueryBudget},
    )
    assert made == threat
    assert tables.reproduce(audit(threat=threat.to_json())).splitlines()[-1] == text.splitlines()[-1]


def test_threat_facts_are_short(audit) -> None:
    facts = tables.threat_facts(
        {"norm": "l2", "mask": [True] * 3 + [False], "groups": [], "tied": [[1, 2]], "target": None}
    )
    assert facts == {"norm": "l2", "mask": "features 0, 1, 2 of 4", "tied": "features 1, 2"}
