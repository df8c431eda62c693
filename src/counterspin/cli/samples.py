"""The data file of a model: an archive (.npz) or a table (.csv) with samples, labels and, where known, their names."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from counterspin.cli.archives import read_arrays
from counterspin.cli.tables import read_table
from counterspin.datasets import Dataset
from counterspin.errors import InputError
from counterspin.models.files import write_atomically
from counterspin.validation import as_features

__all__ = ["Samples", "read_samples", "samples_of", "write_arrays", "write_samples"]

_EXPECTED = "give a .npz file with arrays x (samples, features) and y (samples,), or a .csv table"


@dataclass(frozen=True, kw_only=True, eq=False)
class Samples:
    """What a data file holds; the labels are checked against the model later.

    Args:
        x: samples `(samples, features)`.
        y: labels, as many as samples.
        class_names: one per class; empty where the file names none, as are the next two.
        feature_names: one per feature.
        image_shape: rows and columns where features are pixels.
    """

    x: Tensor
    y: Any
    class_names: tuple[str, ...]
    feature_names: tuple[str, ...]
    image_shape: tuple[int, ...] | None

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything as named arrays, the content of a data file."""
        arrays = {
            "x": self.x.numpy(),
            "y": np.asarray(self.y),
            "class_names": np.array(self.class_names, dtype=str),
            "feature_names": np.array(self.feature_names, dtype=str),
        }
        if self.image_shape is not None:
            arrays["image_shape"] = np.array(self.image_shape)
        return arrays


def read_samples(path: Path) -> Samples:
    """The samples of a data file.

    Raises:
        InputError: a file that cannot be read, lacks x or y, or whose x and y do not belong together.
    """
    return samples_of(read_table(path) if path.suffix.lower() == ".csv" else read_arrays(path, _EXPECTED), str(path))


def samples_of(arrays: Mapping[str, Any], source: str) -> Samples:
    """The samples among named arrays.

    Args:
        arrays: `x` and `y`; `class_names`, `feature_names` and `image_shape` where known.
        source: where they come from, for errors.

    Raises:
        InputError: x or y is missing, or they do not belong together.
    """
    missing = [name for name in ("x", "y") if name not in arrays]
    if missing:
        raise InputError(f"{source} lacks {' and '.join(missing)}; {_EXPECTED}.")
    shapes = np.shape(arrays["x"]), np.shape(arrays["y"])
    # Checked here: an audit of the first samples would silently drop what one array has too many.
    if not shapes[0] or shapes[0][:1] != shapes[1][:1]:
        raise InputError(f"{source} holds x of shape {shapes[0]} and y of shape {shapes[1]}; {_EXPECTED}.")
    named = np.asarray(arrays["y"])
    if named.dtype.kind in "US":  # words are numbered in alphabetical order, as scikit-learn does
        words, numbers = np.unique(named, return_inverse=True)
        arrays = {"class_names": words, **arrays, "y": numbers}
    return Samples(
        x=as_features(arrays["x"], name=f"{source}: x"),
        y=arrays["y"],
        class_names=_listed(arrays, "class_names", str),
        feature_names=_listed(arrays, "feature_names", str),
        image_shape=_listed(arrays, "image_shape", int) or None,
    )


def write_samples(dataset: Dataset, path: Path) -> None:
    """Write the test split of a data set.

    Raises:
        StorageError: the disk refused.
    """
    split = Samples(
        x=dataset.test.x,
        y=dataset.test.y.numpy(),
        class_names=tuple(dataset.class_names),
        feature_names=tuple(dataset.feature_names),
        image_shape=dataset.image_shape,
    )
    write_arrays(split.arrays(), path)


def write_arrays(arrays: Mapping[str, Any], path: Path) -> None:
    """Write arrays as a compressed archive.

    Raises:
        StorageError: the disk refused.
    """
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # pyright: ignore[reportArgumentType]  (the stub's first keyword is a bool)
    write_atomically(path, buffer.getvalue())


def _listed(arrays: Mapping[str, Any], key: str, kind: type) -> tuple[Any, ...]:
    try:
        return tuple(kind(value) for value in np.atleast_1d(arrays.get(key, ())))
    except (TypeError, ValueError) as error:
        raise InputError(f"{key} of the data file cannot be read ({error}); see `counterspin audit --help`.") from None
