"""The command as a stranger runs it, in a process of its own, and what its run directory holds."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

__all__ = ["counterspin", "printed_json", "standing"]


def counterspin(command: str, *more: str, allowed: tuple[int, ...] = (0,)) -> str:
    """What the command prints; `more` are arguments that may hold spaces, such as paths."""
    program = [sys.executable, "-c", "from counterspin.cli import main; main()"]
    done = subprocess.run([*program, *command.split(), *more], capture_output=True, text=True, check=False)
    assert done.returncode in allowed, done.stderr
    return done.stdout


def printed_json(command: str, *more: str, allowed: tuple[int, ...] = (0,)) -> Any:
    """The one JSON value the command prints with `--json`, on one line and nothing else."""
    printed = counterspin(f"{command} --json", *more, allowed=allowed)
    assert printed.count("\n") == 1
    return json.loads(printed)


def standing(directory: Path, index: int, attacks: set[str]) -> int:
    """Samples that are correct and unbroken by all of `attacks` at the budget `index`, from the stored rows."""
    connection = sqlite3.connect(f"file:{directory / 'samples.sqlite'}?mode=ro&immutable=1", uri=True)
    try:
        rows = connection.execute(
            "SELECT sample, attack, correct, success FROM samples WHERE eps_index = ?", (index,)
        ).fetchall()
    finally:
        connection.close()
    broken = {sample for sample, attack, _, success in rows if success and attack in attacks}
    return len({sample for sample, _, correct, _ in rows if correct} - broken)
