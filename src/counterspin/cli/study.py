"""`counterspin study noise MODEL`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from counterspin.cli.noise_options import DeviceOption
from counterspin.cli.progress import progress_display
from counterspin.errors import UsageError

if TYPE_CHECKING:
    from counterspin.evaluation.analysis import NoiseStudyRecord

__all__ = ["study"]


def study(
    subject: Annotated[str, typer.Argument(help="What is studied: noise.", metavar="noise")],
    model: Annotated[
        str,
        typer.Argument(help="A recipe (`counterspin list recipes`), file.py:object, or a saved model's directory."),
    ],
    device: DeviceOption = None,
    norm: Annotated[str | None, typer.Option(help="linf, l2, l1 or l0; default: the recipe's threat.")] = None,
    eps: Annotated[str | None, typer.Option(help="Budgets, comma-separated, ascending: 0.05,0.1.")] = None,
    units: Annotated[str | None, typer.Option(help="feature, or relative: share of each input's norm.")] = None,
    box: Annotated[str, typer.Option(help="data: attacks stay in the data's box; none: they may leave it.")] = "data",
    samples: Annotated[int, typer.Option(help="First N test samples.")] = 100,
    shots: Annotated[int, typer.Option(help="Measurements of the finite-shot readings.")] = 256,
    tier: Annotated[str, typer.Option(help="quick (default), or standard: more steps and restarts.")] = "quick",
    seed: Annotated[int, typer.Option(help="Seed of every random stream.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Directory; default runs/<model>-noise-<key>.")] = None,
    data: Annotated[Path | None, typer.Option(help="Samples, .npz with x and y or .csv.")] = None,
    bounds: Annotated[
        tuple[float, float] | None,
        typer.Option(help="Lowest and highest value of a feature, for a model of your own.", metavar="LOW HIGH"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    """Study how noise changes robustness: ladder, masking map, drift between devices, mitigation.

    Writes figures, data and one offline page. Re-issuing the command resumes an interrupted study.
    """
    if subject != "noise":
        raise UsageError(f"study knows noise, not {subject!r}.")
    if samples < 2:
        raise UsageError(f"--samples is {samples}; give at least 2.")

    from counterspin.api.studying import study_noise
    from counterspin.cli.threats import target_and_threat

    target, threat = target_and_threat(
        model, data, norm=norm, eps=eps, units=units, box=box, engine="auto", samples=samples, bounds=bounds
    )
    with progress_display(hidden=as_json) as progress:
        record = study_noise(
            target.model,
            target.x,
            target.y,
            threat,
            device=device,
            tier=tier,
            seed=seed,
            shots=shots,
            out=out,
            name=target.name,
            dataset=target.dataset_card,
            progress=progress,
        )
    if as_json:
        typer.echo(json.dumps(record.to_json()))
    else:
        _print(record)
    return 0


def _print(record: "NoiseStudyRecord") -> None:
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False)
    console.print(f"[bold]{escape(str(record.model['name']))}[/bold] · noise study, {record.samples} samples")
    for finding in record.findings:
        clear = {True: " [bold](significant)[/bold]", False: " (not significant)", None: ""}[finding.significant]
        console.print(f"\n[bold]{finding.study}[/bold]{clear}")
        console.print(f"  expected: {escape(finding.expected)}")
        console.print(f"  found:    {escape(finding.found)}")
    for part, reason in record.left_out.items():
        console.print(f"[dim]left out, {escape(part)}: {escape(reason)}[/dim]")
    console.print(f"\nPage: {record.run}/study.html", soft_wrap=True, markup=False)
