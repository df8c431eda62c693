"""The attack benchmark: its arithmetic on known verdicts, and its parts on few samples."""

from dataclasses import replace

import pytest
import torch

from benchmarks import attacks_coordinate, attacks_losses, attacks_restarts, attacks_times
from benchmarks.attacks import table
from benchmarks.attacks_figure import by_loss, by_restarts, draw
from benchmarks.attacks_subjects import Subject, four_digits, without_head
from counterspin.attacks import APGD, Margin
from counterspin.recipes import get
from counterspin.threats import Linf


def mask(*counts, samples=10):
    """For each count a row whose first so many samples stand."""
    return torch.stack([torch.arange(samples) < count for count in counts])


@pytest.fixture
def subject():
    model = get("cancer-angle").model()
    x = torch.rand(10, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = model(x).argmax(dim=1)
    return Subject(name="cancer", readout="linear head", model=model, x=x, y=y, threat=Linf(0.05, 0.1))


@pytest.fixture
def restarts_rows():
    found = []
    for eps in (0.03, 0.05, 0.1):
        standing = {1: mask(8, 8), 5: mask(6, 7)}
        found += attacks_restarts.summary(eps, standing, {1: 80.0, 5: 400.0})
    return found


@pytest.fixture
def losses_rows(subject):
    broken = {"apgd-ce": mask(2)[0], "apgd-margin": mask(5)[0], "apgd-targeted": ~mask(4)[0]}
    correct = torch.ones(10, dtype=torch.bool)
    return [row for k in (0, 1) for row in attacks_losses.summary(subject, k, correct, broken)]


def test_what_restarts_gain_is_paired_by_sample_and_averaged_over_seeds(restarts_rows):
    one, five = restarts_rows[:2]
    assert (one["robust_accuracy"], one["gained"], one["gained_high"]) == (0.8, 0.0, 0.0)
    assert five["robust_accuracy"] == pytest.approx(0.65)
    assert (five["lowest_seed"], five["highest_seed"]) == (0.6, 0.7)
    # Two samples of ten fall, one of them in one seed only: the mean of 8 zeros, a half and a one.
    assert five["gained"] == pytest.approx(0.15)
    assert 0.0 <= five["gained_low"] < 0.15 < five["gained_high"] <= 0.5
    assert (five["samples"], five["seeds"], five["gradients_per_sample"]) == (10, 2, 400.0)


@pytest.mark.slow
def test_more_restarts_from_one_seed_lose_nothing(subject):
    standing = {r: attacks_restarts.measure(subject, 0.1, r, seeds=2)[0] for r in (1, 3)}
    assert not (standing[3] & ~standing[1]).any()
    assert standing[1].shape == (2, 10)


def test_losses_are_compared_with_the_margin_on_the_same_samples(losses_rows):
    ce, margin, targeted = losses_rows[:3]
    assert (ce["robust_accuracy"], margin["robust_accuracy"], targeted["robust_accuracy"]) == (0.8, 0.5, 0.4)
    assert (ce["only_this_broke"], ce["only_margin_broke"]) == (0, 3)
    assert ce["p_value"] == pytest.approx(0.25)  # 2 · 2^-3
    assert (targeted["only_this_broke"], targeted["only_margin_broke"]) == (5, 4)
    assert margin["p_value"] is None
    assert losses_rows[3]["eps"] == 0.1
    assert ce["outputs"] == "logits"


@pytest.mark.parametrize("classes", [2, 4, 10])
def test_every_loss_has_as_many_starts(classes):
    ce, margin, targeted = attacks_losses.contenders(classes)
    assert ce.restarts == margin.restarts == targeted.restarts * min(targeted.rivals, classes - 1)
    assert ce.steps == margin.steps == targeted.steps
    assert [attack.name for attack in (ce, margin, targeted)] == ["apgd-ce", "apgd-margin", "apgd-targeted"]


@pytest.mark.slow
def test_gradients_count_as_shifted_circuits_on_a_device(subject):
    shifted = attacks_coordinate.circuits_per_gradient(subject)
    # Two circuits for each of the 4 uploads of 4 features, and the scores.
    assert shifted == 1 + 2 * 16
    alone = replace(subject, threat=Linf(0.1))
    results = {
        attack.name: attack(alone.model, alone.x, alone.y, alone.threat)
        for attack in (APGD(steps=5, restarts=2, loss=Margin()), attacks_coordinate.ATTACKS[1])
    }
    apgd, coordinate = attacks_coordinate.summary(alone, results, shifted)
    assert apgd["circuits_on_a_device"] > 10 * apgd["forwards_per_sample"]
    assert coordinate["circuits_on_a_device"] == coordinate["forwards_per_sample"]
    assert coordinate["gradients_per_sample"] == 0.0
    assert apgd["exact_lines"] is None
    assert coordinate["exact_lines"] is False  # four uploads with scales of their own: too many frequencies
    assert (apgd["only_this_broke"], apgd["only_apgd_broke"]) == (0, 0)


def test_an_audit_that_is_late_or_ends_in_an_error_is_missed():
    row = {"seconds": 20.0, "target_seconds": 15.0, "exit_code": 0}
    assert attacks_times.missed([row]) == 1
    assert attacks_times.missed([row | {"target_seconds": None}, row | {"seconds": 14.0, "exit_code": 1}]) == 0
    assert attacks_times.missed([row | {"seconds": 14.0, "exit_code": 3}]) == 1


def test_the_figure_takes_the_budget_at_which_losses_differ_most(losses_rows, restarts_rows):
    for row in losses_rows[3:]:
        row["robust_accuracy"] = 0.5
    points = by_loss([*losses_rows, *restarts_rows])
    assert {point["case"] for point in points} == {"cancer: linear head, ε = 0.05"}
    assert [point["loss"] for point in points] == ["cross-entropy", "margin", "one rival after another"]
    assert [point["value"] for point in points] == [0.8, 0.5, 0.4]
    assert [point["restarts"] for point in by_restarts([*losses_rows, *restarts_rows])] == [1, 5] * 3


def test_tables_show_shares_with_their_intervals(losses_rows, restarts_rows):
    shown = table("restarts", restarts_rows)
    cells = {column.header: list(column.cells) for column in shown.columns}
    assert cells["robust accuracy"][0].startswith("80.0 [")
    assert cells["gained"][0] == "0.0 [0.0, 0.0]"
    cells = {column.header: list(column.cells) for column in table("losses", losses_rows).columns}
    assert cells["p value"][:2] == ["0.25", "–"]
    assert cells["subject"][0] == "cancer"


@pytest.mark.slow
def test_the_figure_is_written_as_svg_and_png(losses_rows, restarts_rows, tmp_path):
    svg, png = draw([*losses_rows, *restarts_rows], tmp_path)
    assert png.read_bytes().startswith(b"\x89PNG")
    text = svg.read_text()
    for words in ("What restarts buy", "starts per sample", "ε = 0.03", "cross-entropy", "cancer: linear head"):
        assert words in text


@pytest.mark.slow
def test_small_models_stand_for_the_readouts_no_recipe_has():
    logits, probabilities = four_digits(), four_digits("probabilities")
    bare = without_head(logits, "4 expectations")
    assert [s.model.outputs for s in (logits, probabilities, bare)] == ["logits", "probabilities", "expectations"]
    assert torch.equal(bare.model(bare.x).argmax(dim=1), logits.model(logits.x).argmax(dim=1))
    for subject in (logits, probabilities):
        assert (subject.model(subject.x).argmax(dim=1) == subject.y).double().mean() > 0.8
        assert set(subject.y.tolist()) == {0, 1, 2, 3}


@pytest.mark.slow
def test_a_short_audit_is_timed():
    (row,) = attacks_times.rows(quick=True)
    assert row["exit_code"] in (0, 1)
    assert 0.0 < row["attack_seconds"] < row["audit_seconds"] < row["seconds"]
    assert row["processor_seconds"] > 0.0
    assert row["target_seconds"] is None
