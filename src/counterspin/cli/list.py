"""`counterspin list recipes|attacks`."""

import json
from typing import Annotated, Any

import typer

from counterspin.errors import UsageError

__all__ = ["list_names"]


def list_names(
    what: Annotated[str, typer.Argument(help="recipes or attacks.")] = "recipes",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,
) -> int:
    """List what can be audited, and with what."""
    kinds = {"recipes": _recipes, "attacks": _attacks}
    if what not in kinds:
        raise UsageError(f"list knows {' and '.join(kinds)}, not {what!r}.")
    rows = kinds[what]()
    if as_json:
        typer.echo(json.dumps(rows))
        return 0
    for row in rows:
        typer.echo(f"{row['name']:<32} {row['description']}")
    return 0


def _recipes() -> list[dict[str, Any]]:
    from counterspin import recipes

    found = [recipes.get(name) for name in recipes.names()]
    return [{"name": r.name, "description": r.summary, "threat": r.threat.to_json()} for r in found]


def _attacks() -> list[dict[str, Any]]:
    from counterspin.attacks import ExactL2Attack
    from counterspin.attacks.registry import suite

    return [
        {
            "name": attack.name,
            "description": (type(attack).__doc__ or "").strip().splitlines()[0],
            "norms": list(attack.norms),
            "requires": list(attack.requires),
            "config": attack.config,
        }
        for attack in (*suite("standard"), ExactL2Attack())
    ]
