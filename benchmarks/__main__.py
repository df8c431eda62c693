"""`python -m benchmarks [NAME ...]`: run benchmarks, print their tables, write build/bench/<name>.json."""

import json
import sys
from pathlib import Path

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
        table = Table(*rows[0], title=name)
        for row in rows:
            table.add_row(*(f"{v:.3g}" if isinstance(v, float) else str(v) for v in row.values()))
        Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
