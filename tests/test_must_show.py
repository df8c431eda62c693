"""The promises of the first audit, kept by its command on real data, end to end."""

import hashlib
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import torch
from command_line import counterspin, standing
from safetensors.torch import load_file
from torch import Tensor

from counterspin import recipes

pytestmark = [pytest.mark.slow, pytest.mark.long]

COMMAND = "audit digits-amplitude --norm l2 --units relative --box none --eps 0.05,0.1,0.15 --samples 200 --json"
SCHEMA = Path(__file__).parents[1] / "schemas" / "audit-1.json"


def files(directory: Path) -> dict[str, tuple[int, str]]:
    """Time of change and content of every file."""
    return {
        str(path.relative_to(directory)): (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in directory.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, dict[str, Any]]:
    """The run directory of the command, what it printed, and that as a record."""
    out = tmp_path_factory.mktemp("must-show") / "run"
    printed = counterspin(COMMAND, "--out", str(out))
    return out, printed, json.loads(printed)


def test_one_json_object_that_the_published_schema_describes(run):
    _, printed, record = run
    assert printed.count("\n") == 1
    jsonschema.validate(record, json.loads(SCHEMA.read_text()))
    assert record["schema"] == 1
    assert [budget["eps"] for budget in record["budgets"]] == [0.05, 0.1, 0.15]
    assert record["clean_accuracy"]["n"] == 200
    assert {"norm": "l2", "box": "none", "units": "relative"}.items() <= record["threat"].items()
    assert record["sanity"]["verdict"] != "fail"


def test_certified_is_exact_and_no_attack_is_below_it(run):
    _, _, record = run
    for budget in record["budgets"]:
        exact, certified = budget["exact"], budget["certified"]
        assert exact["lower"] == exact["upper"] == certified
        assert exact["decided"]["value"] == 1.0
        assert certified["value"] <= budget["worst_case"]["value"] <= budget["worst_case_gradient"]["value"]
        for attack in budget["attacks"].values():
            assert budget["worst_case"]["value"] <= attack["robust_accuracy"]["value"]
    values = [budget["exact"]["lower"]["value"] for budget in record["budgets"]]
    assert 1.0 > values[0] > values[1] > values[2] >= 0.0


def test_gradient_attacks_end_at_most_four_points_above_exact_at_the_median_radius(run):
    _, _, record = run
    budget = min(record["budgets"], key=lambda b: abs(b["eps"] - record["median_radius"]["value"]))
    assert budget["worst_case_gradient"]["value"] - budget["exact"]["upper"]["value"] <= 0.04
    assert budget["attacks"]["apgd-margin"]["config"]["steps"] >= 40
    assert budget["attacks"]["apgd-margin"]["config"]["restarts"] >= 1


def test_the_stored_rows_reproduce_each_number(run):
    out, _, record = run
    for index, budget in enumerate(record["budgets"]):
        names = set(budget["attacks"])
        gradient = {name for name, attack in budget["attacks"].items() if "gradient" in attack["config"]}
        assert gradient == names - {"random", "square", "exact"}
        assert standing(out, index, names) == round(200 * budget["worst_case"]["value"])
        assert standing(out, index, gradient) == round(200 * budget["worst_case_gradient"]["value"])
        for name, attack in budget["attacks"].items():
            left = standing(out, index, {name})
            assert left == round(200 * attack["robust_accuracy"]["value"])
            correct = standing(out, index, set())
            assert (correct - left) / correct == pytest.approx(attack["attack_success_rate"]["value"], abs=1e-12)


def test_no_stored_point_lies_inside_a_certified_radius_and_breaks_its_sample(run):
    out, _, record = run
    model = recipes.get("digits-amplitude").model()
    inputs = load_file(out / "tensors" / "inputs.safetensors")
    x, y = inputs["x"], inputs["y"]
    radius = load_file(out / "tensors" / "certificate-exact-l2.safetensors")["radius_lower"]
    for path in sorted((out / "adversarials").glob("*.safetensors")):
        z = load_file(path)["x_adv"]
        eps = record["budgets"][int(path.stem[-1])]["eps"]
        norm, distance = (torch.linalg.vector_norm(v, dim=1) for v in (x, z - x))
        assert bool((distance <= eps * norm * (1 + 1e-12)).all())
        inside = distance < radius * (1 - 1e-9)
        assert not bool((inside & broken(model(z), y)).any())


def broken(scores: Tensor, y: Tensor) -> Tensor:
    others = scores.scatter(1, y[:, None], -torch.inf).amax(dim=1)
    return scores.gather(1, y[:, None])[:, 0] <= others


def test_the_same_command_again_recomputes_nothing_and_prints_the_same(run):
    out, printed, _ = run
    before = files(out)
    assert counterspin(COMMAND, "--out", str(out)) == printed
    assert files(out) == before


def test_the_default_box_is_settled_exactly_too(tmp_path):
    out = tmp_path / "run"
    record = json.loads(counterspin("audit digits-amplitude --quick --samples 100 --json", "--out", str(out)))
    assert record["threat"]["box"] == "data"
    for budget in record["budgets"]:
        assert "exact-boxed" in budget["attacks"]
        assert "exact" not in budget["attacks"]
        assert budget["exact"]["decided"]["value"] == 1.0
        assert budget["certified"] == budget["exact"]["upper"] == budget["worst_case"]
    assert record["budgets"][0]["certified"]["value"] > 0.5
    box = recipes.get("digits-amplitude").model().bounds
    for path in (out / "adversarials").glob("*.safetensors"):
        assert bool(box.contains(load_file(path)["x_adv"]).all())
