"""`counterspin harden MODEL --with DEFENCES`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from counterspin.cli.progress import progress_display
from counterspin.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from counterspin.api.hardening import HardenReport
    from counterspin.evaluation.hardening.record import ComparedMetric, HardenRecord

__all__ = ["harden"]


def harden(
    model: Annotated[
        str,
        typer.Argument(
            help="A recipe (`counterspin list recipes`), a saved model's directory or file.py:object with --data."
        ),
    ],
    defenses: Annotated[
        str, typer.Option("--with", help="Defences, comma-separated: pgd-at,noise:ibm:manila (`list defenses`).")
    ],
    out: Annotated[Path | None, typer.Option(help="Run directory; default runs/<model>-hardened-<key>.")] = None,
    norm: Annotated[str | None, typer.Option(help="linf, l2, l1 or l0; default: the recipe's threat.")] = None,
    eps: Annotated[str | None, typer.Option(help="Budgets, comma-separated, ascending: 0.05,0.1.")] = None,
    units: Annotated[str | None, typer.Option(help="feature, or relative: share of each input's norm.")] = None,
    box: Annotated[
        str | None, typer.Option(help="data (default): attacks stay in the data's box; none: they may leave it.")
    ] = None,
    samples: Annotated[
        int | None, typer.Option(help="First N test samples; default 200 (quick) or at most 500.")
    ] = None,
    tier: Annotated[
        str | None, typer.Option(help="Of the audits: standard (default), paper, or quick: not for publication.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Short for --tier quick.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of data, training and audits; 0: the committed weights.")] = 0,
    epochs: Annotated[int | None, typer.Option(help="Of the training; default: the recipe's.")] = None,
    select: Annotated[
        str, typer.Option(help="last: keep the last epoch; robust: the most robust one on validation samples.")
    ] = "last",
    warm_start: Annotated[
        bool, typer.Option("--warm-start", help="Train a recipe from the undefended weights, not from fresh ones.")
    ] = False,
    zero: Annotated[
        bool, typer.Option(help="Also tune the logit scale of the undefended recipe, as defence zero.")
    ] = True,
    ablation: Annotated[bool, typer.Option(help="Leave each of several defences out once.")] = True,
    data: Annotated[
        Path | None, typer.Option(help="Samples to train on, .npz with x and y or .csv; not for recipes.")
    ] = None,
    bounds: Annotated[
        tuple[float, float] | None,
        typer.Option(help="Lowest and highest value of a feature, for a model of your own.", metavar="LOW HIGH"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    """Train a model with a defence, and audit it before and after with the same samples and attacks.

    Re-issuing the command resumes where it was. Exit code 1 means that an audit is unreliable or that the adaptive
    check failed: points made on the undefended model break what the attacks on the defended one missed.
    """
    if quick and tier not in (None, "quick"):
        raise UsageError(f"--quick is short for --tier quick; it cannot go with --tier {tier}.")
    if samples is not None and samples < 1:
        raise UsageError(f"--samples is {samples}; give at least 1.")
    tier = tier or ("quick" if quick else "standard")

    from counterspin.api.hardening import harden as run_harden
    from counterspin.attacks.registry import check_tier
    from counterspin.cli.training_targets import training_target, write_model_samples

    check_tier(tier)
    target = training_target(model, data, norm=norm, eps=eps, units=units, box=box, bounds=bounds)
    with progress_display(hidden=as_json) as progress:
        report = run_harden(
            target.model,
            defenses,
            target.threat,
            samples=samples,
            tier=tier,
            seed=seed,
            epochs=epochs,
            select=select,
            warm_start=warm_start,
            zero=zero,
            ablation=ablation,
            out=out,
            runs=Path("runs"),
            progress=progress,
            **target.options,
        )
    write_model_samples(report.directory)
    if as_json:
        typer.echo(json.dumps(report.record.to_json()))
    else:
        _print(report)
    return 0 if report.reliable else 1


def _print(report: "HardenReport") -> None:
    from rich.console import Console
    from rich.markup import escape

    from counterspin.evaluation.hardening.wording import defense_words, metric_words

    record, console = report.record, Console(highlight=False)
    console.print(f"[bold]{escape(str(record.model['name']))}[/bold] with {escape(defense_words(record))}")
    console.print(f"Trained on {record.training.samples} samples in {record.training.seconds:.1f} s\n")
    console.print(_table("", record.comparison, metric_words))
    if record.against_zero:
        console.print(f"\nAgainst defence zero: no defence, logit scale {record.zero_scale:.4g}")
        robust = [line for line in record.against_zero if line.kind in ("clean_accuracy", "robust_accuracy")]
        console.print(_table("", robust, metric_words, first="zero"))
    if record.ablation:
        console.print("\nWithout one part")
        console.print(_ablation(record))
    console.print(f"\nAdaptive check: {_adaptive(record)}")
    for check in record.adaptive.checks:
        if check.status in ("WARN", "FAIL"):
            console.print(f"  [yellow]{check.status} {check.id}[/yellow] {escape(check.title)}: {escape(check.advice)}")
    for label, audit in (("before", record.before), ("after", record.after)):
        failed = [check.id for check in audit.sanity.checks if check.status == "FAIL"]
        if failed:
            console.print(f"[red]UNRELIABLE[/red]: {', '.join(failed)} failed in the audit {label}")
    for note in record.notes:
        console.print(f"[yellow]NOTE[/yellow] {escape(note)}")
    for what, reason in record.left_out.items():
        console.print(f"[dim]left out, {escape(what)}: {escape(reason)}[/dim]")
    console.print(f"\nModel: {report.directory / 'model'}\nPage: {report.html}", soft_wrap=True, markup=False)


def _adaptive(record: "HardenRecord") -> str:
    if record.adaptive.verdict == "fail":
        return "[red]FAILED[/red]"
    return {"pass": "passed", "warn": "passed, with warnings"}[record.adaptive.verdict]


def _table(label: str, lines: "list[ComparedMetric]", words: Any, first: str = "before") -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in (label, first, "after", "difference", "p"):
        table.add_column(column, justify="left" if column == label else "right", overflow="fold")
    for line in lines:
        table.add_row(*words(line))
    return table


def _ablation(record: "HardenRecord") -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in ("defence", "clean", *(f"ε {at.eps:g}" for at in record.ablation[0].robust)):
        table.add_column(column, justify="left" if column == "defence" else "right")
    for point in record.trade_off:
        shares = [point.clean, *point.robust_by_eps.values()]
        table.add_row(point.name, *(f"{100 * share.value:.1f} %" for share in shares))
    return table
