"""`counterspin report RUN`."""

import json
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["report"]


def report(
    run: Annotated[Path, typer.Argument(help="Directory of a finished run.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the record instead of the path of the report.")
    ] = False,
) -> int:
    """Write the report of a finished run again. Nothing is recomputed; exit code 1 if the run is unreliable."""
    from counterspin.evaluation.run_store import RunStore, read_record
    from counterspin.report import write_report

    record = read_record(run).model_copy(update={"run": str(run)})
    with RunStore(run, None) as store:
        path = write_report(store)
    typer.echo(json.dumps(record.to_json()) if as_json else str(path))
    return 1 if record.sanity.verdict == "fail" else 0
