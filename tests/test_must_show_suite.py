"""The promises of the attack suite, kept by its commands: suite v1 on two, four, ten classes and on discrete data."""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
import torch
from command_line import printed_json, standing
from safetensors.torch import load_file

import counterspin as cs
from benchmarks.attacks_subjects import four_digits
from counterspin import recipes
from counterspin.attacks.verdict import margins
from counterspin.cli.samples import write_samples
from counterspin.datasets import load_adversarials
from counterspin.evaluation.sanity.runner import checks_of
from counterspin.models import save_model

pytestmark = pytest.mark.slow

SCHEMA = json.loads((Path(__file__).parents[1] / "schemas" / "audit-1.json").read_text())
GENERAL = {"apgd-ce", "apgd-margin", "apgd-targeted", "fmn", "square", "random"}
N = 20


def audited(place: Path, command: str, *model: str):
    """The record of an audit of suite v1 on N samples, with everything that holds for every one of them checked."""
    record = printed_json(f"audit {command} --suite v1 --samples {N}", *model, "--out", str(place), allowed=(0, 1))
    jsonschema.validate(record, SCHEMA)
    assert (record["suite"], record["tier"], record["clean_accuracy"]["n"]) == ("v1", "standard", N)
    assert [check["id"] for check in record["sanity"]["checks"]] == [check.id for check in checks_of("standard")]
    before = record["clean_accuracy"]["value"]
    for index, budget in enumerate(record["budgets"]):
        worst, attacks = budget["worst_case"]["value"], budget["attacks"]
        assert worst <= before  # a larger budget leaves no more
        assert worst <= min(attack["robust_accuracy"]["value"] for attack in attacks.values())
        assert standing(place, index, set(attacks)) == round(N * worst)
        before = worst
    assert not set(record["left_out"]) & set(record["budgets"][0]["attacks"])
    assert all(reason.endswith(".") for reason in record["left_out"].values())
    return record


def failed(record) -> list[str]:
    return [check["id"] for check in record["sanity"]["checks"] if check["status"] == "FAIL"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("suite")


@pytest.fixture(scope="module")
def ten_classes(place):
    return place / "ten", audited(place / "ten", "digits-reuploading --eps 0.05,0.1,0.2")


@pytest.mark.long
def test_the_suite_on_ten_classes(ten_classes):
    _, record = ten_classes
    assert [budget["eps"] for budget in record["budgets"]] == [0.05, 0.1, 0.2]
    assert set(record["budgets"][0]["attacks"]) == GENERAL | {"coordinate", "corners"}
    assert set(record["left_out"]) == {"ddn", "exhaustive", "greedy", "exact", "exact-boxed"}
    assert record["budgets"][-1]["worst_case"]["value"] == 0.0
    assert failed(record) == []


@pytest.mark.long
def test_the_suite_on_two_classes(place):
    """Without a box and in L2, so that the exact attack and the certificate belong to it."""
    command = "mnist-amplitude-1v9 --norm l2 --units relative --box none --eps 0.1,0.2"
    record = audited(place / "two", command)
    assert set(record["budgets"][0]["attacks"]) >= GENERAL | {"ddn", "exact"}
    for budget in record["budgets"]:
        assert budget["certified"]["value"] == budget["worst_case"]["value"]
        assert budget["exact"]["lower"]["value"] == budget["worst_case"]["value"]
    assert failed(record) == []


@pytest.mark.long
def test_the_suite_on_four_classes(place):
    subject = four_digits()
    save_model(subject.model, place / "four digits")
    data = recipes.get("digits-reuploading").dataset()
    four = replace(
        data,
        train=cs.datasets.Split(subject.x[:0], subject.y[:0]),
        validation=cs.datasets.Split(subject.x[:0], subject.y[:0]),
        test=cs.datasets.Split(subject.x, subject.y),
        class_names=data.class_names[:4],
    )
    write_samples(four, place / "four digits" / "test.npz")
    record = audited(place / "four", "--norm linf --eps 0.03,0.05", str(place / "four digits"))
    assert set(record["budgets"][0]["attacks"]) == GENERAL | {"coordinate", "corners"}
    assert record["budgets"][0]["attacks"]["apgd-targeted"]["config"]["rivals"] == 9  # at most: there are three
    assert failed(record) == []


def test_a_discrete_threat_is_respected_and_decided_exactly(place):
    record = audited(place / "discrete", "phishing-angle")
    threat = recipes.get("phishing-angle").threat
    assert record["threat"] == json.loads(json.dumps(threat.to_json()))
    x = load_file(place / "discrete" / "tensors" / "inputs.safetensors")["x"]
    mask = torch.tensor(threat.mask)
    assert not mask.all()
    for path in sorted((place / "discrete" / "adversarials").glob("*.safetensors")):
        z = load_file(path)["x_adv"]
        assert torch.equal(z[:, ~mask], x[:, ~mask])
        assert ((z != x).sum(dim=1) <= threat.eps[int(path.stem[-1])]).all()
        for group in threat.groups:
            assert torch.isin(z[:, group.features[0]], torch.tensor(group.values, dtype=z.dtype)).all()
    for budget in record["budgets"]:
        # Every admissible point was tried, so nothing else can find more.
        assert budget["attacks"]["exhaustive"]["robust_accuracy"] == budget["worst_case"]
    assert record["budgets"][-1]["worst_case"]["value"] < record["clean_accuracy"]["value"]
    assert failed(record) == []


@pytest.mark.usefixtures("without_page")
def test_two_runs_are_compared_sample_by_sample(place):
    for name in ("cancer-angle", "cancer-angle-classical"):
        printed_json(f"audit {name} --quick --samples 40", "--out", str(place / name))
    record = printed_json("compare", str(place / "cancer-angle"), str(place / "cancer-angle-classical"))
    assert (record["samples"], record["reliable"]) == (40, True)
    for index, budget in enumerate(record["budgets"]):
        pair, (a, b) = (
            budget["worst_case"],
            (
                standing(place / name, index, set(budget["attacks"]))
                for name in ("cancer-angle", "cancer-angle-classical")
            ),
        )
        assert pair["only_first"] - pair["only_second"] == a - b
        assert pair["difference"] == pytest.approx((a - b) / 40)
        assert pair["low"] <= pair["difference"] <= pair["high"]


@pytest.mark.long
def test_an_exported_set_breaks_the_model_again_and_tests_another_one(ten_classes, place):
    run, record = ten_classes
    card = printed_json("export-adversarials", str(run), "--out", str(place / "set"), allowed=(0, 1))
    correct = round(N * record["clean_accuracy"]["value"])
    worst = [round(N * budget["worst_case"]["value"]) for budget in record["budgets"]]
    assert card["broken"] == [correct - left for left in worst]
    model, other = (recipes.get(name).model() for name in ("digits-reuploading", "digits-reuploading-classical"))
    for eps, broken in zip(card["eps"], card["broken"], strict=True):
        test = load_adversarials(place / "set", eps=eps).test
        assert len(test) == broken
        assert (margins(model, test.x, test.y) <= 0).all()
        assert other.bounds.contains(test.x).all()
    clean = load_adversarials(place / "set", "clean", eps=0.2).test
    assert (margins(model, clean.x, clean.y) > 0).all()
    # Points made for one model carry over to another in part.
    assert 0.0 < (margins(other, test.x, test.y) <= 0).double().mean() < 1.0


@pytest.mark.parametrize("name", ["digits-amplitude", "digits-reuploading", "digits-hybrid"])
def test_verdicts_do_not_depend_on_the_batch(name):
    recipe = recipes.get(name)
    model, test = recipe.model(), recipe.dataset().test
    x, y = test.x[:40], test.y[:40]
    for attack in (cs.attacks.APGD(steps=20, restarts=2, precision="float32"), cs.attacks.FMN(steps=30, restarts=1)):
        result = attack(model, x, y, recipe.threat)
        assert 0 < int(result.success.sum()) < result.success.numel()
        for z, budget in zip(result.x_adv, result.budgets, strict=True):
            whole = margins(model, z, y) <= 0
            assert torch.equal(whole & result.correct, budget.success)
            for size in (1, 7):
                parts = [margins(model, *part) <= 0 for part in zip(z.split(size), y.split(size), strict=True)]
                assert torch.equal(torch.cat(parts), whole)


def test_attacks_are_listed_with_what_they_need():
    rows = {row["name"]: row for row in printed_json("list attacks") if row["where"] == "features"}
    assert set(rows) >= GENERAL | {"ddn", "coordinate", "corners", "exhaustive", "greedy", "exact"}
    for row in rows.values():
        assert row["norms"]
        assert set(row["norms"]) <= {"linf", "l2", "l1", "l0"}
        assert row["knowledge"] in ("white", "black", "decision", "transfer")
        assert set(row["requires"]) <= {"gradient", "effective_observables"}
        # Who sees scores or labels alone asks for nothing else.
        assert row["knowledge"] == "white" or row["requires"] == []
    assert rows["hopskipjump"]["knowledge"] == "decision"
    assert rows["fmn"]["norms"] == ["linf", "l2", "l1", "l0"]
    assert rows["exact"]["requires"] == ["effective_observables"]
