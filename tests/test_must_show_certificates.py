"""The promises of the certificates, kept by the command on every recipe."""

import json
from pathlib import Path

import jsonschema
import pytest
import torch
from command_line import printed_json

import counterspin as cs
from counterspin import recipes

pytestmark = pytest.mark.slow

SCHEMA = json.loads((Path(__file__).parents[1] / "schemas" / "certify-1.json").read_text())
THREATS = {
    "l2": cs.L2(0.05, 0.2),
    "l2-unboxed": cs.L2(0.05, 0.2, box="none"),
    "linf": cs.Linf(0.01, 0.05),
}


def certified(tmp_path, command):
    record = printed_json(f"certify {command}", "--out", str(tmp_path / "run"))
    jsonschema.validate(record, SCHEMA)
    assert record["violations"] == []
    for budget in record["budgets"]:
        low, high = budget["exact"]["lower"], budget["exact"]["upper"]
        assert budget["certified"] == low
        assert low["value"] <= high["value"] == budget["upper"]["value"] <= record["clean_accuracy"]["value"]
    return record


def test_boxed_l2_settles_nine_of_ten_images(tmp_path):
    record = certified(tmp_path, "mnist-amplitude --norm l2 --eps 0.25,0.5,0.75 --samples 60")
    assert record["methods"]["boxed-l2"]["exact_share"] >= 0.9
    assert all(budget["exact"]["decided"]["value"] >= 0.9 for budget in record["budgets"])
    # The box takes nearer flips away from the attacker: the unboxed radius alone proves less.
    alone = record["methods"]["exact-l2"]["certified"]
    assert alone[0]["value"] < record["budgets"][0]["certified"]["value"]


@pytest.mark.long
def test_linf_on_images_is_nearly_decided(tmp_path):
    record = certified(tmp_path, "mnist-amplitude --norm linf --eps 0.02,0.05,0.1 --samples 60")
    assert all(budget["exact"]["decided"]["value"] >= 0.9 for budget in record["budgets"])
    assert record["methods"]["quadratic-linf"]["tightness"] >= 0.98


def test_few_angles_are_decided(tmp_path):
    record = certified(tmp_path, "cancer-angle --samples 40")
    assert all(budget["exact"]["decided"]["value"] == 1.0 for budget in record["budgets"])
    assert record["methods"]["branch-and-bound"]["tightness"] >= 1 - 1e-4


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.long) if name.startswith("mnist") else name
        for name in recipes.names()
        if not name.endswith("-classical")
    ],
)
def test_certified_exact_attacked_on_every_recipe(name):
    recipe = recipes.get(name)
    model, test = recipe.model(), recipe.dataset().test
    x, y = test.x[:6], test.y[:6]
    served = 0
    for threat in (recipe.threat, *THREATS.values()):
        try:
            proof = cs.certify(model, x, y, threat)
        except cs.CounterspinError as reason:
            assert "no certificate holds" in str(reason)  # noqa: PT017
            continue
        served += 1
        assert proof.record.violations == []
        assert bool((proof.radius <= proof.upper * (1 + 1e-9)).all())
        settled = proof.exact & torch.isfinite(proof.upper) & (proof.upper > 0)
        assert bool((proof.radius[settled] >= proof.upper[settled] * (1 - 2e-6)).all())
    assert served >= 3
