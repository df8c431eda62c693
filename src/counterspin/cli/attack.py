"""`counterspin attack MODEL --where PART`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from counterspin.cli.progress import progress_display
from counterspin.errors import UsageError

if TYPE_CHECKING:
    from counterspin.api.attacking import AttackReport
    from counterspin.cli.targets import Target
    from counterspin.evaluation.parts.record import AttackRunRecord, PartBudget
    from counterspin.threats import ThreatModel

__all__ = ["attack"]

# Where inputs are changed, budgets are those of a threat.
_INPUTS = ("features", "transfer")

_PARTS = {"parameters": "gate parameters", "transfer": "inputs, by surrogates"}


def attack(
    model: Annotated[
        str,
        typer.Argument(
            help="A recipe (`counterspin list recipes`), file.py:object, a .qasm file, or a saved model's directory."
        ),
    ],
    where: Annotated[
        str,
        typer.Option(help="features, state, parameters, gates, encoding, measurement or transfer."),
    ],
    method: Annotated[
        str | None,
        typer.Option(help="Attacks, comma-separated, options after a colon (`list attacks`); default: all that serve."),
    ] = None,
    budgets: Annotated[
        str | None, typer.Option(help="Comma-separated, with a unit if you like: 0.01,0.1 or 0.1rad,3gates.")
    ] = None,
    target: Annotated[int | None, typer.Option(help="The class the attacker wants; default: any wrong one.")] = None,
    samples: Annotated[int, typer.Option(help="First N test samples.")] = 100,
    seed: Annotated[int, typer.Option(help="Seed of every random stream.")] = 0,
    norm: Annotated[
        str | None, typer.Option(help="linf, l2, l1 or l0, for features and transfer; default: the recipe's threat.")
    ] = None,
    eps: Annotated[str | None, typer.Option(help="The same as --budgets, for features and transfer.")] = None,
    units: Annotated[str | None, typer.Option(help="feature, or relative: share of each input's norm.")] = None,
    box: Annotated[
        str | None, typer.Option(help="data (default): inputs stay in the data's box; none: they may leave it.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run directory; default runs/<model>-<where>-<key>.")] = None,
    data: Annotated[Path | None, typer.Option(help="Samples, .npz with x and y or .csv; not for recipes.")] = None,
    bounds: Annotated[
        tuple[float, float] | None,
        typer.Option(help="Lowest and highest value of a feature, for a model of your own.", metavar="LOW HIGH"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    """Attack one part of a model, beside the certificate that matches: what can be broken, what is proved.

    Writes one offline page. Re-issuing the command resumes where it was. Exit code 1 means a contradiction: an attack
    broke what a certificate proves.
    """
    if samples < 1:
        raise UsageError(f"--samples is {samples}; give at least 1.")
    _check_threat_options(where, norm=norm, eps=eps, units=units, box=box, budgets=budgets)

    from counterspin.api.attacking import PLACES
    from counterspin.api.attacking import attack as run_attack

    if where not in PLACES:
        raise UsageError(f"--where is {where!r}; allowed: {', '.join(PLACES)}.")
    amounts = None if budgets is None else budgets.split(",")
    found, threat = _target(
        model,
        data,
        where=where,
        budgets=amounts,
        norm=norm,
        eps=eps,
        units=units,
        box=box,
        samples=samples,
        bounds=bounds,
    )
    with progress_display(hidden=as_json) as progress:
        report = run_attack(
            found.model,
            found.x,
            found.y,
            where=where,
            methods=method,
            budgets=amounts,
            target=target,
            threat=threat,
            seed=seed,
            out=out,
            runs=Path("runs"),
            name=found.name,
            dataset=found.dataset_card,
            class_names=found.class_names,
            feature_names=found.feature_names,
            image_shape=found.image_shape,
            progress=progress,
        )
    if as_json:
        typer.echo(json.dumps(report.record.to_json()))
    else:
        _print(report)
    if report.reliable:
        return 0
    typer.echo(f"counterspin: {_contradiction(report.record)}", err=True)
    return 1


def _check_threat_options(where: str, *, budgets: str | None, eps: str | None, **words: str | None) -> None:
    """Refuse options of a threat to inputs where no inputs are changed."""
    if where in _INPUTS:
        if eps is not None and budgets is not None:
            raise UsageError(f"--eps {eps} and --budgets {budgets} are both given; they are the same here, give one.")
        return
    given = [f"--{name}" for name, value in {**words, "eps": eps}.items() if value is not None]
    if given:
        raise UsageError(f"{given[0]} goes with --where features or transfer; attacks on {where} take --budgets.")


def _target(
    model: str,
    data: Path | None,
    *,
    where: str,
    budgets: list[str] | None,
    norm: str | None,
    eps: str | None,
    units: str | None,
    box: str | None,
    samples: int,
    bounds: tuple[float, float] | None,
) -> "tuple[Target, ThreatModel | None]":
    """Model and samples, and the threat where inputs are changed."""
    from dataclasses import replace

    from counterspin.cli.targets import audit_target
    from counterspin.cli.threats import target_and_threat
    from counterspin.evaluation.parts.budgets import read_amounts

    if where in _INPUTS:
        if budgets is not None:
            eps = ",".join(repr(amount.value) for amount in read_amounts(budgets))
        return target_and_threat(
            model, data, norm=norm, eps=eps, units=units, box=box, engine="auto", samples=samples, bounds=bounds
        )
    found = audit_target(model, data, bounds=bounds)
    if found.quantum and where == "encoding":
        raise UsageError(
            f"{model} is about quantum states, which no preprocessing turned into angles or amplitudes; attack the "
            "states themselves with --where state."
        )
    return replace(found, x=found.x[:samples], y=found.y[:samples]), None


def _contradiction(record: "AttackRunRecord") -> str:
    first = record.contradictions[0]
    more = len(record.contradictions) - 1
    others = f"; {more} more" if more else ""
    return (
        f"{first.attack} breaks sample {first.sample} at {first.budget:g} {first.unit}, which is proved by: "
        f"{first.method}{others}; one of the two is wrong."
    )


def _print(report: "AttackReport") -> None:
    from rich.console import Console
    from rich.markup import escape

    record, console = report.record, Console(highlight=False)
    console.print(
        f"[bold]{escape(str(record.model['name']))}[/bold] · attacks on {_PARTS.get(record.where, record.where)}"
    )
    console.print(f"clean accuracy {_share(record.clean_accuracy)} on {record.clean_accuracy.n} samples")
    for key in dict.fromkeys((row.unit, row.scope) for row in record.budgets):
        rows = [row for row in record.budgets if (row.unit, row.scope) == key]
        whom = "for each sample" if key[1] == "sample" else "for all samples at once"
        console.print(f"\n[bold]{escape(key[0])}[/bold], a manipulation {whom}")
        console.print(_table(rows))
    for name, reason in record.left_out.items():
        console.print(f"[dim]left out, {escape(name)}: {escape(reason)}[/dim]")
    console.print(f"\nPage: {report.html}", soft_wrap=True, markup=False)


def _table(rows: "list[PartBudget]") -> Any:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in ("budget", "attack", "unbroken", "broken", "proved", "how"):
        words = column in ("attack", "how")
        table.add_column(column, justify="left" if words else "right", overflow="fold", no_wrap=column == "attack")
    for row in rows:
        for finding in row.attacks:
            cells = (f"{row.budget:g}", finding.attack, _share(finding.accuracy), _share(finding.success))
            table.add_row(*cells, _share(finding.certified), finding.method or "")
        if len(row.attacks) > 1:
            whole = (f"{row.budget:g}", "worst case", _share(row.accuracy), "", _share(row.certified), "")
            table.add_row(*whole, style="bold")
    return table


def _share(measured: Any) -> str:
    return "–" if measured is None else f"{100 * measured.value:.1f} %"
