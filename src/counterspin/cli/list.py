"""`counterspin list recipes|attacks|certificates|defenses|devices`."""

import json
from typing import Annotated, Any

import typer

from counterspin.errors import UsageError

__all__ = ["list_names"]


def list_names(
    what: Annotated[str, typer.Argument(help="recipes, attacks, certificates, defenses or devices.")] = "recipes",
    where: Annotated[
        str | None,
        typer.Option(
            help="Only attacks on features, state, parameters, gates, encoding, measurement or transfer.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """List what can be audited, and with what.

    Beside a recipe stand its clean test accuracy (mean over the seeds 0, 1, 2), the least that is demanded of it, and
    its default threat. Beside an attack stand the norms it serves, what it knows of the model (white: gradients or the
    circuit, black: scores, decision: the winning class, transfer: another model) and what the model must offer; beside
    one on a quantum part stand the part, the unit of its budgets, and whether each sample meets a manipulation of its
    own. Beside a certificate stand the norms it serves and what it needs. Beside a defence stands what may be set, and
    how it is written. Beside a device stand the date of its calibration and the medians over what works on it.
    """
    kinds = {
        "recipes": _recipes,
        "attacks": _attacks,
        "certificates": _certificates,
        "defenses": _defenses,
        "devices": _devices,
    }
    if what not in kinds:
        raise UsageError(f"list knows {', '.join(kinds)}, not {what!r}.")
    if where is not None and what != "attacks":
        raise UsageError(f"--where goes with `list attacks`, not with {what!r}.")
    rows = kinds[what]() if what != "attacks" else _at(where, _attacks())
    if as_json:
        typer.echo(json.dumps({"devices": rows} if what == "devices" else rows))
        return 0
    if what == "devices":
        _device_table(rows)
        return 0
    for row in rows:
        typer.echo(f"{row['name']:<30}  {_facts(row)}\n    {row['description']}")
        for option, meaning in row.get("options", {}).items():
            typer.echo(f"        {option}: {meaning}")
    return 0


def _at(where: str | None, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The attacks on one part; all of them for None.

    Raises:
        UsageError: an unknown part.
    """
    from counterspin.attacks.quantum.registry import WHERE

    if where is not None and where not in ("features", *WHERE):
        raise UsageError(f"--where is {where!r}; allowed: features, {', '.join(WHERE)}.")
    return [row for row in rows if where in (None, row["where"])]


def _facts(row: dict[str, Any]) -> str:
    """What stands beside the name."""
    if "usage" in row:
        return row["usage"]
    if "stochastic" in row:
        return f"{', '.join(row['norms'])}; needs {', '.join(row['requires']) or 'scores only'}"
    if row.get("unit") is not None:
        whom = "each sample" if row["scope"] == "sample" else "all samples at once"
        return f"{row['where']}; {row['unit']}; {whom}; {row['knowledge']}"
    if "norms" in row:
        source = "" if row["source"] == "built-in" else f"; from {row['source']}"
        needs = ", ".join(row["requires"]) or ("labels only" if row["knowledge"] == "decision" else "scores only")
        return f"{', '.join(row['norms'])}; {row['knowledge']}; needs {needs}{source}"
    seeds, threat = row["test_accuracies"], row["threat"]
    bar = "" if row["bar"] is None else f" (bar {100 * row['bar']:g} %)"
    unit = " ‖x‖" if threat["units"] == "relative" else ""
    budgets = ", ".join(f"{eps:g}" for eps in threat["eps"]) + unit
    accuracy = 100 * sum(seeds) / len(seeds)
    return f"clean accuracy {accuracy:.1f} %{bar}, {threat['norm']} {budgets}"


def _recipes() -> list[dict[str, Any]]:
    from counterspin import recipes

    found = [recipes.get(name) for name in recipes.names()]
    return [
        {
            "name": recipe.name,
            "description": recipe.summary,
            "threat": recipe.threat.to_json(),
            "bar": recipe.bar,
            "test_accuracies": [run["test_accuracy"] for run in recipe.card()["seeds"]],
        }
        for recipe in found
    ]


def _attacks() -> list[dict[str, Any]]:
    from counterspin.attacks import Attack, every_attack
    from counterspin.attacks.plugins import attack_of, registered

    def row(attack: Attack, source: str) -> dict[str, Any]:
        return {
            "name": attack.name,
            "description": (type(attack).__doc__ or "").strip().split("\n")[0],
            "norms": list(attack.norms),
            "knowledge": attack.knowledge,
            "requires": list(attack.requires),
            "targeted": attack.targeted,
            "config": attack.config,
            "source": source,
            "where": "features",
            "unit": None,
            "scope": "sample",
        }

    rows = [row(attack, "built-in") for attack in every_attack()]
    taken = tuple(row["name"] for row in rows)
    for plugin in registered().values():
        try:
            rows.append(row(attack_of(plugin, taken=taken), plugin.distribution))
        except UsageError as error:
            # One broken plugin must not hide the attacks that work.
            typer.echo(f"counterspin: {error}", err=True)
    return rows + _quantum_attacks()


def _quantum_attacks() -> list[dict[str, Any]]:
    """Attacks that do not change features; their budgets have a unit instead of a norm of features."""
    from counterspin.attacks.quantum.registry import every_quantum_attack, label

    return [
        {
            "name": label(attack),
            "description": (type(attack).__doc__ or "").strip().split("\n")[0],
            "norms": [],
            "knowledge": attack.knowledge,
            "requires": [],
            "targeted": True,
            "config": attack.config,
            "source": "built-in",
            "where": attack.where,
            "unit": attack.unit,
            "scope": attack.scope,
            "goal": attack.goal,
            "capability": attack.capability,
            "defense": attack.defense,
            "budgets": list(attack.default_budgets),
        }
        for attack in every_quantum_attack()
    ]


def _certificates() -> list[dict[str, Any]]:
    from counterspin.certificates.registry import methods

    return [
        {
            "name": certificate.name,
            "description": (type(certificate).__doc__ or "").strip().split("\n")[0],
            "norms": list(certificate.norms),
            "requires": list(certificate.requires),
            "stochastic": certificate.stochastic,
        }
        for certificate in methods()
    ]


def _defenses() -> list[dict[str, Any]]:
    from counterspin.defenses.training.registry import entries

    def usage(name: str, argument: str | None, options: dict[str, str]) -> str:
        settings = ",".join(f"{option}=…" for option in options if option != argument)
        given = ",".join(part for part in (argument and f"<{argument}>", settings and f"[{settings}]") if part)
        return f"--with {name}:{given}" if given else f"--with {name}"

    rows = []
    for entry in entries().values():
        row = entry.to_json()
        rows.append(
            {
                "name": row["name"],
                "description": row["summary"],
                "options": row["options"],
                "argument": row["argument"],
                "usage": usage(row["name"], row["argument"], row["options"]),
            }
        )
    return rows


def _devices() -> list[dict[str, Any]]:
    from counterspin.noise.devices import list_devices, missing_packages

    missing = missing_packages()
    if missing:
        typer.echo(
            f"counterspin: {' and '.join(missing)}, which {'carries' if len(missing) == 1 else 'carry'} calibrations, "
            f"{'is' if len(missing) == 1 else 'are'} not installed; run: pip install counterspin[devices]",
            err=True,
        )
    return [row.to_json() for row in list_devices()]


def _device_table(rows: list[dict[str, Any]]) -> None:
    """Aligned columns, what does not work below."""
    columns = ("device", "qubits", "date", "T1 µs", "T2 µs", "readout error %", "two-qubit error %")
    typer.echo("{:<22}{:>7}  {:<10}{:>8}{:>8}{:>17}{:>19}".format(*columns))
    for row in rows:
        figures = (
            (row["t1_median"], 1e6, 1, 8),
            (row["t2_median"], 1e6, 1, 8),
            (row["readout_error_median"], 100, 2, 17),
            (row["two_qubit_error_median"], 100, 2, 19),
        )
        shown = "".join(
            f"{'-' if value is None else f'{scale * value:.{digits}f}':>{width}}"
            for value, scale, digits, width in figures
        )
        typer.echo(f"{row['name']:<22}{row['qubits']:>7}  {row['date']:<10}{shown}")
        if row["note"]:
            typer.echo(f"    {'' if row['usable'] else 'not usable: '}{row['note']}")
