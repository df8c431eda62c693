"""The benchmark of cross-entropy attacks: its counting on known verdicts, its readouts, and the page it feeds."""

import re
from pathlib import Path

import pytest
import torch

from benchmarks.ce_overstatement import ATTACKS, Truth, exact_truth, summary, table
from benchmarks.ce_overstatement_figure import draw, points
from benchmarks.ce_overstatement_subjects import Case, LogLink, committed, measured_values, trained
from counterspin.attacks import CrossEntropy
from counterspin.circuits import OutcomeGroups, Scale, amplitude_encoding
from counterspin.models import QuantumClassifier
from counterspin.threats import L2
from counterspin.types import Box

PAGE = Path(__file__).parents[2] / "docs" / "certificates.md"


def first(count, samples=10):
    """The first samples are chosen."""
    return torch.arange(samples) < count


@pytest.fixture
def model():
    """Outcome 0 against outcome 1 of one qubit: label 0 while |x_0| > |x_1|, outcome probabilities x² / ‖x‖²."""
    bit = OutcomeGroups((0,), ((0,), (1,)))
    scaled = QuantumClassifier(amplitude_encoding(2), bit, Box.uniform(0, 9, features=2), head=Scale(torch.tensor(7.0)))
    return scaled.requires_grad_(False)


@pytest.fixture
def case(model):
    x = torch.ones(10, 2, dtype=torch.float64)
    y = torch.zeros(10, dtype=torch.long)
    return Case(part="same weights", subject="a model", seed=0, x=x, y=y, readouts={"own": model})


@pytest.fixture
def rows(case):
    # Nine of ten are correct, four of them stand by proof; each attack leaves some of the other five.
    everyone = torch.ones(10, dtype=torch.bool)
    truth = Truth(eps=0.1, correct=first(9), standing=first(4), decided=everyone)
    left = {"pgd-ce × 1": 8, "pgd-ce × 10": 7, "apgd-ce × 1": 6, "pgd-margin × 1": 5, "pgd-margin × 10": 4}
    return summary(case, "own", truth, {name: first(9) & ~first(count) for name, count in left.items()})


def test_the_budget_is_the_median_radius_of_the_correct_samples_as_a_share_of_their_norm(model):
    # At the angle t of the first axis the nearest tie is at the angle 45°: the radius is sin(45° - t), whatever ‖x‖.
    degrees = torch.tensor([5.0, 15.0, 25.0, 35.0, 60.0], dtype=torch.float64)
    sizes = torch.tensor([1.0, 3.0, 0.5, 2.0, 1.0], dtype=torch.float64)
    angles = torch.deg2rad(degrees)
    x = sizes[:, None] * torch.stack([angles.cos(), angles.sin()], dim=1)
    truth = exact_truth(model, x, torch.zeros(5, dtype=torch.long))
    middle = torch.deg2rad(torch.tensor([30.0, 20.0], dtype=torch.float64)).sin().mean()
    assert truth.eps == pytest.approx(float(middle), abs=1e-9)
    assert truth.correct.tolist() == [True, True, True, True, False]
    assert truth.standing.tolist() == [True, True, False, False, False]
    assert bool(truth.decided.all())


def test_an_odd_number_of_radii_has_no_sample_at_the_budget(model):
    angles = torch.deg2rad(torch.tensor([5.0, 15.0, 25.0], dtype=torch.float64))
    truth = exact_truth(model, torch.stack([angles.cos(), angles.sin()], dim=1), torch.zeros(3, dtype=torch.long))
    assert truth.standing.tolist() == [True, True, False]
    assert bool(truth.decided.all())


def test_the_over_statement_is_what_stands_without_proof(rows):
    ce, _, apgd, margin, last = rows
    assert [row["robust_accuracy"] for row in rows] == [0.8, 0.7, 0.6, 0.5, 0.4]
    assert [row["overstatement"] for row in rows] == [0.4, 0.3, 0.2, 0.1, 0.0]
    assert (ce["clean_accuracy"], ce["exact_robust_accuracy"]) == (0.9, 0.4)
    # Clopper–Pearson of 4 in 10 and of 0 in 10, as tabled.
    assert (ce["overstatement_low"], ce["overstatement_high"]) == pytest.approx((0.1216, 0.7376), abs=1e-4)
    assert last["overstatement_high"] == pytest.approx(1 - 0.025**0.1)
    assert (ce["only_this_broke"], ce["only_margin_broke"]) == (0, 3)
    assert ce["p_value"] == pytest.approx(0.25)
    assert (apgd["only_margin_broke"], margin["p_value"]) == (1, None)
    assert not any(row["broken_against_proof"] or row["undecided"] for row in rows)


def test_ten_starts_are_compared_with_ten_starts(rows):
    ten = rows[1]
    assert (ten["restarts"], ten["only_margin_broke"]) == (10, 3)
    assert [attack.restarts for attack in ATTACKS.values()] == [1, 10, 1, 1, 10]


def test_a_sample_broken_against_its_proof_is_counted(case):
    truth = Truth(eps=0.1, correct=first(9), standing=first(4), decided=first(8))
    broken = {name: ~first(3) & first(9) for name in ATTACKS}
    row = summary(case, "own", truth, broken)[0]
    assert (row["broken_against_proof"], row["undecided"]) == (1, 2)


def test_a_log_link_makes_cross_entropy_the_logarithm_of_the_share(model):
    bare = measured_values(model)
    x = torch.tensor([[2.0, 1.0]], dtype=torch.float64)
    read = LogLink(bare)
    loss = CrossEntropy()(read(x), torch.tensor([0]), outputs=read.outputs)
    assert float(loss) == pytest.approx(-torch.tensor(0.8).log().item(), rel=1e-6)
    assert (read.classes, read.bounds.features) == (2, 2)


def test_measured_values_take_the_scale_they_are_given(model):
    x = torch.tensor([[2.0, 1.0]], dtype=torch.float64)
    assert measured_values(model)(x)[0].tolist() == pytest.approx([0.8, 0.2])
    assert measured_values(model, scale=3.0)(x)[0].tolist() == pytest.approx([2.4, 0.6])
    assert model(x)[0].tolist() == pytest.approx([5.6, 1.4])


def test_points_of_one_seed_have_its_interval_and_of_several_their_range(rows):
    one = points(rows)
    assert len(one) == 4  # the margin with ten starts is in the table alone
    assert (one[0]["value"], one[0]["low"]) == pytest.approx((40.0, 100 * rows[0]["overstatement_low"]))
    assert one[0]["panel"] == "The weights of a model, read in four ways"
    seeds = [row | {"part": "trained", "seed": k, "overstatement": 0.1 * k} for k in (1, 2, 6) for row in rows[:1]]
    (several,) = points(seeds)
    assert [several[name] for name in ("low", "value", "high")] == pytest.approx([10.0, 30.0, 60.0])


def test_the_table_has_a_line_per_readout_with_every_attack(rows):
    shown = table([*rows, *(row | {"seed": 1} for row in rows)])
    cells = {column.header: list(column.cells) for column in shown.columns}
    assert cells["seed"] == ["0", "1"]
    assert cells["pgd-ce × 1"][0] == "40.0 [12.2, 73.8]"
    assert cells["pgd-margin × 10"][0] == "0.0 [0.0, 30.8]"
    assert (cells["exact robust"][0], cells["p value"][0]) == ("40.0", "0.25")


@pytest.mark.slow
def test_the_figure_is_written_as_svg_and_png(rows, tmp_path):
    svg, png = draw([*rows, *(row | {"part": "trained"} for row in rows)], tmp_path)
    assert png.read_bytes().startswith(b"\x89PNG")
    text = svg.read_text()
    for words in (
        "points too high",
        "cross-entropy, 10 starts",
        "The circuit of a model, trained through each readout",
    ):
        assert words in text


@pytest.mark.slow
def test_readouts_of_one_case_decide_alike_and_have_equal_radii():
    for found in (committed("digits-amplitude", 40), *trained(seed=0, quick=True)):
        decisions = [model(found.x).argmax(dim=1) for model in found.readouts.values()]
        assert all(torch.equal(decisions[0], other) for other in decisions)
        frozen = [model for model in found.readouts.values() if isinstance(model, QuantumClassifier)]
        truths = [exact_truth(model, found.x[:20], found.y[:20]) for model in frozen]
        assert [truth.eps for truth in truths] == pytest.approx([truths[0].eps] * len(truths), rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("read", ["log p", "softmax of 99 p (own T)"])
def test_the_page_states_what_is_measured(read):
    found = committed("digits-amplitude")
    truth = exact_truth(found.readouts["softmax of p"], found.x, found.y)
    broken = {}
    threat = L2(truth.eps, units="relative", box="none")
    for name in ("pgd-ce × 1", "pgd-margin × 1"):
        generator = torch.Generator().manual_seed(0)
        broken[name] = ATTACKS[name](found.readouts[read], found.x, found.y, threat, generator=generator).success[0]
    measured = {row["attack"]: 100 * row["overstatement"] for row in summary(found, read, truth, broken)}
    cells = re.search(rf"^\| `digits-amplitude` \| {re.escape(read)} \|(.+)\|$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert cells is not None
    stated = [float(cell.split()[0]) for cell in cells[1].split("|")]
    # Two samples of 360 may fall the other way with another order of summation.
    assert stated[0] == pytest.approx(measured["pgd-ce × 1"], abs=0.6)
    assert stated[3] == pytest.approx(measured["pgd-margin × 1"], abs=0.6)
