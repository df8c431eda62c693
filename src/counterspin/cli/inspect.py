"""`counterspin inspect MODEL`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from counterspin.evaluation.inspection import Inspection

__all__ = ["inspect"]


def inspect(
    model: Annotated[str, typer.Argument(help="file.py:object, a .qasm file, a recipe, or a saved model's directory.")],
    data: Annotated[
        Path | None, typer.Option(help="Samples (.npz with x and y, or .csv); default: x and y of the file.")
    ] = None,
    bounds: Annotated[
        tuple[float, float] | None, typer.Option(help="Lowest and highest value of a feature.", metavar="LOW HIGH")
    ] = None,
    above: Annotated[
        int | None, typer.Option(help="Class of a single output above the threshold, 0 or 1; default 1.")
    ] = None,
    route: Annotated[
        str, typer.Option(help="auto (import the circuit where it can be read), import, or wrap.")
    ] = "auto",
    gradient: Annotated[
        str, typer.Option(help="For a model of your own: auto (checked, then used), or none (a black box).")
    ] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    """Say how a model is taken in, whether its gradient is right, what its circuit is, and how fast it runs."""
    from counterspin.cli.own_models import brought, is_own
    from counterspin.evaluation.inspection import inspect_model

    if is_own(model):
        found = brought(model, data, bounds=bounds, above=above, route=route, gradient=gradient)
        adopted, x = found.adopted, found.x
    else:
        from counterspin.cli.targets import audit_target
        from counterspin.models.integrations import adopt

        target = audit_target(model, data, bounds=bounds, above=above)
        adopted, x = adopt(target.model, target.x), target.x
    inspection = inspect_model(adopted.model, adopted.route, x)
    if as_json:
        typer.echo(json.dumps({"model": model, **inspection.to_json()}))
    else:
        _print(model, inspection)
    return 0


def _print(name: str, found: "Inspection") -> None:
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False)
    route, facts = found.route, found.to_json()
    console.print(f"[bold]{escape(name)}[/bold] · {escape(route.kind)}, {route.route}")
    rows: list[tuple[str, Any]] = [("Why", route.reason)]
    rows += [("Mended", repair) for repair in route.repairs]
    if route.gradient_check is not None:
        rows.append(("Gradient", route.gradient_check.message))
    rows.append(("Scores", f"{facts['classes']} classes, {facts['outputs']}, {facts['features']} features"))
    rows.append(("Budgets", f"ε is measured in {route.space}"))
    if found.circuit is not None:
        circuit = found.circuit
        rows.append(
            (
                "Circuit",
                f"{circuit['qubits']} qubits, depth {circuit['depth']}, {circuit['gates']} gates, "
                f"{circuit['circuit_weights']} weights, encoding {circuit['encoding']}",
            )
        )
        rows += [("Frequencies", _frequencies(circuit["frequencies"]))] if "frequencies" in circuit else []
    rows.append(("Speed", _speed(facts["speed"])))
    for label, text in rows:
        console.print(f"  {label:<12} {escape(str(text))}", soft_wrap=True)


def _frequencies(found: list[list[float] | None]) -> str:
    """One entry per run of features that share their frequencies."""
    words = ["many" if values is None else (", ".join(f"{v:.4g}" for v in values) or "none") for values in found]
    if len(set(words)) == 1:
        return f"{words[0]} (every feature)"
    return "; ".join(f"x{index}: {word}" for index, word in enumerate(words))


def _speed(speed: dict[str, Any]) -> str:
    ours, what = f"{speed['ours_ms']:.3g} ms", "value and gradient" if speed["gradient"] else "values alone"
    if speed["home_ms"] is None:
        return f"{ours} for {speed['batch']} samples, {what}"
    scaled = "" if speed["home_batch"] == speed["batch"] else f", scaled from {speed['home_batch']}"
    home = f"{speed['home_ms']:.3g} ms at home{scaled}"
    return f"{ours} here, {home}: {speed['ratio']:.3g}× ({what}, {speed['batch']} samples)"
