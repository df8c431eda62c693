"""`counterspin train RECIPE`."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["train"]


def train(
    recipe: Annotated[str, typer.Argument(help="A recipe, see `counterspin list recipes`.")],
    seed: Annotated[
        int, typer.Option(help="Seed of split and initialisation; the committed weights are those of seed 0.")
    ] = 0,
    out: Annotated[Path | None, typer.Option(help="Where to save the model; default models/<recipe>-<seed>.")] = None,
    engine: Annotated[str, typer.Option(help="auto (compiled where it can serve), compiled, or torch.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    """Train a recipe as it was trained for its committed weights. Re-issuing the command resumes."""
    from counterspin import recipes
    from counterspin.cli.samples import write_samples
    from counterspin.cli.targets import SAMPLES

    source = recipes.get(recipe)
    target = out or Path("models") / f"{recipe}-{seed}"
    progress = not as_json and sys.stderr.isatty()
    trained = recipes.train(recipe, seed=seed, out=target, engine=engine, progress=progress)
    write_samples(source.dataset(seed), target / SAMPLES)
    threat = source.threat
    budgets = ",".join(f"{eps:g}" for eps in threat.eps)
    command = f"counterspin audit {target} --norm {threat.norm} --units {threat.units} --eps {budgets}"
    facts = {
        "recipe": recipe,
        "seed": seed,
        "model": str(target),
        "samples": str(target / SAMPLES),
        "logit_scale": trained.logit_scale,
        "validation_accuracy": trained.validation_accuracy,
        "test_accuracy": trained.test_accuracy,
        "seconds": trained.seconds,
        "data_sha256": trained.data_sha256,
        "audit": command,
    }
    if as_json:
        typer.echo(json.dumps(facts))
        return 0
    scale = "" if trained.logit_scale is None else f", logit scale frozen at {trained.logit_scale:.6g}"
    typer.echo(f"{recipe}, seed {seed}: clean test accuracy {100 * trained.test_accuracy:.1f} %{scale}")
    typer.echo(f"saved in {target}, its test samples in {target / SAMPLES}; to audit it:\n{command}")
    return 0
