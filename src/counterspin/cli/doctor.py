"""`counterspin doctor`: what this installation can do."""

import json
from importlib.util import find_spec
from typing import Annotated, Any

import typer

__all__ = ["doctor"]

_EXTRAS = {"data": ("mlxtend",)}


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> int:
    """Show versions, engine, threads and extras. Exit code 3 if the engine gives a wrong value."""
    facts = _facts()
    if as_json:
        typer.echo(json.dumps(facts))
        return 0 if facts["engine"]["correct"] else 3
    for name, version in facts["versions"].items():
        typer.echo(f"{name:<14} {version}")
    engine = facts["engine"]
    verdict = "correct" if engine["correct"] else f"WRONG by {engine['error']:.1e}: reinstall torch"
    typer.echo(f"{'engine':<14} {engine['name']}, {engine['threads']} threads, {verdict}")
    for name, extra in facts["extras"].items():
        hint = "" if extra["installed"] else f"   pip install 'counterspin[{name}]'"
        typer.echo(f"{'extra ' + name:<14} {'installed' if extra['installed'] else 'missing'}{hint}")
    return 0 if engine["correct"] else 3


def _facts() -> dict[str, Any]:
    import torch

    from counterspin.circuits import Circuit, PauliExpectations, Readout, feature
    from counterspin.simulation import run
    from counterspin.versions import versions

    # The one-qubit code ⟨Z⟩ = cos x has a closed form: a broken torch build shows here first.
    x = torch.linspace(0.0, 3.0, 7, dtype=torch.float64)[:, None]
    values = run(Circuit(1).add("RY", 0, feature(0)), x, torch.zeros(0), Readout(PauliExpectations.of("Z0")))
    error = float((values - torch.cos(x)).abs().max())
    return {
        "versions": versions(),
        "engine": {"name": "torch", "threads": torch.get_num_threads(), "correct": error < 1e-12, "error": error},
        "extras": {
            name: {"installed": all(find_spec(module) is not None for module in modules)}
            for name, modules in _EXTRAS.items()
        },
    }
