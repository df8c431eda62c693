"""The exact-margin study: its arithmetic on known figures, what may choose what, and cells that are made once."""

import json
import math
from dataclasses import replace

import pytest
import torch

from benchmarks import exact_margin, exact_margin_cells
from benchmarks.exact_margin_cells import EXACT, Study, Training, at_depth, ceiling, chosen
from benchmarks.outcome import Options
from counterspin import recipes
from counterspin.datasets import Dataset, Split
from counterspin.training import TrainingSettings
from counterspin.types import Box

RECIPE = recipes.get("digits-amplitude")


@pytest.fixture
def study(tmp_path):
    settings = TrainingSettings(epochs=1, batch_size=512)
    extra = replace(settings, learning_rate=0.01)
    return Study(folder=tmp_path, recipe=RECIPE, settings=settings, candidate=settings, extra=extra)


def figures(at_0_1, median, **others):
    return {EXACT[0]: at_0_1, EXACT[1]: 0.5, "median_radius": median, "clean": 0.9, **others}


def test_the_share_at_the_first_radius_chooses_and_the_median_breaks_ties():
    candidates = [Training(defense="pgd-at", scale=scale) for scale in (1.0, 2.0, 3.0)]
    found = [figures(0.7, 0.12), figures(0.8, 0.11), figures(0.8, 0.13)]
    assert chosen(candidates, found).scale == 3.0
    assert chosen(candidates[:2], found[:2]).scale == 2.0


def test_trainings_that_differ_have_cells_of_their_own():
    first = Training(defense="pgd-at:eps=0.1", scale=20.0)
    others = [
        replace(first, defense="pgd-at:eps=0.15"),
        replace(first, scale=40.0),
        replace(first, scale=None),
        replace(first, box=False),
        replace(first, layers=4),
        replace(first, after=first),
    ]
    names = {training.name for training in (first, *others)}
    assert len(names) == 7
    assert not any(":" in name or "/" in name for name in names)


def test_gains_are_paired_by_seed_with_an_interval_of_students_t():
    def cell(clean, exact):
        return {"seconds": 1.0, "training_exact_0.1": 0.9} | figures(exact, 0.1) | {"clean": clean}

    mine = [cell(0.95, 0.72), cell(0.94, 0.76), cell(0.96, 0.74)]
    reference = [cell(0.94, 0.70), cell(0.95, 0.75), cell(0.95, 0.71)]
    row = exact_margin._row("mine", mine, reference)
    assert row["exact_0.1"] == pytest.approx(0.74)
    # Differences 0.02, 0.01, 0.03: their mean is 0.02, their deviation 0.01; t of 97.5 % with two degrees is 4.3027.
    assert row["exact_0.1_gain"] == pytest.approx(0.02)
    assert row["exact_0.1_half_width"] == pytest.approx(4.3027 * 0.01 / math.sqrt(3), rel=1e-4)
    assert row["clean_gain"] == pytest.approx(0.01 / 3)
    assert exact_margin._text(row, "exact_0.1") == "74.0 (+2.0 ± 2.5)"
    alone = exact_margin._row("mine", mine[:1], reference[:1])
    assert alone["exact_0.1_half_width"] is None
    assert exact_margin._text(alone, "exact_0.1") == "72.0"


def test_half_the_angle_to_another_class_is_all_the_room_there_is():
    def ray(degrees, length):
        return [length * math.cos(math.radians(degrees)), length * math.sin(math.radians(degrees))]

    def split(points, labels):
        return Split(torch.tensor(points, dtype=torch.float64).reshape(-1, 2), torch.tensor(labels, dtype=torch.int64))

    dataset = Dataset(
        name="rays",
        train=split([ray(0, 1), ray(40, 0.5)], [0, 1]),
        validation=split([ray(30, 1)], [1]),
        # 18 degrees from the nearest of the other class; 10 degrees.
        test=split([ray(12, 0.3), ray(20, 1)], [0, 0]),
        bounds=Box.uniform(0.0, 1.0, features=2),
        class_names=("a", "b"),
        feature_names=("u", "v"),
        source="made here",
        licence="none",
    )
    room = ceiling(dataset)
    # sin 9° = 0.156 and sin 5° = 0.087.
    assert (room["exact_0.1"], room["exact_0.15"]) == (0.5, 0.5)
    assert room["median_radius"] == pytest.approx(math.sin(math.radians(5)))


@pytest.mark.parametrize("scale", [20.0])
def test_the_circuit_of_the_depth_study_is_the_recipes_at_its_depth(scale):
    ours = at_depth(exact_margin._DEPTH, torch.Generator().manual_seed(3), scale)
    theirs = RECIPE.architecture(torch.Generator().manual_seed(3), scale)
    x = RECIPE.dataset().test.x[:5].float()
    assert torch.equal(ours(x), theirs(x))
    shallow = at_depth(4, torch.Generator(), scale)
    angles = [sum(weight.numel() for weight in model.parameters()) for model in (shallow, ours)]
    assert angles == [4 * 18, 30 * 18]


@pytest.mark.slow
def test_choosing_trains_and_judges_without_the_samples_of_the_test(study, monkeypatch):
    seen = []

    def judged(model, split):
        seen.append(split)
        return figures(0.5, 0.1)

    monkeypatch.setattr(exact_margin_cells, "_judged", judged)
    fitted = []
    fit = exact_margin_cells.fit
    monkeypatch.setattr(
        exact_margin_cells, "fit", lambda *given, **named: fitted.append(len(given[2])) or fit(*given, **named)
    )
    dataset, training = RECIPE.dataset(1), Training(scale=20.0)
    study.figures(training, 1, choosing=True)
    assert fitted == [len(dataset.train)]
    assert torch.equal(seen[0].x, dataset.validation.x)
    study.figures(training, 1)
    assert fitted[1:] == [len(dataset.training_part)]
    assert torch.equal(seen[1].x, dataset.test.x)


@pytest.mark.slow
def test_a_cell_is_made_once_and_a_later_training_begins_with_its_weights(study, monkeypatch):
    first = Training(defense="pgd-at:eps=0.1", scale=20.0)
    after = replace(first, defense="exact-margin:warmup=0", after=first)
    study.figures(after, 0)
    made = {path.name for path in study.folder.iterdir()}
    assert made == {f"{training.name}-test-0.{end}" for training in (first, after) for end in ("json", "pt")}
    state = torch.load(study.folder / f"{first.name}-test-0.pt", weights_only=True)
    began = []

    def fit(model, *others, **named):
        began.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
        return original(model, *others, **named)

    original = exact_margin_cells.fit
    monkeypatch.setattr(exact_margin_cells, "fit", fit)
    before = study.figures(after, 0)
    assert began == []
    (study.folder / f"{after.name}-test-0.json").unlink()
    again = study.figures(after, 0)
    assert {k: v for k, v in again.items() if k != "seconds"} == {k: v for k, v in before.items() if k != "seconds"}
    assert all(torch.equal(began[0][name], tensor) for name, tensor in state.items())


@pytest.mark.slow
def test_a_seed_without_a_card_learns_its_scale_once(study, monkeypatch):
    class Learned:
        logit_scale = 77.0

    calls = []
    monkeypatch.setattr(
        exact_margin_cells, "train_recipe", lambda name, **named: calls.append((name, named["seed"])) or Learned()
    )
    assert study.recipe_scale(0) == RECIPE.card()["seeds"][0]["logit_scale"]
    assert (study.recipe_scale(9), study.recipe_scale(9)) == (77.0, 77.0)
    assert calls == [("digits-amplitude", 9)]


def test_the_study_has_its_rows_whatever_the_figures(monkeypatch, tmp_path):
    monkeypatch.setenv("SEEDS", "2")

    def made(self, training, seed, *, choosing=False):
        exact = 0.7 + 0.01 * seed + (0.02 if training.scale == 40.0 and "0.15" in training.defense else 0.0)
        return figures(exact, 0.1, seconds=2.0, note="", **({} if choosing else {"training_exact_0.1": 0.9}))

    monkeypatch.setattr(Study, "figures", made)
    outcome = exact_margin.run(Options(folder=tmp_path))
    rows = {row["row"]: row for row in outcome.rows}
    json.dumps(outcome.rows)
    assert (len(rows), outcome.missed, outcome.tables[0].row_count) == (18, 0, 18)
    tuned = rows["pgd-at, tuned"]
    assert tuned["trainings"] == ["pgd-at eps=0.15 T=40"] * 2
    assert (tuned["tuning_seconds"], tuned["exact_0.1_gain"]) == (12.0, 0.0)
    assert rows["exact-margin, tuned"]["trainings"] == ["exact-margin target=0.15 T=40"] * 2
    assert rows["none"]["exact_0.1_gain"] == pytest.approx(-0.02)
    assert [row.get("layers") for row in outcome.rows[-9:-1]] == [4, 4, 8, 8, 16, 16, 60, 60]
    assert all(row["seeds"] == 2 for row in outcome.rows[:-1])
