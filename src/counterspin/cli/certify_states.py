"""`counterspin certify CIRCUIT.qasm --states STATES.npz --readout "Z[0]"`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from counterspin.errors import UsageError

if TYPE_CHECKING:
    from counterspin.evaluation.state_record import StateCertification

__all__ = ["OBSERVABLE", "certify_circuit"]

# The readout that means the matrix in the data file.
OBSERVABLE = "observable"

_UNITS = {"fidelity": "infidelity 1 - F", "trace": "trace distance"}


def certify_circuit(
    path: Path,
    *,
    states: Path | None,
    readout: str | None,
    metric: str = "fidelity",
    eps: tuple[float, ...] = (0.001, 0.005),
    adversary: str = "quantum",
    qubit_order: str = "big",
    threshold: float = 0.0,
    samples: int | None = None,
    as_json: bool = False,
) -> int:
    """Certify the states of a data file against a circuit, and print what is proved.

    Args:
        path: an OpenQASM 2 or 3 program of fixed gates; weights may come from the data file.
        states: a .npz file, see `read_states`.
        readout: as `readout_from_text`, or `"observable"`: the matrix in the data file.
        metric: `"fidelity"` or `"trace"`.
        eps: budgets.
        adversary: `"quantum"`, `"pure"` or `"real"`.
        qubit_order: `"big"` or `"little"`, of the data file.
        threshold: of a single Pauli expression or observable.
        samples: first so many states; None: all.
        as_json: print one JSON object instead of tables.

    Returns:
        The exit code, 0.

    Raises:
        UsageError: no states or readout, or options that make no sense.
        InputError: a program or data that cannot be used.
        ConditionsError: an adversary the states do not allow.
    """
    from counterspin.circuits.qasm import load_qasm
    from counterspin.circuits.readout_text import readout_from_text
    from counterspin.cli.state_files import check_order, read_states
    from counterspin.evaluation.state_certification import certify_states, check_question

    check_question(metric, adversary, eps)
    check_order(qubit_order)
    circuit = load_qasm(path).circuit
    missing = [flag for flag, given in (("--states FILE.npz", states), ("--readout 'Z[0]'", readout)) if given is None]
    if states is None or readout is None:
        raise UsageError(f"{path} is a circuit; it needs {' and '.join(missing)} besides.")
    asked = None if readout.strip() == OBSERVABLE else readout_from_text(readout, threshold=threshold)
    data = read_states(states, circuit.qubits, qubit_order)
    found = certify_states(
        circuit,
        data.weights,
        data.observables(threshold) if asked is None else asked,
        data.states[:samples],
        None if data.labels is None else data.labels[:samples],
        metric=metric,
        eps=eps,
        adversary=adversary,
    )
    if as_json:
        labels = "prediction" if data.labels is None else "file"
        asked_for = {"circuit": str(path), "states": str(states), "readout": readout, "threshold": threshold}
        typer.echo(json.dumps({**asked_for, "labels": labels, **found.to_json()}))
    else:
        _print(path, found)
    return 0


def _print(path: Path, found: "StateCertification") -> None:
    from rich.console import Console
    from rich.markup import escape

    from counterspin.cli.summary import percent_words, share_words, slim_table

    console = Console(highlight=False)
    clean = share_words(found.clean_accuracy)
    console.print(f"[bold]{escape(str(path))}[/bold] · {len(found.labels)} states · clean accuracy {clean}")
    console.print(f"\nShare correct and proved · ε in {_UNITS[found.metric]} · adversary: {found.adversary}")
    table = slim_table(["ε", "certified", "unbroken", "decided", "not provably broken"])
    for eps in found.eps:
        others = (found.unbroken(eps), found.decided(eps), found.not_provably_broken(eps))
        table.add_row(f"{eps:g}", share_words(found.certified(eps)), *(percent_words(share.value) for share in others))
    console.print(table)
    console.print("Each method alone")
    table = slim_table(["method", *(f"ε = {eps:g}" for eps in found.eps), "median", "seconds"])
    for method in found.methods:
        median = found.median_radius(method)
        table.add_row(
            method.name,
            *(percent_words(found.certified(eps, method.lower).value) for eps in found.eps),
            "∞" if median is None else f"{median:.4g}",
            f"{method.seconds:.2f}",
        )
    console.print(table)
    console.print(f"Holds for: {escape('; '.join(found.assumptions.sentences))}.")
    console.print(
        "Not provably broken counts every state whose decision, right or wrong, is not seen to change; it is no robust "
        "accuracy.",
        style="dim",
    )
