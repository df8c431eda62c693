"""The data file of a saved model: a .npz archive with samples, labels and, where known, their names."""

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from counterspin.datasets import Dataset
from counterspin.errors import InputError
from counterspin.models.files import write_atomically
from counterspin.validation import as_features

__all__ = ["Samples", "read_samples", "write_samples"]

_EXPECTED = "give a .npz file with arrays x (samples, features) and y (samples,)."


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


def read_samples(path: Path) -> Samples:
    """The samples of a data file.

    Raises:
        InputError: a file that cannot be read, lacks x or y, or whose x and y do not belong together.
    """
    arrays = _arrays(path)
    missing = [name for name in ("x", "y") if name not in arrays]
    if missing:
        raise InputError(f"{path} lacks {' and '.join(missing)}; {_EXPECTED}")
    shapes = arrays["x"].shape, arrays["y"].shape
    # Checked here: an audit of the first samples would silently drop what one array has too many.
    if not shapes[0] or shapes[0][:1] != shapes[1][:1]:
        raise InputError(f"{path} holds x of shape {shapes[0]} and y of shape {shapes[1]}; {_EXPECTED}")
    return Samples(
        x=as_features(arrays["x"], name=f"{path}: x"),
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
    arrays = {
        "x": dataset.test.x.numpy(),
        "y": dataset.test.y.numpy(),
        "class_names": np.array(dataset.class_names),
        "feature_names": np.array(dataset.feature_names),
    }
    if dataset.image_shape is not None:
        arrays["image_shape"] = np.array(dataset.image_shape)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # pyright: ignore[reportArgumentType]  (the stub's first keyword is a bool)
    write_atomically(path, buffer.getvalue())


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        # Read first: a damaged archive would leave numpy's own file handle open.
        content = io.BytesIO(path.read_bytes())
        if not zipfile.is_zipfile(content):
            raise ValueError("not a .npz archive")
        # allow_pickle stays off: a data file must not be able to run code.
        with np.load(content, allow_pickle=False) as archive:
            return dict(archive)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise InputError(f"{path} cannot be read ({reason}); {_EXPECTED}") from None


def _listed(arrays: dict[str, np.ndarray], key: str, kind: type) -> tuple[Any, ...]:
    try:
        return tuple(kind(value) for value in np.atleast_1d(arrays.get(key, ())))
    except (TypeError, ValueError) as error:
        raise InputError(f"{key} of the data file cannot be read ({error}); see `counterspin audit --help`.") from None
