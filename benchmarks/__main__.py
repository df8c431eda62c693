"""`python -m benchmarks [NAME ...]`: run benchmarks, print their tables, write build/bench/<name>.json.

Environment: `QUICK=1` for fewer and smaller cases, `PEERS=all` for every peer of the engine that is installed. The exit
code is 1 where a full run missed a requirement, 2 where this machine lacks what a benchmark needs.
"""

import importlib
import json
import os
import sys
from pathlib import Path

from rich.console import Console

from benchmarks.outcome import Options
from benchmarks.tools import Unavailable

BENCHMARKS = (
    "engine",
    "instructions",
    "exact",
    "exact_radius",
    "certificates",
    "audit",
    "attacks",
    "ce_overstatement",
    "integrations",
    "noise_engine",
    "mitigation",
    "hardening",
)

# Hours: only when asked for by name.
LONG = ("defenses", "noise_aware", "exact_margin")

# Where there is no terminal to ask, a line holds a whole row.
_WIDTH = 210


def main(names: list[str]) -> int:
    """Run the named benchmarks, all by default."""
    unknown = [name for name in names if name not in (*BENCHMARKS, *LONG)]
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join((*BENCHMARKS, *LONG))}", file=sys.stderr)
        return 2
    folder = Path("build/bench")
    folder.mkdir(parents=True, exist_ok=True)
    options = Options(
        folder=folder,
        quick=os.environ.get("QUICK", "") not in ("", "0"),
        all_peers=os.environ.get("PEERS") == "all",
    )
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    missed, unavailable = 0, False
    for name in names or BENCHMARKS:
        # Imported when run: one benchmark does not wait for what another needs.
        try:
            outcome = importlib.import_module(f"benchmarks.{name}").run(options)
        except Unavailable as reason:
            print(f"benchmark {name} did not run: {reason}", file=sys.stderr)
            unavailable = True
            continue
        (folder / f"{name}.json").write_text(json.dumps(list(outcome.rows), indent=1) + "\n")
        for table in outcome.tables:
            console.print(table)
        missed += outcome.missed
    return 2 if unavailable else int(missed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
