"""`counterspin audit MODEL --plan`: what an audit will cost."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from counterspin.cli.targets import Target
from counterspin.threats import ThreatModel

__all__ = ["print_plan"]


def print_plan(
    target: Target,
    threat: ThreatModel,
    *,
    tier: str,
    seed: int,
    budget: str | None,
    prices: Path | None,
    as_json: bool,
    asked: Mapping[str, Any],
) -> int:
    """Print the cost of an audit step by step, and what of it a budget pays for.

    Raises:
        UsageError: a budget or prices that mean nothing.
        InputError: a file of prices that cannot be read.
    """
    from rich.console import Console
    from rich.markup import escape

    from counterspin.api import plan
    from counterspin.cli.summary import slim_table

    found = plan(target.model, target.x, target.y, threat, tier=tier, seed=seed, budget=budget, prices=prices, **asked)
    if as_json:
        typer.echo(json.dumps(found.to_json()))
        return 0
    console = Console(highlight=False)
    console.print(f"[bold]{escape(target.name)}[/bold] · {len(target.x)} samples, {tier} tier")
    table = slim_table(list(found.header()))
    for row in found.rows():
        table.add_row(*map(escape, row))
    console.print(table)
    console.print(escape(found.note))
    return 0
