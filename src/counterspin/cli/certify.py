"""`counterspin certify MODEL`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from counterspin.cli.noise_options import (
    DeviceOption,
    MitigationOption,
    NoiseOption,
    ShotsOption,
    asked_options,
    fitted_on,
)
from counterspin.cli.progress import progress_display
from counterspin.cli.values import numbers
from counterspin.errors import UsageError

if TYPE_CHECKING:
    from counterspin.evaluation.certification_records import CertifyRecord, WholeModelRecord

__all__ = ["certify"]


def certify(
    model: Annotated[
        str,
        typer.Argument(
            help="A recipe (`counterspin list recipes`), file.py:object, a saved model's directory, or a .qasm file."
        ),
    ],
    norm: Annotated[str | None, typer.Option(help="linf, l2, l1 or l0; default: the recipe's threat.")] = None,
    eps: Annotated[str | None, typer.Option(help="Budgets, comma-separated, ascending: 0.05,0.1.")] = None,
    units: Annotated[str | None, typer.Option(help="feature, or relative: share of each input's norm.")] = None,
    box: Annotated[
        str | None, typer.Option(help="data (default): attacks stay in the data's box; none: they may leave it.")
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            help="auto (default): the best per sample of all that apply, or one (`counterspin list certificates`)."
        ),
    ] = None,
    samples: Annotated[int | None, typer.Option(help="First N test samples; default at most 500.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of every random stream; default 0.")] = None,
    out: Annotated[Path | None, typer.Option(help="Run directory; default runs/<model>-certify-<key>.")] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Samples, .npz with x and y or .csv; default: those beside a saved model or in the file."),
    ] = None,
    bounds: Annotated[
        tuple[float, float] | None,
        typer.Option(help="Lowest and highest value of a feature, for a model of your own.", metavar="LOW HIGH"),
    ] = None,
    above: Annotated[
        int | None,
        typer.Option(help="For a model with one output: its class above the threshold, 0 or 1; default 1."),
    ] = None,
    engine: Annotated[
        str | None, typer.Option(help="auto (default: compiled where it can serve), compiled, or torch.")
    ] = None,
    states: Annotated[Path | None, typer.Option(help="For a .qasm circuit: a .npz with its quantum states.")] = None,
    readout: Annotated[
        str | None, typer.Option(help="For a .qasm circuit: Z[0], Z[0] | Z[1], P[0,1]: 00 11 | 01 10, or observable.")
    ] = None,
    metric: Annotated[
        str | None, typer.Option(help="For a .qasm circuit: fidelity (default; budgets are 1 - F) or trace.")
    ] = None,
    adversary: Annotated[
        str | None,
        typer.Option(help="For a .qasm circuit: quantum (default: any state), pure, or real (pure, real amplitudes)."),
    ] = None,
    qubit_order: Annotated[
        str | None,
        typer.Option(help="For a .qasm circuit: big (default: qubit 0 is a state's most significant bit) or little."),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="For a .qasm circuit: of one expectation value; default 0.")
    ] = None,
    device: DeviceOption = None,
    noise: NoiseOption = None,
    shots: ShotsOption = None,
    mitigation: MitigationOption = None,
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
        of_features = {"norm": norm, "units": units, "box": box, "method": method, "seed": seed, "out": out}
        of_features |= {"device": device, "noise": noise, "shots": shots, "mitigation": mitigation}
        _refuse("a .qasm circuit has states, not features", **of_features, data=data, bounds=bounds, engine=engine)

        from counterspin.cli.certify_states import certify_circuit

        return certify_circuit(
            Path(model),
            states=states,
            readout=readout,
            metric="fidelity" if metric is None else metric,
            eps=numbers("--eps", eps) if eps is not None else (0.001, 0.005),
            adversary="quantum" if adversary is None else adversary,
            qubit_order="big" if qubit_order is None else qubit_order,
            threshold=threshold or 0.0,
            samples=samples,
            as_json=as_json,
        )
    of_states = {"states": states, "readout": readout, "metric": metric, "adversary": adversary}
    _refuse("it goes with a .qasm circuit", **of_states, qubit_order=qubit_order, threshold=threshold)
    method, engine = ("auto" if given is None else given for given in (method, engine))

    from counterspin.api import certify as run_certify
    from counterspin.cli.threats import target_and_threat

    _check_method(method, norm)
    asked = asked_options(device, noise, shots, mitigation)
    target, threat = target_and_threat(
        model,
        data,
        norm=norm,
        eps=eps,
        units=units,
        box=box,
        engine=engine,
        samples=samples or 500,
        bounds=bounds,
        above=above,
    )
    asked = fitted_on(asked, target.train_x)
    with progress_display(hidden=as_json) as progress:
        found = run_certify(
            target.model,
            target.x,
            target.y,
            threat,
            method=method,
            seed=seed or 0,
            out=out,
            runs=Path("runs"),
            name=target.name,
            dataset=target.dataset_card,
            progress=progress,
            **asked,  # pyright: ignore[reportArgumentType]
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
    given = ", ".join(f"--{name.replace('_', '-')}" for name, value in options.items() if value is not None)
    if given:
        raise UsageError(f"{given} cannot be used here: {reason}; leave it out.")


def _check_method(method: str, norm: str | None) -> None:
    """Refuse an unknown method, and a norm in which nothing can be proved: before a model is loaded."""
    from counterspin.certificates.registry import methods, named
    from counterspin.evaluation.certification import AUTO

    norms = {known for certificate in (methods() if method == AUTO else [named(method)]) for known in certificate.norms}
    if norm is not None and norm not in norms:
        raise UsageError(f"norm is {norm!r}; method {method} proves radii in {', '.join(sorted(norms))}.")


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
