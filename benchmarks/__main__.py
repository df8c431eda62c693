"""`python -m benchmarks [NAME ...]`: run benchmarks, print their tables, write build/bench/<name>.json."""

import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import audit, exact

BENCHMARKS = {"exact": exact.measure, "audit": audit.measure}


def main(names: list[str]) -> int:
    """Run the named benchmarks, all by default."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    folder = Path("build/bench")
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or BENCHMARKS:
        rows = BENCHMARKS[name]()
        (folder / f"{name}.json").write_text(json.dumps(rows, indent=1) + "\n")
        Console().print(_table(name, rows))
    return 0


def _table(title: str, rows: list[dict[str, Any]]) -> Table:
    """One row per quantity and one column per case: many quantities of few cases fit a terminal this way."""
    first, *quantities = rows[0]
    table = Table(first, *(str(row[first]) for row in rows), title=title)
    for quantity in quantities:
        table.add_row(quantity, *(_text(row[quantity]) for row in rows))
    return table


def _text(value: Any) -> str:
    return "–" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
