"""The run directory: everything an audit has finished, so that the same command resumes instead of starting again.

    run.json                                the record, the configuration and its key
    samples.sqlite                          meta, stages, budgets, and one row per sample x attack x budget
    adversarials/<attack>-<k>.safetensors   adversarial inputs of the k-th budget
    tensors/<name>.safetensors              inputs, clean scores, radii

A file is written under a temporary name, renamed, and only then entered in the database with its SHA-256: whatever the
database knows of is complete.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from counterspin.attacks.base import BudgetResult
from counterspin.errors import StorageError, UsageError
from counterspin.evaluation.certification_records import CertifyRecord
from counterspin.evaluation.database import Database
from counterspin.evaluation.fingerprints import bytes_digest, run_key
from counterspin.evaluation.records import AuditRecord
from counterspin.evaluation.rows import StoredRows
from counterspin.models.files import write_atomically
from counterspin.types import Cost

__all__ = ["RunStore", "read_record"]

_FORMAT = "2"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS stages (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS files (name TEXT PRIMARY KEY, sha256 TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS budgets (
    attack TEXT, eps_index INTEGER, eps REAL, cost TEXT, verdict_cost TEXT, seconds REAL, history TEXT,
    PRIMARY KEY (attack, eps_index)
);
CREATE TABLE IF NOT EXISTS samples (
    sample INTEGER, attack TEXT, eps_index INTEGER, eps REAL, correct INTEGER, success INTEGER, undecided INTEGER,
    distance REAL, trace_distance REAL, margin REAL, PRIMARY KEY (attack, eps_index, sample)
);
"""


class RunStore:
    """One run directory, locked while it is open; use it as a context manager.

    Args:
        path: the directory.
        config: the configuration of the run, JSON values with the digests of model and data; None: whatever is stored.

    Attributes:
        path: the directory.
        config: the stored configuration.
        key: its SHA-256.
        resumed: whether there was something before.

    Raises:
        UsageError: the directory belongs to another configuration or to something else, another process works in it, or
            there is no run and no configuration.
        StorageError: a damaged directory, or the disk is full or read-only.
    """

    def __init__(self, path: Path, config: Mapping[str, Any] | None) -> None:
        self.path = path
        database = path / "samples.sqlite"
        _prepare(path, database, create=config is not None)
        self._database = Database(database, _SCHEMA)
        try:
            meta = dict(self._database.rows("SELECT name, value FROM meta"))
            self.resumed = bool(meta)
            if not meta:
                self._initialise(config)
            else:
                self._recognise(meta, config)
        except BaseException:
            self._database.close()
            raise

    def _initialise(self, config: Mapping[str, Any] | None) -> None:
        if config is None or any(self.path.glob("adversarials/*.safetensors")):
            raise StorageError(
                f"{self.path / 'samples.sqlite'} is damaged (it is empty); restore the run directory from a copy, or "
                "delete it and run the same command again."
            )
        self.config, self.key = dict(config), run_key(config)
        rows = [("format", _FORMAT), ("key", self.key), ("config", json.dumps(self.config))]
        self._database.write(("INSERT INTO meta VALUES (?, ?)", rows))

    def _recognise(self, meta: Mapping[str, str], config: Mapping[str, Any] | None) -> None:
        if meta.get("format") != _FORMAT:
            raise UsageError(
                f"{self.path} has run format {meta.get('format')}; this version of counterspin reads format {_FORMAT}, "
                "choose another run directory."
            )
        self.config, self.key = json.loads(meta["config"]), meta["key"]
        if config is None or run_key(config) == self.key:
            return
        fields = _differences(self.config, json.loads(json.dumps(config)))
        raise UsageError(
            f"{self.path} holds a run of another configuration (key {self.key[:8]}, asked for {run_key(config)[:8]}; "
            f"they differ in {', '.join(fields)}); choose another run directory, or repeat the stored configuration."
        )

    def __enter__(self) -> "RunStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the directory free for other processes."""
        self._database.close()

    def save_budget(self, attack: str, index: int, correct: Tensor, result: BudgetResult) -> None:
        """Keep what `attack` found at the `index`-th budget.

        Args:
            attack: name of the attack.
            index: place of the budget in the threat's eps.
            correct: which samples the model classifies correctly `(batch,)`, bool.
            result: the finished budget.

        Raises:
            StorageError: the disk refused; what was finished before is kept.
        """
        digest = self._write_tensors(_adversarials(attack, index), {"x_adv": result.x_adv})
        # NULL: a deterministic model leaves nothing undecided.
        open_ = [None] * len(correct) if result.undecided is None else result.undecided.int().tolist()
        columns = (correct.int(), result.success.int(), result.distance, result.trace_distance, result.best_margin)
        rows = [
            (sample, attack, index, result.eps, correct, success, undecided, *numbers)
            for sample, (undecided, (correct, success, *numbers)) in enumerate(
                zip(open_, zip(*(c.tolist() for c in columns), strict=True), strict=True)
            )
        ]
        cost, verdict_cost = json.dumps(asdict(result.cost)), json.dumps(asdict(result.verdict_cost))
        self._database.write(
            ("INSERT OR REPLACE INTO files VALUES (?, ?)", [(_adversarials(attack, index), digest)]),
            ("INSERT OR REPLACE INTO samples VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows),
            (
                "INSERT OR REPLACE INTO budgets VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(attack, index, result.eps, cost, verdict_cost, result.seconds, json.dumps(result.history))],
            ),
        )

    def attacks(self) -> tuple[str, ...]:
        """Names of all attacks with rows, whoever put them there."""
        return tuple(name for (name,) in self._database.rows("SELECT DISTINCT attack FROM budgets ORDER BY attack"))

    def rows(self, attack: str) -> StoredRows:
        """What the rows of `attack` say of each sample; undecided samples count as broken."""
        stored = self._database.rows(
            "SELECT eps_index, correct, success, undecided FROM samples WHERE attack = ? ORDER BY eps_index, sample",
            (attack,),
        )
        budgets = len({index for index, *_ in stored})
        broken = torch.tensor([bool(success or undecided) for _, _, success, undecided in stored]).view(budgets, -1)
        correct = torch.tensor([bool(correct) for _, correct, _, _ in stored]).view(budgets, -1)
        return StoredRows(correct=correct.all(dim=0), broken=broken)

    def budgets(self, attack: str) -> tuple[BudgetResult, ...]:
        """The finished budgets of `attack`, from the first one on without a gap.

        Raises:
            StorageError: an adversarial input is missing, truncated or altered.
        """
        stored = self._database.rows(
            "SELECT eps_index, eps, cost, verdict_cost, seconds, history FROM budgets WHERE attack = ? ORDER BY 1",
            (attack,),
        )
        results = []
        for place, (index, eps, cost, verdict_cost, seconds, history) in enumerate(stored):
            if index != place:
                break
            x_adv = self._read_tensors(_adversarials(attack, index))["x_adv"]
            rows = self._database.rows(
                "SELECT success, undecided, distance, trace_distance, margin FROM samples "
                "WHERE attack = ? AND eps_index = ? ORDER BY sample",
                (attack, index),
            )
            if len(rows) != len(x_adv):
                raise self._damaged("samples.sqlite", f"{len(rows)} rows for {len(x_adv)} inputs of {attack}")
            success, undecided, *numbers = zip(*rows, strict=True)
            # SQLite has no NaN and keeps it as NULL.
            distance, trace_distance, margin = (
                torch.tensor([torch.nan if v is None else v for v in column], dtype=torch.float64) for column in numbers
            )
            results.append(
                BudgetResult(
                    eps=eps,
                    x_adv=x_adv,
                    success=torch.tensor(success, dtype=torch.bool),
                    distance=distance,
                    best_margin=margin,
                    trace_distance=trace_distance,
                    history=json.loads(history),
                    cost=Cost(**json.loads(cost)),
                    seconds=seconds,
                    undecided=None if None in undecided else torch.tensor(undecided, dtype=torch.bool),
                    verdict_cost=Cost(**json.loads(verdict_cost)),
                )
            )
        return tuple(results)

    def save_stage(self, name: str, value: Any) -> None:
        """Keep the JSON value of a finished stage."""
        self._database.write(("INSERT OR REPLACE INTO stages VALUES (?, ?)", [(name, json.dumps(value))]))

    def stage(self, name: str) -> Any | None:
        """The value of a finished stage; None if it is not finished."""
        rows = self._database.rows("SELECT value FROM stages WHERE name = ?", (name,))
        return json.loads(rows[0][0]) if rows else None

    def save_tensors(self, name: str, tensors: Mapping[str, Tensor]) -> None:
        """Keep named tensors (inputs, clean scores, radii) as `tensors/<name>.safetensors`."""
        file = f"tensors/{name}.safetensors"
        digest = self._write_tensors(file, tensors)
        self._database.write(("INSERT OR REPLACE INTO files VALUES (?, ?)", [(file, digest)]))

    def tensors(self, name: str) -> dict[str, Tensor] | None:
        """The tensors kept under `name`; None if there are none."""
        file = f"tensors/{name}.safetensors"
        known = self._database.rows("SELECT 1 FROM files WHERE name = ?", (file,))
        return self._read_tensors(file) if known else None

    def write_record(self, record: AuditRecord | CertifyRecord) -> None:
        """Write run.json: the record, the configuration and the key."""
        value = {"key": self.key, "config": self.config, "record": record.to_json()}
        self._write("run.json", (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode())

    def _write(self, name: str, data: bytes) -> None:
        try:
            write_atomically(self.path / name, data)
        except StorageError as error:
            reason = getattr(error.__cause__, "strerror", None) or error
            raise StorageError(
                f"{self.path / name} cannot be written ({reason}); finished work is kept, free disk space and run the "
                "same command again to resume."
            ) from error

    def _write_tensors(self, name: str, tensors: Mapping[str, Tensor]) -> str:
        data = save_tensors({key: value.detach().cpu().contiguous() for key, value in tensors.items()})
        self._write(name, data)
        return bytes_digest(data)

    def _read_tensors(self, name: str) -> dict[str, Tensor]:
        known = self._database.rows("SELECT sha256 FROM files WHERE name = ?", (name,))
        try:
            data = (self.path / name).read_bytes()
        except OSError as error:
            raise self._damaged(name, error.strerror or str(error)) from error
        if not known or bytes_digest(data) != known[0][0]:
            raise self._damaged(name, "truncated or altered: its SHA-256 is not the stored one")
        try:
            return load_tensors(data)
        except SafetensorError as error:
            raise self._damaged(name, str(error)) from error

    def _damaged(self, name: str, reason: str) -> StorageError:
        return StorageError(
            f"{self.path / name} is damaged ({reason}); restore the run directory from a copy, or delete it and run "
            "the same command again."
        )


def read_record(path: Path) -> AuditRecord:
    """The record of a finished run, from its run.json.

    Raises:
        UsageError: no finished run there.
        StorageError: run.json is damaged.
    """
    file = path / "run.json"
    if not file.is_file():
        raise UsageError(f"{path} holds no finished run (no run.json); give the directory of a finished audit.")
    try:
        return AuditRecord.model_validate(json.loads(file.read_bytes())["record"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise StorageError(f"{file} is damaged ({reason}); run the audit's command again to write it anew.") from error


def _adversarials(attack: str, index: int) -> str:
    return f"adversarials/{attack}-{index}.safetensors"


def _prepare(path: Path, database: Path, *, create: bool) -> None:
    """Make the directory, or refuse one that holds something else."""
    if not database.exists():
        if not create:
            raise UsageError(f"{path} holds no run (no {database.name}); give the directory of an audit.")
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise UsageError(f"{path} exists and is not a run directory; choose another one, or an empty directory.")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"{path} cannot be made ({error.strerror}); choose a run directory in a place that can be written."
        ) from error


def _differences(stored: Any, asked: Any, prefix: str = "") -> list[str]:
    """Dotted names of the fields in which two configurations differ, with short values both ways."""
    if isinstance(stored, dict) and isinstance(asked, dict):
        names = sorted(stored.keys() | asked.keys())
        return [
            line
            for name in names
            if stored.get(name) != asked.get(name)
            for line in _differences(stored.get(name), asked.get(name), f"{prefix}{name}.")
        ]
    short = [text if len(text) <= 40 else text[:12] + "…" for text in (json.dumps(stored), json.dumps(asked))]
    return [f"{prefix[:-1]} (stored {short[0]}, asked {short[1]})"]
