"""`counterspin certify MODEL`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from counterspin.cli.progress import progress_display
from counterspin.cli.values import numbers
from counterspin.errors import UsageError

if TYPE_CHECKING:
    from counterspin.evaluation.certification_records import CertifyRecord, WholeModelRecord

__all__ = ["certify"]


def certify(
    model: Annotated[
        str,
        typer.Argument(help="A recipe (`counterspin list recipes`), a saved model's directory, or a .qasm file."),
    ],
    norm: Annotated[str | None, typer.Option(help="linf, l2 or l1; default: the recipe's threat.")] = None,
    eps: Annotated[str | None, typer.Option(help="Budgets, comma-separated, ascending: 0.05,0.1.")] = None,
    units: Annotated[str | None, typer.Option(help="feature, or relative: share of each input's norm.")] = None,
    box: Annotated[str, typer.Option(help="data: attacks stay in the data's box; none: they may leave it.")] = "data",
    method: Annotated[
        str, typer.Option(help="auto: the best per sample of all that apply; or one (`counterspin list certificates`).")
    ] = "auto",
    samples: Annotated[int | None, typer.Option(help="First N test samples; default at most 500.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of every random stream.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Run directory; default runs/<model>-certify-<key>.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="A .npz with x and y, for a saved model; default MODEL/test.npz.")
    ] = None,
    engine: Annotated[str, typer.Option(help="auto (compiled where it can serve), compiled, or torch.")] = "auto",
    states: Annotated[Path | None, typer.Option(help="For a .qasm circuit: a .npz with its quantum states.")] = None,
    readout: Annotated[
        str | None, typer.Option(help="For a .qasm circuit: Z[0], Z[0] | Z[1], P[0,1]: 00 11 | 01 10, or observable.")
    ] = None,
    metric: Annotated[
        str, typer.Option(help="For a .qasm circuit: fidelity (budgets are 1 - F) or trace.")
    ] = "fidelity",
    adversary: Annotated[
        str, typer.Option(help="For a .qasm circuit: quantum (any state), pure, or real (pure, real amplitudes).")
    ] = "quantum",
    qubit_order: Annotated[
        str,
        typer.Option(help="For a .qasm circuit: big (qubit 0 is the most significant bit of a state) or little."),
    ] = "big",
    threshold: Annotated[float, typer.Option(help="For a .qasm circuit: of one expectation value.")] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    """Prove what can be proved of each sample, beside the nearest counterexamples.

    For a .qasm circuit the samples are quantum states (`--states`), classified by `--readout`. Re-issuing the command
    resumes an interrupted run. Exit code 1 means that a certificate contradicts a counterexample, which is a bug in
    counterspin.
    """
    if samples is not None and samples < 1:
        raise UsageError(f"--samples is {samples}; give at least 1.")
    if model.endswith(".qasm"):
        _refuse("a .qasm circuit has states, not features", norm=norm, units=units, data=data, out=out)

        from counterspin.cli.certify_states import certify_circuit

        return certify_circuit(
            Path(model),
            states=states,
            readout=readout,
            metric=metric,
            eps=numbers("--eps", eps) if eps is not None else (0.001, 0.005),
            adversary=adversary,
            qubit_order=qubit_order,
            threshold=threshold,
            samples=samples,
            as_json=as_json,
        )
    _refuse("it goes with a .qasm circuit", states=states, readout=readout)

    from counterspin.api import certify as run_certify
    from counterspin.cli.targets import audit_target
    from counterspin.cli.threats import chosen_threat
    from counterspin.models import set_engine

    target = audit_target(model, data)
    set_engine(target.model, engine)
    threat = chosen_threat(target, norm, eps, units, box)
    count = min(len(target.x), samples or 500)
    with progress_display(hidden=as_json) as progress:
        found = run_certify(
            target.model,
            target.x[:count],
            target.y[:count],
            threat,
            method=method,
            seed=seed,
            out=out,
            runs=Path("runs"),
            name=target.name,
            dataset=target.dataset_card,
            progress=progress,
        )
    if as_json:
        typer.echo(json.dumps(found.record.to_json()))
    else:
        _print(found.record)
    return 1 if found.record.violations else 0


def _whole_model(found: "WholeModelRecord") -> str:
    moved = f"{len(found.unbalanced_pairs)} class pairs move their boundary"
    noise = "no decision moves" if found.depolarizing_balanced else moved
    words = f"Whole model: under global depolarising noise {noise}"
    if found.global_bound is not None:
        words += f"; K* = {found.global_bound.upper:.4g} (robust and fair for states ε apart up to δ = K* ε)"
    return f"{words}."


def _refuse(reason: str, **options: object) -> None:
    given = ", ".join(f"--{name}" for name, value in options.items() if value is not None)
    if given:
        raise UsageError(f"{given} cannot be used here: {reason}; leave it out.")


def _print(record: "CertifyRecord") -> None:
    from rich.console import Console
    from rich.markup import escape

    from counterspin.cli.summary import percent_words, share_words, slim_table

    console = Console(highlight=False)
    name, threat = escape(str(record.model["name"])), record.threat
    console.print(f"[bold]{name}[/bold] · clean accuracy {share_words(record.clean_accuracy)}")
    console.print(f"\nShare correct and proved · {threat['norm']}, {threat['units']} units, box {threat['box']}")
    table = slim_table(["ε", "certified", "unbroken", "proved", "broken", "open"])
    for budget in record.budgets:
        table.add_row(
            f"{budget.eps:g}",
            share_words(budget.certified),
            share_words(budget.upper),
            *(str(budget.verdicts[word]) for word in ("proved", "counterexample", "inconclusive")),
        )
    console.print(table)
    console.print("Each method alone · tight: median of certified radius over nearest counterexample")
    epsilons = [f"ε = {budget.eps:g}" for budget in record.budgets]
    table = slim_table(["method", *epsilons, "median", "tight", "exact", "s"])
    for method, found in record.methods.items():
        table.add_row(
            escape(method),
            *(percent_words(share.value) for share in found.certified),
            "∞" if found.median_radius is None else f"{found.median_radius:.4g}",
            "–" if found.tightness is None else f"{found.tightness:.4f}",
            percent_words(found.exact_share),
            f"{found.seconds:.2f}",
        )
    console.print(table)
    for method, found in record.methods.items():
        console.print(f"{escape(method)}: {escape('; '.join(found.assumptions))}.")
    if record.whole_model is not None:
        console.print(_whole_model(record.whole_model))
    if record.refused:
        console.print(f"[dim]Outside their conditions (--json says why): {escape(', '.join(record.refused))}.[/dim]")
    if record.violations:
        console.print(f"[red]CONTRADICTION[/red] samples {record.violations} are certified beyond a counterexample.")
    console.print(f"Run: {record.run}", soft_wrap=True, markup=False)
