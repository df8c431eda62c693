"""A penalty lets go of a batch as its errors grow, so that no default wrecks what it is added to."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from counterspin.circuits import Linear, PauliExpectations, reuploading
from counterspin.datasets import Split
from counterspin.defenses.training import bures, certified, lipschitz
from counterspin.defenses.training.bures import BuresRegulariser
from counterspin.defenses.training.certified import CertifiedTraining
from counterspin.defenses.training.compose import compose
from counterspin.defenses.training.encoding_slopes import total_turning
from counterspin.defenses.training.leeway import leeway
from counterspin.defenses.training.lipschitz import LipschitzRegulariser
from counterspin.defenses.training.schedule import EpsilonSchedule
from counterspin.errors import UsageError
from counterspin.models import QuantumClassifier
from counterspin.threats import Linf
from counterspin.training import CrossEntropyObjective, Step, TrainingSettings, accuracy, fit
from counterspin.types import Box

THREAT = Linf(0.02, 0.05, 0.1)
ENTRIES = pytest.mark.parametrize("entry", [lipschitz.ENTRY, bures.ENTRY, certified.ENTRY], ids=lambda e: e.name)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def uploads(layers: int) -> QuantumClassifier:
    generator = seeded()
    head = Linear(torch.randn(3, 2, generator=generator), torch.zeros(3))
    zs, box = PauliExpectations.of("Z0", "Z1"), Box.uniform(0.0, 1.0, features=2)
    return QuantumClassifier(reuploading(2, layers, scale=math.pi), zs, box, head=head, generator=generator)


def step() -> Step:
    return Step(epoch=1, progress=0.9, rows=torch.arange(40), generator=seeded(), memory={})


@given(wrong=st.integers(0, 20), tolerance=st.floats(0.01, 2.0))
def test_leeway_is_a_line_from_one_to_none(wrong: int, tolerance: float) -> None:
    scores, y = torch.tensor([[1.0, 0.0]]).repeat(20, 1), (torch.arange(20) < wrong).long()
    kept = leeway(scores, y, tolerance)
    assert kept == pytest.approx(max(0.0, 1 - wrong / 20 / tolerance))
    assert leeway(scores, y, math.inf) == 1.0


def test_penalties_are_scaled_by_it_and_the_clean_loss_fills_the_rest() -> None:
    model = uploads(2).double()
    x = torch.rand(40, 2, generator=seeded(1), dtype=torch.float64)
    y = model(x).argmax(dim=1)
    # Two errors of forty: half of a tolerance of a tenth.
    y[:2] = (y[:2] + 1) % 3
    for kind in (LipschitzRegulariser, BuresRegulariser):
        half, whole, none = (
            kind(threat=THREAT, eps=0.05, tolerance=tolerance)(model, x, y, step())
            for tolerance in (0.1, math.inf, 0.05)
        )
        assert whole > 0
        torch.testing.assert_close(half, whole / 2)
        assert none == 0
    half, whole, none = (
        CertifiedTraining(threat=THREAT, schedule=EpsilonSchedule(final=0.05), clean_share=0.0, tolerance=tolerance)(
            model, x, y, step()
        )
        for tolerance in (0.1, math.inf, 0.05)
    )
    clean = CrossEntropyObjective()(model, x, y)
    torch.testing.assert_close(none, clean)
    torch.testing.assert_close(half, (whole + clean) / 2)
    assert whole > clean + 0.1


@ENTRIES
def test_entries_take_a_tolerance_and_refuse_none(entry) -> None:
    assert entry.build({}, THREAT).tolerance == 0.1
    assert entry.build({"tolerance": "inf"}, THREAT).tolerance == math.inf
    assert "tolerance" in entry.build({}, THREAT).to_json()
    for bad in ("0", "-1", "nan"):
        with pytest.raises(UsageError, match=f"{entry.name}: tolerance is"):
            entry.build({"tolerance": bad}, THREAT)


@ENTRIES
def test_a_note_says_where_no_certificate_can_hold(entry) -> None:
    deep, shallow = uploads(20), uploads(1)
    near, far = (0.05 * total_turning(model, THREAT).item() for model in (shallow, deep))
    assert near < math.pi / 2 < far
    defense = entry.build({}, THREAT)
    assert defense.notes(shallow) == ()
    (note,) = defense.notes(deep)
    assert f"{far:.2f} rad" in note
    assert entry.name in note


@pytest.mark.slow
@ENTRIES
def test_a_penalty_that_would_win_costs_no_more_than_is_tolerated(entry) -> None:
    x = torch.rand(150, 2, generator=seeded(4), dtype=torch.float64)
    split = Split(x, (3 * x[:, 0]).long().clamp(max=2))
    found = {}
    for tolerance in ("0.1", "inf"):
        model = uploads(6)
        options = {"tolerance": tolerance, "eps": "0.5"}
        options |= {"clean": "0"} if entry.name == "certified" else {"weight": "20"}
        objective = compose([entry.build(options, THREAT)])
        fit(model, objective, split, None, TrainingSettings(epochs=30, batch_size=30), generator=seeded())
        found[tolerance] = accuracy(model, split)
    assert found["0.1"] > 0.7
    assert found["inf"] < found["0.1"] - 0.2
