"""How far a gradient attack on cross-entropy over-states robust accuracy, against the exact radius, per readout.

Every row is measured at the median exact L2 radius of the correctly classified samples, as a share of the norm of the
input and without a box: half of them can be broken there, and it is known which.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from rich.table import Table
from torch import Tensor

from benchmarks.ce_overstatement_figure import draw
from benchmarks.ce_overstatement_subjects import Case, committed, trained
from benchmarks.outcome import Options, Outcome
from benchmarks.tables import number
from counterspin.attacks import APGD, PGD, Attack, CrossEntropy, Margin
from counterspin.certificates import ExactL2Certificate
from counterspin.evaluation.statistics import mcnemar, measured_share
from counterspin.threats import L2

__all__ = ["ATTACKS", "Truth", "exact_truth", "run", "summary", "table"]

ATTACKS: dict[str, Attack] = {
    "pgd-ce × 1": PGD(steps=40, loss=CrossEntropy()),
    "pgd-ce × 10": PGD(steps=40, restarts=10, loss=CrossEntropy()),
    "apgd-ce × 1": APGD(steps=100, loss=CrossEntropy()),
    "pgd-margin × 1": PGD(steps=40, loss=Margin()),
    "pgd-margin × 10": PGD(steps=40, restarts=10, loss=Margin()),
}
SEEDS, MNIST_SAMPLES, QUICK_SAMPLES = (0, 1, 2), 500, 60


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What is known without any attack.

    Args:
        eps: the median exact radius of the correct samples, as a share of the norm of the input.
        correct: samples classified correctly `(batch,)`.
        standing: samples no attack can break at `eps` `(batch,)`, by proof.
        decided: samples whose verdict at `eps` is proved either way `(batch,)`.
    """

    eps: float
    correct: Tensor
    standing: Tensor
    decided: Tensor


def run(options: Options) -> Outcome:
    """One row per case, readout and attack; a sample broken against its proof, or undecided, is missed."""
    rows = [row for case in _cases(quick=options.quick) for row in _of_case(case)]
    draw(rows, options.folder)
    missed = sum(row["broken_against_proof"] + row["undecided"] for row in rows)
    return Outcome(rows=rows, tables=(table(rows),), missed=missed)


def exact_truth(model: Any, x: Tensor, y: Tensor) -> Truth:
    """Exact radii of a model, and the budget that half of its correct samples survive.

    The budget lies midway between two radii: at a radius itself rounding would decide.
    """
    found = ExactL2Certificate()(model, x, y, L2(1.0, box="none"))
    norms = torch.linalg.vector_norm(x.double(), dim=1)
    lower, upper = found.radius_lower / norms, found.radius_upper / norms
    radii = lower[upper > 0].sort().values
    middle = len(radii) // 2
    eps = float(radii[max(0, middle - 1) : middle + 1].mean())
    return Truth(eps=eps, correct=upper > 0, standing=lower > eps, decided=(lower > eps) | (upper <= eps))


def summary(case: Case, readout: str, truth: Truth, broken: dict[str, Tensor]) -> list[dict[str, Any]]:
    """One row per attack, each compared with the margin at as many steps and starts (exact McNemar).

    Args:
        case: what was attacked.
        readout: which of its readouts.
        truth: what no attack can change.
        broken: correct samples each attack of `ATTACKS` broke `(batch,)`.
    """
    clean, exact = (measured_share(int(mask.sum()), len(mask)) for mask in (truth.correct, truth.standing))
    found = []
    for name, success in broken.items():
        unbroken = truth.correct & ~success
        share = measured_share(int(unbroken.sum()), len(unbroken))
        missing = measured_share(int((unbroken & ~truth.standing).sum()), len(unbroken))
        margin = broken[f"pgd-margin × {ATTACKS[name].restarts}"]
        alone, margin_alone = int((success & ~margin).sum()), int((margin & ~success).sum())
        found.append(
            {
                "part": case.part,
                "subject": case.subject,
                "seed": case.seed,
                "readout": readout,
                "outputs": case.readouts[readout].outputs,
                "samples": share.n,
                "eps": truth.eps,
                "clean_accuracy": clean.value,
                "exact_robust_accuracy": exact.value,
                "attack": name,
                "steps": ATTACKS[name].config["steps"],
                "restarts": ATTACKS[name].restarts,
                "robust_accuracy": share.value,
                "low": share.low,
                "high": share.high,
                "overstatement": missing.value,
                "overstatement_low": missing.low,
                "overstatement_high": missing.high,
                "only_this_broke": alone,
                "only_margin_broke": margin_alone,
                "p_value": None if "margin" in name else mcnemar(alone, margin_alone),
                "broken_against_proof": int((success & truth.standing).sum()),
                "undecided": int((~truth.decided).sum()),
            }
        )
    return found


def table(rows: Sequence[dict[str, Any]]) -> Table:
    """One line per readout: shares in per cent, and by how many points each attack is too high with 95 % intervals.

    The p-value compares cross-entropy with the margin, both PGD of one start.
    """
    shown = Table(
        title="Points above the exact robust accuracy, at the median exact L2 radius, by attack and starts",
        title_justify="left",
    )
    for name in ("subject", "seed", "readout"):
        shown.add_column(name, no_wrap=True)
    for name in ("samples", "eps", "clean", "exact robust", *ATTACKS, "p value"):
        shown.add_column(name, justify="right")
    lines: dict[tuple[Any, ...], dict[str, dict[str, Any]]] = {}
    for row in rows:
        lines.setdefault((row["part"], row["subject"], row["seed"], row["readout"]), {})[row["attack"]] = row
    for (_, subject, seed, readout), by_attack in lines.items():
        first = by_attack["pgd-ce × 1"]
        shown.add_row(
            *(subject, str(seed), readout, str(first["samples"]), f"{first['eps']:.4f}"),
            *(f"{100 * first[f'{name}_accuracy']:.1f}" for name in ("clean", "exact_robust")),
            *(_points(by_attack[name]) for name in ATTACKS),
            number(first["p_value"]),
        )
    return shown


def _cases(*, quick: bool) -> Iterator[Case]:
    yield committed("digits-amplitude", QUICK_SAMPLES if quick else None)
    if not quick:
        yield committed("mnist-amplitude", MNIST_SAMPLES)
    for seed in SEEDS[:1] if quick else SEEDS:
        yield from trained(seed=seed, quick=quick)


def _of_case(case: Case) -> list[dict[str, Any]]:
    # Equal decisions have equal radii: those of one readout that has effective observables serve them all.
    truth = exact_truth(next(reversed(case.readouts.values())), case.x, case.y)
    threat = L2(truth.eps, units="relative", box="none")
    found = []
    for readout, model in case.readouts.items():
        broken = {}
        for name, attack in ATTACKS.items():
            result = attack(model, case.x, case.y, threat, generator=torch.Generator().manual_seed(0))
            broken[name] = result.success[0]
        found += summary(case, readout, truth, broken)
    return found


def _points(row: dict[str, Any]) -> str:
    value, low, high = (100 * row[name] for name in ("overstatement", "overstatement_low", "overstatement_high"))
    return f"{value:.1f} [{low:.1f}, {high:.1f}]"
