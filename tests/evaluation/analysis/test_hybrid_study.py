"""The hybrid study: distances of a model whose surfaces have closed forms, resuming, refusals, page and CSV files."""

import csv
import json
import math

import pytest
import torch

from counterspin.api.studying_surfaces import study_hybrid
from counterspin.circuits import Linear, PauliExpectations, angle_encoding
from counterspin.errors import CapabilityError, UsageError
from counterspin.evaluation.analysis.hybrid_findings import margin_lost
from counterspin.models import LogisticRegression, QuantumClassifier
from counterspin.threats import Linf
from counterspin.types import Box

pytestmark = pytest.mark.slow  # every surface is attacked

X = torch.tensor([[0.1], [0.25], [0.42], [0.47]], dtype=torch.float64)


@pytest.fixture(scope="module")
def cosine():
    """One qubit, RY(πx), logits ±⟨Z⟩ = ±cos(πx): the margin is 2 cos(πx), the boundary x = 1/2."""
    head = Linear(torch.tensor([[1.0], [-1.0]]), torch.zeros(2))
    model = QuantumClassifier(
        angle_encoding(1, axis="y", scale=math.pi),
        PauliExpectations.of("Z0"),
        Box.uniform(0.0, 1.0, features=1),
        head=head,
        trainable_head=False,
    )
    return model.requires_grad_(False).eval()


@pytest.fixture(scope="module")
def run(cosine, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "study"
    y = torch.zeros(4, dtype=torch.long)
    record = study_hybrid(
        cosine, X, y, Linf(0.05, 0.1), budget=0.05, budgets=(0.05, 0.5), steps=15, restarts=1, out=out
    )
    return record, out, y


def row(record, name):
    return next(row for row in record.tables["surfaces"] if row["surface"] == name)


def test_surfaces_of_a_cosine_have_their_closed_forms(run):
    record, _, _ = run
    clean = 2 * torch.cos(math.pi * X[:, 0])
    for name, moved in (
        ("features", 2 * torch.cos(math.pi * (X[:, 0] + 0.05))),  # 0.05 of the box
        ("gate angles", 2 * torch.cos(math.pi * X[:, 0] + 2 * math.pi * 0.05)),  # 0.05 of a turn
        ("readout", clean - 4 * 0.05),  # ⟨Z⟩ falls by 2t
    ):
        expected = float((clean - moved.clamp(min=0)).sum() / clean.sum())
        assert row(record, name)["margin_lost"]["value"] == pytest.approx(expected, rel=1e-3), name
    # Half of the samples: the mean of the two middle distances to x = 1/2, in boxes and in turns.
    middle = float((0.5 - X[1:3, 0]).mean())
    assert row(record, "features")["half_broken"]["value"] == pytest.approx(middle, rel=0.01)
    assert row(record, "gate angles")["half_broken"]["value"] == pytest.approx(middle / 2, rel=0.01)
    # To first order m / |dm/dx| = cos / (π sin).
    first = (1 / (math.pi * torch.tan(math.pi * X[:, 0]))).sort().values
    assert row(record, "features")["half_broken_first_order"] == pytest.approx(float(first[1]), rel=1e-6)
    # Where all is lost the interval of the ratio has no width.
    lost = row(record, "one gate")["margin_lost"]
    assert (lost["low"], lost["high"]) == pytest.approx((1.0, 1.0), abs=1e-12)
    # A dropped or flipped gate turns the state to where every sample is lost or a tie.
    assert row(record, "one gate")["accuracy"]["value"] == 0.0
    # At 0.05 and 0.1 one and two of the samples reach x = 1/2.
    assert [line["accuracy"]["value"] for line in record.tables["threat"]] == [0.75, 0.5]


def test_findings_say_what_was_expected_and_are_tested(run):
    record, _, _ = run
    about = {finding.about: finding for finding in record.findings}
    assert "gate angles" in about["most exposed surface"].expected + about["most exposed surface"].found
    assert all(finding.significant is not None for finding in record.findings)
    assert set(record.left_out) == {"classical front", "circuit inputs"}


def test_a_study_is_resumed_and_its_files_agree(cosine, run):
    record, out, y = run
    again = study_hybrid(cosine, X, y, Linf(0.05, 0.1), budget=0.05, budgets=(0.05, 0.5), steps=15, restarts=1, out=out)
    assert again == record
    assert json.loads((out / "study.json").read_text()) == record.to_json()
    with (out / "surfaces.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [line["surface"] for line in lines] == [row["surface"] for row in record.tables["surfaces"]]
    assert float(lines[0]["margin_lost.value"]) == record.tables["surfaces"][0]["margin_lost"]["value"]
    page = (out / "study.html").read_text()
    assert "where in a model a fixed budget hurts most" in page
    assert page.count("data-chart=") == 4


def test_margin_lost_is_at_most_all_of_it():
    clean = torch.tensor([1.0, 3.0, -1.0])
    assert float(margin_lost(clean, torch.tensor([-5.0, -5.0, -5.0])).mean()) == 1.0
    assert float(margin_lost(clean, clean).mean()) == 0.0


def test_bad_input_is_named(cosine, tmp_path):
    y = torch.zeros(4, dtype=torch.long)
    with pytest.raises(UsageError, match="shares above 0"):
        study_hybrid(cosine, X, y, Linf(0.05), budget=2.0, out=tmp_path / "a")
    classical = LogisticRegression(Box.uniform(0.0, 1.0, features=1), classes=2)
    with pytest.raises(CapabilityError, match="ends in one circuit"):
        study_hybrid(classical, X, y, Linf(0.05), out=tmp_path / "b")
