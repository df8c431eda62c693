"""One SQLite file that one process writes at a time, with every refusal of the disk as a sentence."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from counterspin.errors import StorageError, UsageError

__all__ = ["Database"]

_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE)


class Database:
    """An exclusively locked SQLite file in WAL mode.

    The lock lives as long as the connection and dies with the process, so a crash never leaves a stale one.

    Args:
        path: the file; created where it does not exist.
        schema: `CREATE TABLE IF NOT EXISTS` statements.

    Raises:
        UsageError: another process holds the file.
        StorageError: the file is damaged, or the disk is full or read-only.
    """

    def __init__(self, path: Path, schema: str) -> None:
        self.path = path
        with self._errors():
            # No waiting and no implicit transactions: a second process shall hear at once, BEGIN is ours.
            self._connection = sqlite3.connect(path, timeout=0, isolation_level=None)
        try:
            with self._errors():
                # Before the first access: WAL then needs no shared memory and a second connection is refused.
                self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute("PRAGMA synchronous = FULL")
                self._connection.execute("BEGIN EXCLUSIVE")
                self._connection.execute("COMMIT")
                complaint = self._connection.execute("PRAGMA quick_check").fetchone()[0]
                if complaint != "ok":
                    raise sqlite3.DatabaseError(complaint)
                self._connection.executescript(schema)
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Give the file free."""
        with self._errors():
            self._connection.close()

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self._errors():
            return self._connection.execute(query, values).fetchall()

    def write(self, *statements: tuple[str, Iterable[Sequence[Any]]]) -> None:
        """Run statements, each on many rows of values, all or none of them."""
        with self._errors():
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                for statement, values in statements:
                    self._connection.executemany(statement, values)
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorcode", None)
            if code == sqlite3.SQLITE_BUSY:
                raise UsageError(
                    f"{self.path.parent} is in use by another counterspin process; wait until it ends or choose "
                    "another run directory."
                ) from error
            if code in _FULL:
                raise StorageError(
                    f"{self.path} cannot be written (the disk is full: {error}); finished work is kept, free disk "
                    "space and run the same command again to resume."
                ) from error
            if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
                raise StorageError(
                    f"{self.path} cannot be written ({error}); make the run directory writable or choose another one."
                ) from error
            raise StorageError(
                f"{self.path} is damaged ({error}); restore the run directory from a copy, or delete it and run the "
                "same command again."
            ) from error
