"""Stratified splits: disjoint, complete, deterministic, with the class shares of the whole."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterspin.datasets import held_back, stratified_splits
from counterspin.errors import UsageError


@settings(max_examples=30, deadline=None)
@given(
    counts=st.lists(st.integers(20, 60), min_size=2, max_size=5),
    share=st.floats(0.1, 0.6),
    seed=st.integers(0, 2**31 - 1),
)
def test_disjoint_complete_and_stratified(counts: list[int], share: float, seed: int) -> None:
    y = np.repeat(np.arange(len(counts)), counts)
    test = round(share * len(y))
    rows = stratified_splits(y, test=test, seed=seed)
    parts = (rows.train, rows.validation, rows.test)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(y)))
    assert len(rows.test) == test
    assert len(rows.validation) == round(0.15 * (len(y) - test))
    for part in parts:
        expected = np.array(counts) * len(part) / len(y)
        # Two rounded draws one after the other: at most 1 sample each away from the exact share.
        assert np.all(np.abs(np.bincount(y[part], minlength=len(counts)) - expected) <= 2)


def test_the_seed_decides() -> None:
    y = np.repeat([0, 1, 2], 40)
    first, again, other = (stratified_splits(y, test=30, seed=seed) for seed in (3, 3, 4))
    for part in ("train", "validation", "test"):
        assert np.array_equal(getattr(first, part), getattr(again, part))
    assert set(first.test) != set(other.test)


def test_rows_are_shuffled() -> None:
    rows = stratified_splits(np.repeat([0, 1], 100), test=40, seed=0)
    assert not np.array_equal(rows.test, np.sort(rows.test))


@pytest.mark.parametrize(
    ("test", "seed", "message"), [(1, 0, "test is 1"), (78, 0, "test is 78"), (20, -1, "seed is -1")]
)
def test_refusals(test: int, seed: int, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        stratified_splits(np.repeat([0, 1], 40), test=test, seed=seed)


@settings(max_examples=30, deadline=None)
@given(counts=st.lists(st.integers(1, 60), min_size=1, max_size=5), seed=st.integers(0, 2**31 - 1))
def test_held_back_takes_of_each_class_but_never_all(counts: list[int], seed: int) -> None:
    y = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    if max(counts) == 1:
        with pytest.raises(UsageError, match="at least two of a class"):
            held_back(y, generator=torch.Generator().manual_seed(seed))
        return
    away = held_back(y, generator=torch.Generator().manual_seed(seed))
    assert torch.equal(away, held_back(y, generator=torch.Generator().manual_seed(seed)))
    for label, count in enumerate(counts):
        expected = 0 if count == 1 else max(1, round(0.15 * count))
        assert int(away[y == label].sum()) == expected
