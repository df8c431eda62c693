"""`counterspin import MODEL --out DIRECTORY`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

if TYPE_CHECKING:
    from torch import nn

__all__ = ["import_model"]


def import_model(
    model: Annotated[str, typer.Argument(help="file.py:object, or a .qasm file.")],
    out: Annotated[Path, typer.Option(help="Directory the imported model is saved in.")],
    data: Annotated[
        Path | None, typer.Option(help="Samples (.npz with x and y, or .csv); default: x and y of the file.")
    ] = None,
    bounds: Annotated[
        tuple[float, float] | None, typer.Option(help="Lowest and highest value of a feature.", metavar="LOW HIGH")
    ] = None,
    above: Annotated[
        int | None, typer.Option(help="Class of a single output above the threshold, 0 or 1; default 1.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    """Read a model's circuit and save it as a model of counterspin's own, with its samples beside it.

    The directory needs neither the file nor its libraries again: `counterspin audit DIRECTORY`.
    """
    from counterspin.cli.own_models import brought, is_own
    from counterspin.cli.samples import write_arrays
    from counterspin.cli.targets import SAMPLES
    from counterspin.errors import UsageError
    from counterspin.models import save_model

    if not is_own(model):
        raise UsageError(f"{model} is no model of your own; give file.py:object or a .qasm file.")
    found = brought(model, data, bounds=bounds, above=above, route="import")
    save_model(cast("nn.Module", found.adopted.model), out)  # whatever was imported is a module of ours
    if found.samples is not None:
        write_arrays(found.samples.arrays(), out / SAMPLES)
    route = found.adopted.route
    if as_json:
        facts = {"out": str(out), "kind": route.kind, "reason": route.reason, "repairs": list(route.repairs)}
        typer.echo(json.dumps({"model": model, **facts}))
    else:
        typer.echo(f"{model} ({route.kind}): {route.reason}\nSaved in {out}; next: counterspin audit {out}")
    return 0
