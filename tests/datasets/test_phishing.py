"""Phishing websites against river's own reader, and what is claimed of them."""

import gzip
import importlib.machinery
import importlib.util

import numpy as np
import pytest
import torch

from counterspin.datasets import phishing
from counterspin.datasets.phishing import PHISHING_CONSTRAINTS, PHISHING_FEATURES
from counterspin.errors import InputError, MissingExtraError


@pytest.mark.slow  # river takes 3 s to import
def test_every_row_is_river_s() -> None:
    from river.datasets import Phishing

    data = phishing(seed=1)
    whole = data.training_part.joined(data.test)
    ours = np.column_stack([whole.x.numpy(), whole.y.numpy()])
    theirs = np.array([[*(row[name] for name in PHISHING_FEATURES), label] for row, label in Phishing()], dtype=float)
    assert np.array_equal(ours[np.lexsort(ours.T)], theirs[np.lexsort(theirs.T)])
    assert set(next(iter(Phishing()))[0]) == set(PHISHING_FEATURES)


def test_sizes_and_classes() -> None:
    data = phishing()
    assert (len(data.train), len(data.validation), len(data.test)) == (808, 142, 300)
    assert int((data.training_part.joined(data.test).y == 1).sum()) == 548
    assert (data.features, data.classes) == (9, 2)
    assert phishing(0).sha256 == data.sha256 != phishing(1).sha256


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_listed_values_are_those_of_the_training_part(seed: int) -> None:
    part = phishing(seed).training_part.x
    for feature, listed in enumerate(PHISHING_CONSTRAINTS.values):
        assert tuple(part[:, feature].unique().tolist()) == listed


def test_a_phisher_controls_the_page_and_not_what_others_keep() -> None:
    constraints = phishing().constraints
    assert constraints == PHISHING_CONSTRAINTS
    out_of_reach = {
        n for n, controlled in zip(PHISHING_FEATURES, constraints.controlled, strict=True) if not controlled
    }
    assert out_of_reach == {"is_popular", "age_of_domain"}
    assert all(reason.endswith(".") for reason in constraints.reasons)


def test_the_warnings_are_true() -> None:
    data = phishing()
    whole = data.training_part.joined(data.test)
    rows: dict[bytes, list[int]] = {}
    for x, y in zip(whole.x.numpy(), whole.y.tolist(), strict=True):
        rows.setdefault(x.tobytes(), []).append(y)
    assert len(rows) == 625
    best = sum(max(labels.count(0), labels.count(1)) for labels in rows.values())
    assert best / len(whole) == pytest.approx(0.967, abs=5e-4)
    seen = {tuple(row) for row in data.training_part.x.tolist()}
    assert data.repeated_share == np.mean([tuple(row) in seen for row in data.test.x.tolist()])
    assert 0.5 < data.repeated_share < 0.7


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install counterspin\[data\]") as refused:
        phishing()
    assert refused.value.exit_code == 2


@pytest.mark.parametrize(
    "content", [None, b"half", gzip.compress(b"a,b\n1,2\n", mtime=0), gzip.compress(b"x" * 4000, mtime=0)[:30]]
)
def test_another_file_is_named(tmp_path, monkeypatch: pytest.MonkeyPatch, content) -> None:
    (tmp_path / "datasets").mkdir()
    if content is not None:
        (tmp_path / "datasets" / "phishing.csv.gz").write_bytes(content)
    spec = importlib.machinery.ModuleSpec("river", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(InputError, match=r"phishing\.csv\.gz cannot be read") as refused:
        phishing()
    assert "\n" not in str(refused.value)


def test_bounds_hold_every_value() -> None:
    data = phishing()
    assert bool(data.bounds.contains(data.test.x).all())
    assert torch.equal(data.bounds.upper, torch.ones(9, dtype=torch.float64))
