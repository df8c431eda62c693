"""`counterspin compare RUN_A RUN_B`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from counterspin.evaluation.comparison import ComparedRun, ComparisonRecord, PairedRecord

__all__ = ["compare"]


def compare(
    run_a: Annotated[Path, typer.Argument(help="Directory of a finished run.")],
    run_b: Annotated[Path, typer.Argument(help="Directory of another one, on the same samples and threat.")],
    out: Annotated[Path | None, typer.Option(help="Also write the comparison as one offline HTML file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    """Compare two runs sample by sample: difference with its interval, exact McNemar test, Holm's adjustment.

    Exit code 1 means that a sanity check failed in one of the runs: compared, but unreliable.
    """
    from counterspin.evaluation.compare import compare_runs

    record = compare_runs(run_a, run_b)
    if out is not None:
        from counterspin.report import write_comparison  # here: the charts' library takes long to import

        write_comparison(record, out)
    if as_json:
        typer.echo(json.dumps(record.to_json()))
    else:
        _print(record)
    return 0 if record.reliable else 1


def _print(record: "ComparisonRecord") -> None:
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False)
    for letter, run in (("A", record.first), ("B", record.second)):
        console.print(f"[bold]{letter}[/bold]  {escape(str(run.model['name']))} · {_verdict(run)} · {escape(run.run)}")
    threat = record.threat
    console.print(
        f"\nShare of the same {record.samples} samples that is correct and unbroken · {threat['norm']}, "
        f"{threat['units']} units, box {threat['box']}"
    )
    rows = [("clean", record.clean_accuracy), *((f"{b.eps:g}", b.worst_case) for b in record.budgets)]
    console.print(_table("ε", rows))
    attacked = [(f"{b.eps:g} {name}", pair) for b in record.budgets for name, pair in b.attacks.items()]
    if attacked:
        console.print("Against each attack both runs configured alike")
        console.print(_table("ε, attack", attacked))
    console.print(
        "A - B with Tango's 95 % interval; b, c: samples only A, only B keeps; p: exact McNemar, adjusted by Holm "
        "within its table"
    )
    console.print(_costs(record))
    for note in record.notes:
        console.print(f"[yellow]NOTE[/yellow] {escape(note)}")


def _table(label: str, rows: "list[tuple[str, PairedRecord]]") -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in (label, "A", "B", "A - B", "b", "c", "p"):
        table.add_column(column, justify="left" if column == label else "right", overflow="fold")
    for name, pair in rows:
        p = pair.p_value if pair.p_holm is None else pair.p_holm
        table.add_row(
            name,
            f"{100 * pair.first.value:.1f} %",
            f"{100 * pair.second.value:.1f} %",
            f"{100 * pair.difference:+.1f} \\[{100 * pair.low:+.1f}, {100 * pair.high:+.1f}]",
            str(pair.only_first),
            str(pair.only_second),
            f"{p:.2g}",
        )
    return table


def _costs(record: "ComparisonRecord") -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in ("cost", "forwards", "backwards", "circuits", "shots", "seconds"):
        table.add_column(column, justify="right")
    for letter, run in (("A", record.first), ("B", record.second)):
        counts = (run.cost.forwards, run.cost.backwards, run.cost.circuits, run.cost.shots)
        table.add_row(letter, *(f"{count:,}" for count in counts), f"{run.cost.seconds:.1f}")
    return table


def _verdict(run: "ComparedRun") -> str:
    if run.verdict == "fail":
        return f"[red]UNRELIABLE[/red] ({', '.join(run.failed)} failed)"
    return {"pass": "reliable", "warn": "reliable, with warnings"}[run.verdict]
