"""Files that are either the old one or the new one, never half of one."""

import os
import tempfile
from pathlib import Path

from counterspin.errors import StorageError

__all__ = ["write_atomically"]


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` beside `path` under a temporary name, then rename; an interrupt leaves the old file.

    Raises:
        StorageError: the disk refused (full, read-only).
    """
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # mkstemp gives 0600, which a colleague could not read
        os.replace(temporary, path)
        temporary = None
    except OSError as error:
        raise StorageError(
            f"{path} cannot be written ({error.strerror or error}); the previous file is untouched, "
            "free disk space or choose another place and run the command again."
        ) from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
