"""The data-set value: what it refuses, and a hash that moves with every part of it."""

from dataclasses import replace

import pytest
import torch

from counterspin.datasets import Dataset, Split
from counterspin.errors import InputError
from counterspin.types import Box


def split(rows: int, seed: int) -> Split:
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(rows, 4, generator=generator, dtype=torch.float64)
    return Split(x, torch.arange(rows) % 2)


@pytest.fixture
def data() -> Dataset:
    return Dataset(
        name="toy",
        train=split(6, 0),
        validation=split(4, 1),
        test=split(2, 2),
        bounds=Box.uniform(0.0, 1.0, features=4),
        class_names=("no", "yes"),
        feature_names=("a", "b", "c", "d"),
        image_shape=(2, 2),
        source="drawn",
        licence="none",
    )


def test_training_part_is_train_then_validation(data: Dataset) -> None:
    part = data.training_part
    assert torch.equal(part.x, torch.cat([data.train.x, data.validation.x]))
    assert torch.equal(part.y, torch.cat([data.train.y, data.validation.y]))
    assert (data.features, data.classes, len(part)) == (4, 2, 10)


def test_hash_depends_on_content_alone(data: Dataset) -> None:
    copy = replace(data, train=Split(data.train.x.clone(), data.train.y.clone()), source="elsewhere")
    assert copy.sha256 == data.sha256
    assert len(data.sha256) == 64


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_hash_moves_with_one_bit_of_a_feature_and_with_a_label(data: Dataset, part: str) -> None:
    old: Split = getattr(data, part)
    x, y = old.x.clone(), old.y.clone()
    x[0, 0] = torch.nextafter(x[0, 0], torch.tensor(2.0, dtype=torch.float64))
    y[0] = 1 - y[0]
    hashes = {
        d.sha256 for d in (data, replace(data, **{part: Split(x, old.y)}), replace(data, **{part: Split(old.x, y)}))
    }
    assert len(hashes) == 3


@pytest.mark.parametrize(
    "change", [{"name": "other"}, {"class_names": ("no", "maybe")}, {"feature_names": ("a", "b", "c", "e")}]
)
def test_hash_moves_with_names(data: Dataset, change: dict) -> None:
    assert replace(data, **change).sha256 != data.sha256


def test_hash_sees_where_a_split_ends(data: Dataset) -> None:
    whole = data.training_part
    moved = replace(data, train=Split(whole.x[:5], whole.y[:5]), validation=Split(whole.x[5:], whole.y[5:]))
    assert moved.sha256 != data.sha256


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"feature_names": ("a",)}, "feature_names holds 1 names for 4"),
        ({"image_shape": (3, 2)}, "does not hold 4 features"),
        ({"bounds": Box.uniform(0.0, 1.0, features=3)}, r"toy: train\.x has 4 features"),
        ({"bounds": Box.uniform(0.0, 0.1, features=4)}, "leaves the box"),
        ({"groups": ("a",)}, "groups holds 1 entries for 2"),
        ({"class_names": ("only",)}, r"toy: train\.y holds label 1"),
    ],
)
def test_refuses_parts_that_do_not_fit(data: Dataset, change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(data, **change)


def test_refuses_nan(data: Dataset) -> None:
    x = data.test.x.clone()
    x[1, 2] = torch.nan
    with pytest.raises(InputError, match=r"toy: test\.x holds NaN"):
        replace(data, test=Split(x, data.test.y))


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (torch.zeros(3, 2), torch.zeros(3, dtype=torch.int64), "float32"),
        (torch.zeros(3, dtype=torch.float64), torch.zeros(3, dtype=torch.int64), "shape"),
        (torch.zeros(3, 2, dtype=torch.float64), torch.zeros(2, dtype=torch.int64), "one int64 label per sample"),
        (torch.zeros(3, 2, dtype=torch.float64), torch.zeros(3), "one int64 label per sample"),
    ],
)
def test_split_refuses_other_shapes_and_types(x: torch.Tensor, y: torch.Tensor, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Split(x, y)
