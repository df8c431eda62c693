"""`counterspin crosscheck MODEL`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from counterspin.cli.progress import progress_display
from counterspin.errors import UsageError

if TYPE_CHECKING:
    from counterspin.cli.targets import Target
    from counterspin.evaluation.crosscheck import Crosscheck
    from counterspin.threats import ThreatModel

__all__ = ["crosscheck"]


def crosscheck(
    model: Annotated[
        str, typer.Argument(help="A recipe (see `counterspin list recipes`) or a saved model's directory.")
    ],
    norm: Annotated[str | None, typer.Option(help="linf or l2; default: the recipe's threat.")] = None,
    eps: Annotated[
        float | None, typer.Option(help="Budget in features; default: the middle one of the recipe's.")
    ] = None,
    samples: Annotated[int, typer.Option(help="First N test samples.")] = 100,
    seed: Annotated[int, typer.Option(help="Seed of every random stream.")] = 0,
    data: Annotated[
        Path | None, typer.Option(help="A .npz with x and y, for a saved model; default MODEL/test.npz.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    """Compare our attacks with Foolbox, ART, AutoAttack and closed forms, on the same model and samples.

    Exit code 1 means that a row of the table fails. Needs `pip install counterspin[crosscheck]`.
    """
    if samples < 1:
        raise UsageError(f"--samples is {samples}; give at least 1.")
    if (norm is None) != (eps is None):
        raise UsageError("--norm and --eps go together, for example --norm linf --eps 0.1.")

    from counterspin.cli.targets import audit_target
    from counterspin.evaluation.crosscheck import crosscheck as run_crosscheck

    target = audit_target(model, data)
    threat = _threat(target, norm, eps)
    with progress_display(hidden=as_json) as progress:
        found = run_crosscheck(
            target.model, target.x[:samples], target.y[:samples], threat, seed=seed, progress=progress
        )
    if as_json:
        typer.echo(json.dumps(found.to_json()))
    else:
        _print(target.name, found)
    return 0 if found.passed else 1


def _threat(target: "Target", norm: str | None, eps: float | None) -> "ThreatModel":
    from counterspin.threats import ThreatModel

    if norm is not None and eps is not None:
        return ThreatModel(norm=norm, eps=(eps,))
    if target.threat is None:
        raise UsageError(
            f"{target.name} has no default threat; give --norm and --eps, for example --norm linf --eps 0.1."
        )
    return target.threat


def _print(name: str, found: "Crosscheck") -> None:
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in ("tool", "attack", "quantity"):
        table.add_column(column, overflow="fold")
    for column in ("theirs", "ours", "must be", ""):
        table.add_column(column, justify="right", no_wrap=True)
    for row in found.rows:
        verdict = "pass" if row.passed else "[red]FAIL[/red]"
        texts = (escape(text) for text in (row.tool, row.attack, row.quantity))
        table.add_row(*texts, f"{row.theirs:.6g}", f"{row.ours:.6g}", f"{row.relation} ± {row.tolerance:g}", verdict)
    console.print(f"[bold]{escape(name)}[/bold] · {found.samples} samples")
    console.print(table)
    for reason in found.skipped:
        console.print(f"[yellow]skipped[/yellow] {escape(reason)}")
    failed = sum(not row.passed for row in found.rows)
    verdict = "every row passes" if found.passed else f"[red]{failed} of {len(found.rows)} rows FAIL[/red]"
    console.print(f"{verdict}. {found.seconds:.1f} s.")
