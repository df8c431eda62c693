"""`counterspin audit MODEL`."""

import json
from pathlib import Path
from typing import Annotated

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
from counterspin.errors import BudgetReachedError, UsageError

__all__ = ["audit"]


def audit(
    model: Annotated[
        str,
        typer.Argument(
            help="file.py:object, a .qasm file, a recipe (`counterspin list recipes`) or a saved model's directory."
        ),
    ],
    norm: Annotated[str | None, typer.Option(help="linf, l2, l1 or l0; default: the recipe's threat.")] = None,
    eps: Annotated[str | None, typer.Option(help="Budgets, comma-separated, ascending: 0.05,0.1.")] = None,
    units: Annotated[str | None, typer.Option(help="feature, or relative: share of each input's norm.")] = None,
    box: Annotated[
        str | None, typer.Option(help="data (default): attacks stay in the data's box; none: they may leave it.")
    ] = None,
    samples: Annotated[
        int | None, typer.Option(help="First N test samples; default 200 (quick) or at most 500.")
    ] = None,
    suite: Annotated[str, typer.Option(help="The pinned suite of attacks; there is one, v1.")] = "v1",
    tier: Annotated[
        str | None,
        typer.Option(help="standard (default), paper (every sanity check), or quick: smaller, not for publication."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Short for --tier quick.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of every random stream.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Run directory; default runs/<model>-<key>.")] = None,
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
    gradient: Annotated[
        str, typer.Option(help="For a model of your own: auto (checked, then used), or none (a black box).")
    ] = "auto",
    budget: Annotated[
        str | None, typer.Option(help="Hard limit of the whole audit: 20000circuits, 1e7shots, 500jobs, or several.")
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Print what the audit will cost, and run nothing.")] = False,
    prices: Annotated[
        Path | None, typer.Option(help='With --plan: JSON like {"circuit": 0, "shot": 1e-5, "currency": "EUR"}.')
    ] = None,
    engine: Annotated[str, typer.Option(help="auto (compiled where it can serve), compiled, or torch.")] = "auto",
    device: DeviceOption = None,
    noise: NoiseOption = None,
    shots: ShotsOption = None,
    mitigation: MitigationOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    """Attack a model, prove what can be proved, check the evaluation itself, and write a report.

    Re-issuing the command resumes an interrupted audit, or one that its --budget ended. Exit code 1 means a sanity
    check failed: done, but unreliable; 4 that the budget was reached.
    """
    if quick and tier not in (None, "quick"):
        raise UsageError(f"--quick is short for --tier quick; it cannot go with --tier {tier}.")
    if suite != "v1":
        raise UsageError(f"--suite is {suite!r}; the one pinned suite is v1.")
    tier = tier or ("quick" if quick else "standard")
    if prices is not None and not plan:
        raise UsageError("--prices goes with --plan.")
    if samples is not None and samples < 1:
        raise UsageError(f"--samples is {samples}; give at least 1.")

    from counterspin.api import audit as run_audit
    from counterspin.attacks.registry import check_tier
    from counterspin.cli.plans import print_plan
    from counterspin.cli.summary import print_summary
    from counterspin.cli.threats import target_and_threat

    check_tier(tier)
    asked = asked_options(device, noise, shots, mitigation)
    count = samples or (200 if tier == "quick" else 500)
    target, threat = target_and_threat(
        model,
        data,
        norm=norm,
        eps=eps,
        units=units,
        box=box,
        engine=engine,
        samples=count,
        bounds=bounds,
        above=above,
        gradient=gradient,
    )
    asked = fitted_on(asked, target.train_x)
    if plan:
        return print_plan(
            target, threat, tier=tier, seed=seed, budget=budget, prices=prices, as_json=as_json, asked=asked
        )
    with progress_display(hidden=as_json) as progress:
        report = run_audit(
            target.model,
            target.x,
            target.y,
            threat,
            tier=tier,
            seed=seed,
            budget=budget,
            out=out,
            runs=Path("runs"),
            name=target.name,
            dataset=target.dataset_card,
            class_names=target.class_names,
            feature_names=target.feature_names,
            image_shape=target.image_shape,
            progress=progress,
            **asked,  # pyright: ignore[reportArgumentType]
        )
    if as_json:
        typer.echo(json.dumps(report.record.to_json()))
    else:
        print_summary(report)
    if report.record.budget is not None and report.budget_reached:
        raise BudgetReachedError(report.record.budget.note)
    return 0 if report.reliable else 1
