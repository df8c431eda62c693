"""`counterspin doctor`: what this installation can do."""

import json
from importlib.util import find_spec
from typing import Annotated, Any

import typer

__all__ = ["doctor"]

_EXTRAS = {"data": ("mlxtend", "river")}


def doctor(
    explain: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Show what the circuit of a recipe or saved model compiles to instead."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    """Show versions, engine, threads and extras. Exit code 3 if the engine gives a wrong value."""
    if explain is not None:
        from counterspin.cli.explain import explanation, print_explanation

        facts = explanation(explain)
        if as_json:
            typer.echo(json.dumps(facts))
        else:
            print_explanation(facts)
        return 0
    facts = _facts()
    if as_json:
        typer.echo(json.dumps(facts))
    else:
        _print(facts)
    return 0 if facts["engine"]["correct"] else 3


def _print(facts: dict[str, Any]) -> None:
    for name, version in facts["versions"].items():
        typer.echo(f"{name:<14} {version}")
    engine = facts["engine"]
    name = engine["name"] if engine["variant"] is None else f"{engine['name']} ({engine['variant']})"
    verdict = "correct" if engine["correct"] else f"WRONG by {engine['error']:.1e}: {engine['advice']}"
    typer.echo(f"{'engine':<14} {name}, {engine['threads']} threads, {verdict}")
    typer.echo(f"{'':<14} {engine['why']}")
    for name, extra in facts["extras"].items():
        hint = "" if extra["installed"] else f"   pip install 'counterspin[{name}]'"
        typer.echo(f"{'extra ' + name:<14} {'installed' if extra['installed'] else 'missing'}{hint}")


def _facts() -> dict[str, Any]:
    from counterspin.cli.engine_check import engine_facts
    from counterspin.versions import versions

    return {
        "versions": versions(),
        "engine": engine_facts(),
        "extras": {
            name: {"installed": all(find_spec(module) is not None for module in modules)}
            for name, modules in _EXTRAS.items()
        },
    }
