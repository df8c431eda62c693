"""What the documentation states as figures and files is what the package holds."""

import re
from pathlib import Path

import pytest

from counterspin import recipes

DOCS = Path(__file__).parents[1] / "docs"


def rows() -> dict[str, list[str]]:
    lines = re.findall(r"^\| `([^`]+)` \|(.+)\|$", (DOCS / "recipes.md").read_text(encoding="utf-8"), re.MULTILINE)
    return {name: [cell.strip() for cell in cells.split("|")] for name, cells in lines}


def test_every_recipe_is_in_the_table() -> None:
    assert tuple(rows()) == recipes.names()


@pytest.mark.parametrize("name", recipes.names())
def test_figures_of_the_table_are_those_of_the_card(name: str) -> None:
    recipe, card = recipes.get(name), recipes.get(name).card()
    *seeds, mean, bar, scales, threat = rows()[name]
    assert seeds == [f"{100 * run['test_accuracy']:.2f}" for run in card["seeds"]]
    assert mean == f"{100 * card['mean_test_accuracy']:.2f}"
    assert bar == ("–" if recipe.bar is None else f"{100 * recipe.bar:g}")
    learned = [f"{run['logit_scale']:.4g}" for run in card["seeds"] if run["logit_scale"] is not None]
    assert [float(scale) for scale in scales.split(", ") if scale != "–"] == [float(scale) for scale in learned]
    norm = {"l2": "L2", "linf": "L∞", "l0": "L0"}[recipe.threat.norm]
    unit = " of ‖x‖" if recipe.threat.units == "relative" else ""
    box = ", no box" if recipe.threat.box == "none" else ""
    assert threat == f"{norm} {', '.join(f'{eps:g}' for eps in recipe.threat.eps)}{unit}{box}"


def test_how_many_twins_are_at_least_as_accurate() -> None:
    means = {name: recipes.get(name).card()["mean_test_accuracy"] for name in recipes.names()}
    twins = [name for name in means if name.endswith("-classical")]
    assert len(twins) == 9
    assert sum(means[twin] >= means[twin.removesuffix("-classical")] for twin in twins) == 4
