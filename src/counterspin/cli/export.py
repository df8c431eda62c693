"""`counterspin export-adversarials RUN --out SET`."""

import json
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["export_adversarials"]


def export_adversarials(
    run: Annotated[Path, typer.Argument(help="Directory of a finished run.")],
    out: Annotated[Path, typer.Option(help="Directory to write; it must not exist, or be empty.")],
    attack: Annotated[str, typer.Option(help="One of the run's attacks, or worst: the nearest of all.")] = "worst",
    eps: Annotated[float | None, typer.Option(help="One of the run's budgets; default: all of them.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the card.")] = False,
) -> int:
    """Write the adversarial inputs of a run as a data set, to test another model or train a detector.

    Exit code 1 means that a sanity check of the run failed: exported, but unreliable.
    """
    from counterspin.evaluation.export import export_adversarials as export

    card = export(run, out, attack=attack, eps=eps)
    if as_json:
        typer.echo(json.dumps(card))
    else:
        correct = card["samples"]["correct"]
        for budget, broken in zip(card["eps"], card["broken"], strict=True):
            typer.echo(f"ε = {budget:g}: {broken} of {correct} correctly classified samples broken ({attack})")
        typer.echo(f"written to {out}; to load it: counterspin.datasets.load_adversarials({str(out)!r})")
        if card["run"]["verdict"] == "fail":
            typer.echo("A sanity check of this run failed: the attacks may have missed what can be broken.", err=True)
    return 1 if card["run"]["verdict"] == "fail" else 0
