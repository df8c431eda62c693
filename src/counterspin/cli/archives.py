"""Reading .npz archives that somebody else wrote."""

import io
import zipfile
from pathlib import Path

import numpy as np

from counterspin.errors import InputError

__all__ = ["read_arrays"]


def read_arrays(path: Path, expected: str) -> dict[str, np.ndarray]:
    """The arrays of an archive by name.

    Args:
        path: of the archive.
        expected: what the file should hold, the last clause of an error.

    Raises:
        InputError: a file that cannot be read, is no archive, or holds Python objects.
    """
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
        raise InputError(f"{path} cannot be read ({reason}); {expected}.") from None
