"""`counterspin study noise|hybrid MODEL`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from counterspin.cli.noise_options import DeviceOption
from counterspin.cli.progress import progress_display
from counterspin.errors import UsageError

if TYPE_CHECKING:
    from counterspin.evaluation.analysis import NoiseStudyRecord
    from counterspin.evaluation.analysis.study_record import StudyRecord

__all__ = ["study"]

_SUBJECTS = ("noise", "hybrid")


def study(
    subject: Annotated[str, typer.Argument(help="What is studied: noise or hybrid.", metavar="noise|hybrid")],
    model: Annotated[
        str,
        typer.Argument(help="A recipe (`counterspin list recipes`), file.py:object, or a saved model's directory."),
    ],
    device: DeviceOption = None,
    norm: Annotated[str | None, typer.Option(help="linf, l2, l1 or l0; default: the recipe's threat.")] = None,
    eps: Annotated[str | None, typer.Option(help="Budgets, comma-separated, ascending: 0.05,0.1.")] = None,
    units: Annotated[str | None, typer.Option(help="feature, or relative: share of each input's norm.")] = None,
    box: Annotated[
        str | None, typer.Option(help="data (default): attacks stay in the data's box; none: they may leave it.")
    ] = None,
    samples: Annotated[int, typer.Option(help="First N test samples.")] = 100,
    shots: Annotated[int | None, typer.Option(help="noise: measurements of the finite-shot readings (256).")] = None,
    tier: Annotated[str | None, typer.Option(help="noise: quick (default), or standard: more steps.")] = None,
    budget: Annotated[
        float | None, typer.Option(help="hybrid: share of every part's own scale that is compared (0.01).")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of every random stream.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Directory; default runs/<model>-<study>-<key>.")] = None,
    data: Annotated[Path | None, typer.Option(help="Samples, .npz with x and y or .csv.")] = None,
    bounds: Annotated[
        tuple[float, float] | None,
        typer.Option(help="Lowest and highest value of a feature, for a model of your own.", metavar="LOW HIGH"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    """Study what changes robustness, and where a model is weak.

    noise: ladder, masking map, drift between devices, mitigation. hybrid: where a fixed budget hurts most, from the
    features over classical front, circuit inputs, gate angles and gates to the readout.

    Writes figures, data and one offline page. Re-issuing the command resumes an interrupted study.
    """
    if subject not in _SUBJECTS:
        raise UsageError(f"study knows {' and '.join(_SUBJECTS)}, not {subject!r}.")
    if samples < 2:
        raise UsageError(f"--samples is {samples}; give at least 2.")
    for flag, value, owner in (
        ("--device", device, "noise"),
        ("--shots", shots, "noise"),
        ("--tier", tier, "noise"),
        ("--budget", budget, "hybrid"),
    ):
        if value is not None and subject != owner:
            raise UsageError(f"{flag} belongs to `study {owner}`; leave it out of `study {subject}`.")

    from counterspin.cli.threats import target_and_threat

    target, threat = target_and_threat(
        model, data, norm=norm, eps=eps, units=units, box=box, engine="auto", samples=samples, bounds=bounds
    )
    with progress_display(hidden=as_json) as progress:
        shared = {"seed": seed, "out": out, "name": target.name, "dataset": target.dataset_card, "progress": progress}
        if subject == "noise":
            from counterspin.api.studying import study_noise

            record = study_noise(
                target.model,
                target.x,
                target.y,
                threat,
                device=device,
                tier="quick" if tier is None else tier,
                shots=256 if shots is None else shots,
                **shared,
            )
        else:
            from counterspin.api.studying_surfaces import study_hybrid

            share = 0.01 if budget is None else budget
            record = study_hybrid(target.model, target.x, target.y, threat, budget=share, **shared)
    if as_json:
        typer.echo(json.dumps(record.to_json()))
    else:
        _print(record, target.name, subject)
    return 0


def _print(record: "NoiseStudyRecord | StudyRecord", name: str, subject: str) -> None:
    from rich.console import Console
    from rich.markup import escape

    from counterspin.evaluation.analysis.study_record import StudyFinding

    console = Console(highlight=False)
    console.print(f"[bold]{escape(name)}[/bold] · {subject} study, {record.samples} samples")
    for finding in record.findings:
        clear = {True: " [bold](significant)[/bold]", False: " (not significant)", None: ""}[finding.significant]
        about = finding.about if isinstance(finding, StudyFinding) else finding.study
        console.print(f"\n[bold]{escape(about)}[/bold]{clear}")
        console.print(f"  expected: {escape(finding.expected)}")
        console.print(f"  found:    {escape(finding.found)}")
    for part, reason in record.left_out.items():
        console.print(f"[dim]left out, {escape(part)}: {escape(reason)}[/dim]")
    console.print(f"\nPage: {record.run}/study.html", soft_wrap=True, markup=False)
